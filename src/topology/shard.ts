// A shard: one ordinary PostgreSQL database that holds a part of the sharded tables' rows.

/** How connections are encrypted, and whether the server must prove who it is; libpq's words. */
export const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;

export type SslMode = (typeof SSL_MODES)[number];

/** `sslrootcert` for the certificate authorities that Node and browsers trust. */
export const SYSTEM_ROOTS = 'system';

export interface Shard {
  /** 0-based; also what drive.shard_id() answers on that server. */
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  /** Connections of the proxy at most; not given: as for every shard. */
  readonly poolSize?: number;
  /** For clients that connect to its database by name; not given: as for all. */
  readonly poolMode?: 'transaction' | 'session';
  /** Not given: disable. */
  readonly sslmode?: SslMode;
  /** Path of the authorities' certificates (PEM), or SYSTEM_ROOTS. */
  readonly sslrootcert?: string;
  /** Paths of the proxy's own certificate and its key (PEM): both or neither. */
  readonly sslcert?: string;
  readonly sslkey?: string;
}

/** The shard that holds the home tables and answers catalog queries. */
export const HOME_SHARD = 0;
