// A shard: one ordinary PostgreSQL database that holds a part of the sharded tables' rows.

export interface Shard {
  /** 0-based; also what drive.shard_id() answers on that server. */
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

/** The shard that holds the home tables and answers catalog queries. */
export const HOME_SHARD = 0;
