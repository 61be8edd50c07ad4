// The project's one door to pg (node-postgres), for what talks SQL as a client does.

export {
  Client,
  DatabaseError,
  Pool,
  type PoolClient,
  type QueryResult,
} from 'pg';
