// The project's one door to pg (node-postgres), for what talks SQL as a client does.

export {
  Client,
  type ClientConfig,
  DatabaseError,
  Pool,
  type PoolClient,
  type PoolConfig,
  type QueryResult,
  types,
} from 'pg';
