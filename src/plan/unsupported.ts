// Unsupported: the one list of what is refused when it would need several shards or means none.

import type { SqlErrorFields } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';

const ONE_SHARD =
  'Restrict every sharded table to one key (WHERE key = …), or choose the shard by hand: SET drive.shard = n.';
const BY_HAND = 'Run it on each shard: connect to the shard itself, or SET drive.shard = n first.';

export interface Entry {
  /** The clause or statement, as the message names it. */
  readonly what: string;
  readonly hint: string;
}

/** Statements over several shards that are refused; on one shard all of them work. */
export const SEVERAL_SHARDS = {
  joinWithoutKey: {
    what: 'a join of sharded tables that are not joined by equal sharding keys',
    hint: 'Add an equality of the sharding keys to the join, or restrict each table to one key.',
  },
  outerJoin: {
    what: 'an outer join that keeps rows of a table that is not sharded, or a FULL JOIN',
    hint: ONE_SHARD,
  },
  setOperation: { what: 'UNION, INTERSECT or EXCEPT over sharded tables', hint: ONE_SHARD },
  subQuery: {
    what: 'a sub-query over a sharded table that is not tied to the key of the outer query',
    hint: 'Tie it to the outer row by an equality of sharding keys, or restrict it to one key.',
  },
  derivedLimit: { what: 'LIMIT, OFFSET or FOR UPDATE in a sub-query', hint: ONE_SHARD },
  derivedAggregate: {
    what: 'an aggregate or DISTINCT in a sub-query that does not group by the sharding key',
    hint: 'Group the sub-query by the sharding key.',
  },
  window: {
    what: 'a window function without the sharding key in PARTITION BY',
    hint: 'Add the sharding key to PARTITION BY, or restrict the query to one key.',
  },
  groupingSets: { what: 'GROUPING SETS, ROLLUP, CUBE or GROUP BY DISTINCT', hint: ONE_SHARD },
  distinctOn: {
    what: 'DISTINCT ON without the sharding key',
    hint: 'Add the sharding key to DISTINCT ON, or restrict the query to one key.',
  },
  unknownFunction: {
    what: 'a function that may be volatile, an aggregate or return several rows',
    hint: ONE_SHARD,
  },
  systemColumn: {
    what: 'a system column: ctid, xmin, xmax (but xmax = 0 in RETURNING of an INSERT), cmin, cmax; tableoid in a write, with FOR UPDATE, of a view, or beside what may mean all columns: a star within, NATURAL, a whole row',
    hint: ONE_SHARD,
  },
  sequenceFunction: { what: 'a sequence or session function', hint: ONE_SHARD },
  lockLimit: {
    what: 'FOR UPDATE or FOR SHARE in a statement whose rows must be found first: of views, outer joins, in sub-queries that may depend on a row around them, with whole rows, with USING and a star, under row-level security, or for COPY, or for a cursor with ORDER BY and LIMIT',
    hint: 'Lock the rows by their keys with a statement of its own.',
  },
  copyTime: {
    what: 'COPY of a query with a view that tells the time',
    hint: "Copy the view's own query, or a table made of it.",
  },
  viewKeptTime: {
    what: 'a materialized view whose query tells the time, each shard its own',
    hint: 'Make it a plain view, or leave its conditions on the time to the queries that read it.',
  },
  routineTime: {
    what: 'a function of your own that tells the time: in a condition of a write and not STABLE, or in a transaction that began on another shard than 0',
    hint: 'Declare it STABLE if it only reads; or ask for its value first, and give that.',
  },
  copyDefaultTime: {
    what: 'COPY FROM with the option DEFAULT and a column whose default tells the time',
    hint: 'Leave the column out of the list, or give its value in every row.',
  },
  timeWord: {
    what: "a string with 'now' or 'today' in it that each shard would read for itself: 'today 10:00', '{today}', one of a type that is made of dates",
    hint: "Give the date itself, or compute it: CURRENT_DATE + time '10:00'.",
  },
  statementTime: {
    what: 'statement_timestamp(), which each shard would tell for itself',
    hint: 'Use now(), or send the time as a parameter.',
  },
  timeInFrom: {
    what: 'the current time as an item of FROM',
    hint: 'Write FROM (SELECT now()) t.',
  },
  refreshBlock: {
    what: 'REFRESH MATERIALIZED VIEW CONCURRENTLY, in a transaction, of a view that each shard keeps its own rows of',
    hint: 'Leave CONCURRENTLY away, or run it outside of the transaction.',
  },
  viewSecurity: {
    what: 'a view that must be computed as a whole, over a table with row-level security',
    hint: ONE_SHARD,
  },
  viewOperators: {
    what: 'a view that must be computed as a whole, under a search_path without the schema of an operator that it compares with by CASE x WHEN, NULLIF, IS DISTINCT FROM, USING or as rows',
    hint: 'Add the schema of the type to search_path.',
  },
  shardFunction: {
    what: 'drive.shard_id() in a statement that cannot run shard by shard',
    hint: 'Ask the shards in a sub-query of their own, or restrict the statement to one key.',
  },
  engineInTransaction: {
    what: 'in a transaction: the current time, system catalogs or functions that are not built in, in a statement that shard 0 computes over more than 64 MB, over types made by users, or for COPY or a cursor over copies',
    hint: 'Run it outside of the transaction, over fewer rows or columns, or send the time as a parameter.',
  },
  tableSample: {
    what: 'TABLESAMPLE by SYSTEM_ROWS, or by anything but numbers in a statement that cannot run shard by shard, or in a write whose rows are computed first',
    hint: 'Write the share of the rows as a number: BERNOULLI (10).',
  },
  sharedName: {
    what: 'a table named without its schema beside another of that name, which its schema tells apart',
    hint: 'Give the tables aliases.',
  },
  text: { what: 'a form of SELECT that cannot be split safely', hint: ONE_SHARD },
  declare: {
    what: 'DECLARE CURSOR of a statement whose rows are neither those of the shards nor what shard 0 can compute',
    hint: ONE_SHARD,
  },
  cursorHold: {
    what: 'a cursor WITH HOLD in a session that has other state on shard 0',
    hint: 'Declare it first, or without HOLD, or drop temporary tables and locks before.',
  },
  cursorRow: {
    what: 'a cursor of whole rows of a view that shard 0 computes, or WITH HOLD of whole rows that it copies',
    hint: 'Name the columns.',
  },
  currentOf: {
    what: 'WHERE CURRENT OF a cursor over copies of the rows, or within WITH, or over several shards where a trigger may set the sharding key',
    hint: 'Restrict the cursor to one key, or write by the primary key.',
  },
  copyQuery: {
    what: 'COPY of a query that shard 0 cannot compute, or to a file of the server',
    hint: 'COPY to STDOUT, or a query for one key, or SET drive.shard = n.',
  },
  writingWith: {
    what: 'a WITH that writes, with SEARCH, CYCLE, a WITH within, SELECT INTO, ONLY, or text that cannot be told apart',
    hint: 'Send its parts as statements of their own, in one transaction.',
  },
  withTwice: {
    what: 'a WITH that writes, of which one part changes rows of a table that another part writes',
    hint: 'Change each table in one part, or send the parts as statements of their own, in one transaction.',
  },
  returning: {
    what: 'RETURNING, in a write whose rows are computed first, of a sub-query or of a star or row within something else, beside columns of the new row that get a DEFAULT or are left to chance or a trigger: where FROM or the source has a function, a join by USING or NATURAL or columns whose names are not known, of the row of a sub-query in FROM, of where a row lies, or of a table with its schema that the sub-query reads, too',
    hint: 'Put what FROM has into sub-queries with names for their columns, or ask for the rest by a SELECT of its own.',
  },
  mergeSource: {
    what: 'MERGE of a source that must be computed first and is a join: by USING or NATURAL, with RETURNING * or of more than two relations by FULL JOIN; of what has no name',
    hint: 'Put the join into a sub-query with a name: USING (SELECT … FROM a JOIN b ON …) AS s.',
  },
  insertWith: {
    what: 'INSERT with a sub-query in ON CONFLICT that may read a WITH query, or of rows that leave the sharding key to its default and give a value to another identity',
    hint: 'Read what is needed by a SELECT of its own before; give the key its value by nextval().',
  },
} as const satisfies Record<string, Entry>;

/** Statements that are refused whatever shards they need, unless routed by hand. */
export const REFUSED = {
  lockReference: {
    what: 'locking rows of a reference table within a statement that writes sharded tables',
    hint: 'Lock them by a SELECT of its own before, or name the other tables: FOR UPDATE OF t.',
  },
  advisoryLock: {
    what: 'an advisory lock on what rows of shards give, of the session or in a write: statements meet at it on shard 0 only',
    hint: 'Take it by a SELECT of its own without tables, or for the transaction by a SELECT of the rows: pg_advisory_xact_lock(…).',
  },
  notification: {
    what: 'pg_notify() in a write of sharded tables',
    hint: 'Notify by a statement of its own: NOTIFY, or SELECT pg_notify(…) of the rows.',
  },
  temporaryObject: {
    what: "a function or type of the session's own (pg_temp) in a write of sharded tables",
    hint: 'Ask for its values by a SELECT before, or make it without pg_temp.',
  },
  view: {
    what: 'writing a view of sharded tables that is more than rows and columns of one, or one of home that shows rows of a reference table; a view that must have its rows found first and does not show the sharding key, or not the same rows at any time, or whose column is written by the second of two names; reading a view that is just being changed',
    hint: 'Write the tables of the view themselves.',
  },
  viewKept: {
    what: 'a materialized view whose rows no shard can compute by itself, of a partitioned or inherited table, one with row-level security, or a materialized view that each shard keeps its own rows of; or by ONLY, a system column or drive.shard_id()',
    hint: 'Make it a plain view, or group it by the sharding key; CREATE TABLE … AS keeps the rows of now.',
  },
  mixed: {
    what: 'a statement other than SELECT over both sharded and home tables',
    hint: 'Home tables are on shard 0 only. Ask for each by itself, or make the table a reference table.',
  },
  referenceWrite: {
    what: 'writing a reference table by a cursor, or within WITH of CREATE TABLE AS',
    hint: 'Use INSERT, UPDATE and DELETE by themselves.',
  },
  referenceUnsteady: {
    what: 'a write of a reference table that could do something else on each shard',
    hint: 'Its copies must stay equal: send values instead of random(), LIMIT and functions of your own, of SET … = DEFAULT of an identity, and in ON CONFLICT of any that is no constant; leave OVERRIDING USER VALUE away; insert through a view that shows all columns whose default is no constant.',
  },
  insertDefault: {
    what: 'a row without a value for its sharding key, or SET … = DEFAULT of one that is an identity or generated',
    hint: 'List the key column and give it a value.',
  },
  triggerKey: {
    what: 'a row to which a trigger gives the sharding key of another shard',
    hint: 'Give the row that key in the statement. An INSERT may leave it to a trigger that computes it from the row and settings alone.',
  },
  triggerWrites: {
    what: 'a write of a sharded or home table, itself or by a foreign key, whose trigger writes a reference table',
    hint: 'The trigger would write one copy of it. Write the reference table by a statement of your own, in the same transaction.',
  },
  routine: {
    what: 'calling a routine that reads or writes sharded tables, or writes reference tables',
    hint: 'Send its statements through the proxy, or choose the shard by hand: SET drive.shard = n.',
  },
  triggerBeyond: {
    what: 'a write of a sharded table, itself or by a foreign key, whose trigger, or whose constraint, or default on INSERT, has a statement on all rows of a sharded table, or on those of a constant key',
    hint: 'It would find those of its own shard only. Tie the statement to the key of its row (WHERE key = NEW.key), or write the other rows by a statement of your own, in the same transaction.',
  },
  homeTrigger: {
    what: 'writing a home table whose triggers, defaults, constraints or policies run a routine that reads or writes sharded tables, or a reference table of which one inserts into these',
    hint: 'It would reach the rows of one shard, or insert on every one. Send its statements through the proxy, or choose the shard by hand: SET drive.shard = n.',
  },
  queryFunction: { what: 'a function that runs a query given as text', hint: BY_HAND },
  exportSnapshot: {
    what: 'pg_export_snapshot() beside or within something else',
    hint: 'Use SELECT pg_export_snapshot() with nothing else in it.',
  },
  connectionView: {
    what: 'pg_prepared_statements and pg_cursors',
    hint: 'They show a server connection, which the proxy shares: keep the names where they are given.',
  },
  setConfig: {
    what: 'set_config() of a computed name, of client_encoding, standard_conforming_strings, array_nulls or drive.*',
    hint: 'Give the name and the last argument as constants or parameters, or use SET.',
  },
  settingsTable: { what: 'UPDATE of pg_settings', hint: 'Use SET.' },
  setval: {
    what: 'setval() beside or within something else',
    hint: 'Use SELECT setval(…) with nothing else in its list, or ALTER SEQUENCE … RESTART WITH.',
  },
  sequenceMemory: {
    what: 'lastval() and currval() other than directly behind INSERTs of the same transaction which take such ids, by themselves or in a statement for the shard of these',
    hint: 'Use RETURNING: the connection to a server is shared.',
  },
  clusterText: {
    what: 'what all shards tell (sizes, statistics, where sequences are) in a text with UESCAPE, or with TABLESAMPLE or a star behind the name of a catalog, or by a function of whose name the database has one of its own',
    hint: 'Write the statement without these, and the schema before the function: pg_catalog.pg_table_size(…).',
  },
  mixedDdl: {
    what: 'one DDL statement for home tables and others together, other than a list of tables in TRUNCATE, LOCK, DROP, GRANT, REVOKE, ANALYZE or VACUUM',
    hint: 'Name them in statements of their own.',
  },
  family: {
    what: 'a partition or child of a table that is of another kind, or sharded by another column',
    hint: "Give both the same kind and key first: SELECT create_distributed_table('t', 'key'), create_reference_table('t') or undistribute_table('t').",
  },
  renamed: {
    what: 'giving a table a name that the configuration has with another kind or sharding key',
    hint: "Change the kind first: SELECT create_reference_table('t'), create_distributed_table('t', 'key') or undistribute_table('t'); or take the name out of sharding.tables.",
  },
  truncateTrigger: {
    what: 'TRUNCATE of a table with a trigger FOR EACH STATEMENT that it fires',
    hint: 'It would fire on every shard. DELETE the rows, or drop the trigger.',
  },
  database: {
    what: 'DDL on databases, tablespaces, subscriptions and server settings',
    hint: 'They belong to one server: SET drive.shard = n first, or connect to the server itself.',
  },
  doBlock: {
    what: 'a DO block with DDL and variables, loops, ELSE or other statements',
    hint: 'Send its statements by themselves, with IF [NOT] EXISTS where they may be done already.',
  },
  schemaElements: {
    what: 'CREATE SCHEMA with objects in it, for who is current, or with GRANT on the sequence of an identity',
    hint: 'Give the schema a name, or make the schema first, then each object with a statement of its own.',
  },
  rule: { what: 'CREATE RULE on a sharded or reference table', hint: 'Use a trigger.' },
  policy: {
    what: 'a policy that reads rows which may be on other shards',
    hint: 'Tie its sub-query to the row by an equality of sharding keys, or read a reference table.',
  },
  keyColumn: {
    what: 'dropping, renaming or retyping the sharding key column',
    hint: 'Make a new table and copy the rows.',
  },
  unique: {
    what: 'a unique constraint of a sharded table without the sharding key',
    hint: 'Each shard would keep it for its own rows only. Add the sharding key to its columns, or let a sequence, an identity or gen_random_uuid() fill its one column.',
  },
  foreignKey: {
    what: 'a foreign key to a sharded table that does not pair the sharding keys',
    hint: 'Put the sharding key into the foreign key, paired with the key of the table it refers to.',
  },
  foreignKeyHome: {
    what: 'a foreign key from a sharded or reference table to a home table',
    hint: "Make it a reference table: SELECT create_reference_table('t'). Or, where the sharding key refers to it, shard it by what it refers to: SELECT create_distributed_table('t', 'id'). Before a migration the configuration can say so, or keep the other table at home: sharding.tables.",
  },
  sequenceCycle: {
    what: 'CREATE SEQUENCE … CYCLE',
    hint: 'Shards would give the same numbers again. For a sequence of a home table use OWNED BY.',
  },
  sequenceOptions: {
    what: 'changing INCREMENT, START, CYCLE or the type of a sequence that is on every shard',
    hint: 'Its steps keep ids unique over the shards. RESTART is allowed.',
  },
  referenceColumn: {
    what: 'adding a column to a reference table with a default that is not a constant',
    hint: 'Add the column without the default, UPDATE the rows, then SET DEFAULT.',
  },
  referenceType: {
    what: 'another type for a column of a reference table by USING of what each shard may compute otherwise',
    hint: 'Add a column of the type, UPDATE the rows, then drop the old column and rename the new one.',
  },
  shadow: {
    what: 'a table or sequence that hides one that is on every shard, or a catalog of which all shards tell, by its name',
    hint: 'Give it another name, or write the schema where the table is there already: pg_temp.t, public.t.',
  },
  copyFile: {
    what: 'COPY of a sharded or reference table and a file or program of the server',
    hint: 'Use STDIN or STDOUT (psql: \\copy), or COPY by hand on each shard: SET drive.shard = n.',
  },
  copyKey: {
    what: 'COPY FROM without the column of the sharding key',
    hint: 'List the key column and give it a value in every row.',
  },
  copyDefault: {
    what: 'COPY into a reference table that leaves a value to each server',
    hint: 'Give every column that has a default, and neither WHERE nor DEFAULT.',
  },
  copyOption: {
    what: 'this option of COPY for a sharded or reference table',
    hint: 'Leave it away, or COPY by hand on each shard: SET drive.shard = n.',
  },
  explainReference: {
    what: 'EXPLAIN ANALYZE of a write of a reference table',
    hint: 'Leave ANALYZE away, or run it on one shard and roll it back: SET drive.shard = n.',
  },
  standIn: {
    what: "what stands for PostgreSQL's own function, operator or type of its name, by a search_path that names pg_catalog behind its schema",
    hint: 'Leave pg_catalog out of search_path, which has it stand first, and call what is your own by its schema.',
  },
  prepareType: {
    what: 'PREPARE with a parameter of a type that is not built in',
    hint: 'Leave the type away and cast the parameter in the statement.',
  },
  executeArgument: {
    what: 'EXECUTE with an argument that is no constant, cast or not',
    hint: 'Give its value, or use prepared statements of the protocol, as drivers do.',
  },
  prepareTransaction: {
    what: 'PREPARE TRANSACTION, COMMIT PREPARED and ROLLBACK PREPARED',
    hint: 'COMMIT: the proxy makes a transaction over several shards atomic itself.',
  },
  makeExecute: {
    what: 'CREATE TABLE AS EXECUTE',
    hint: 'Write the query itself in place of EXECUTE.',
  },
  temporaryView: {
    what: 'a temporary view of sharded tables, or of the rows of one reference table',
    hint: 'Make it without TEMPORARY, or write its query as a WITH query.',
  },
  createAs: {
    what: 'CREATE TABLE AS with parameters, or EXPLAIN of it',
    hint: 'Give values instead of parameters; EXPLAIN its query by itself.',
  },
  stringEscapes: {
    what: 'standard_conforming_strings = off',
    hint: "Write E'…' for strings with backslash escapes.",
  },
  arrayNulls: {
    what: 'array_nulls = off',
    hint: 'Quote an element that is the word: \'{"NULL"}\'.',
  },
} as const satisfies Record<string, Entry>;

export type SeveralShardsReason = keyof typeof SEVERAL_SHARDS;
export type RefusedReason = keyof typeof REFUSED;

/** 0A000 for a statement that would need several shards. */
export function severalShards(reason: SeveralShardsReason): SqlErrorFields {
  const { what, hint } = SEVERAL_SHARDS[reason];
  return {
    code: SQLSTATE.featureNotSupported,
    message: `not supported over several shards: ${what}`,
    hint,
  };
}

/** 0A000 for a statement that is refused on any shard. */
export function refused(reason: RefusedReason): SqlErrorFields {
  const { what, hint } = REFUSED[reason];
  return { code: SQLSTATE.featureNotSupported, message: `not supported: ${what}`, hint };
}
