// DDL nodes: what the parser's names of utility statements are about.

/** Of one server, not of a database: they are made once on each server. */
export const ROLE_NODES = new Set([
  'CreateRoleStmt',
  'AlterRoleStmt',
  'AlterRoleSetStmt',
  'DropRoleStmt',
  'GrantRoleStmt',
]);

/** About a database by its name, which is another on each shard, or about a server's files. */
export const DATABASE_NODES = new Set([
  'CreatedbStmt',
  'DropdbStmt',
  'AlterDatabaseStmt',
  'AlterDatabaseSetStmt',
  'AlterDatabaseRefreshCollStmt',
  'CreateTableSpaceStmt',
  'DropTableSpaceStmt',
  'AlterTableSpaceOptionsStmt',
  'AlterSystemStmt',
  'CreateSubscriptionStmt',
  'AlterSubscriptionStmt',
  'DropSubscriptionStmt',
]);
export const DATABASE_OBJECTS = new Set([
  'OBJECT_DATABASE',
  'OBJECT_TABLESPACE',
  'OBJECT_SUBSCRIPTION',
  'REINDEX_OBJECT_DATABASE',
  'REINDEX_OBJECT_SYSTEM',
]);

/** Statements about the whole database, or tables of it, that change no schema. */
export const MAINTENANCE = new Set(['VacuumStmt', 'ClusterStmt', 'ReindexStmt']);

/** Everything else that is not DDL although no other statement either. */
export const NOT_DDL = new Set([
  'DoStmt',
  'CallStmt',
  'ExecuteStmt',
  'PrepareStmt',
  'ExplainStmt',
  'DeclareCursorStmt',
  'FetchStmt',
  'ClosePortalStmt',
  'ListenStmt',
  'UnlistenStmt',
  'NotifyStmt',
  'LoadStmt',
  'CheckPointStmt',
  'DeallocateStmt',
]);

/** Of one table. */
export const ALTERING = new Set(['AlterTableStmt', 'RenameStmt', 'IndexStmt']);
