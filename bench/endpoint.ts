// Where a load generator connects to, and what is measured there while it runs.

/** How a client logs in. */
export interface Login {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

/**
 * `direct`: the server of shard 0; `shard 1`: that of the other shard, for what both answer
 * together; the two others stand between the client and the servers.
 */
export const TARGETS = ['direct', 'shard 1', 'pgbouncer', 'proxy'] as const;
export type Target = (typeof TARGETS)[number];

export interface Endpoint {
  readonly target: Target;
  readonly login: Login;
  /** Processes between client and PostgreSQL; empty for a direct connection. */
  readonly middle: readonly number[];
}
