// Everywhere: how a session runs DDL on all shards, and what it remembers of it.

import { SqlError } from '../base/errors.ts';
import { quoteLiteral } from '../base/quote.ts';
import { queryAsLogin } from '../execute/as-login.ts';
import {
  type EverywhereRequest,
  notInstalled,
  runInTransaction,
  runShardByShard,
} from '../execute/everywhere.ts';
import { formatAt } from '../execute/parameters.ts';
import { relationSql } from '../execute/relation-sql.ts';
import type { AlteredTable, EverywhereMerge } from '../plan/plan.ts';
import { type TimedAlter, timedAlter } from '../plan/timed-alter.ts';
import { severalShards } from '../plan/unsupported.ts';
import { type QueryResult, query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD, type Shard } from '../topology/shard.ts';
import type { Catalog } from '../topology/table.ts';
import { encodeCommandComplete } from '../wire/query.ts';
import { encodeDataRowBody } from '../wire/row.ts';
import type { ClientStream } from './client-stream.ts';
import { startOf } from './clock.ts';
import type { SessionContext } from './context.ts';
import type { Execution } from './execution.ts';
import { answerGathered } from './portal-rows.ts';
import { thrownInWritten } from './rewritten.ts';
import type { SessionState } from './state.ts';
import { moveTable } from './table-kind.ts';

interface Everywhere {
  readonly state: SessionState;
  readonly context: SessionContext;
  readonly client: ClientStream;
}

/** Answers with the notices, rows and command tag of one shard, when all have done it. */
export async function runEverywhere(
  execution: Execution,
  merge: EverywhereMerge,
  session: Everywhere,
): Promise<void> {
  const { state, context, client } = session;
  const { sql, resultFormats } = execution;
  context.counters.several(merge.how);
  let answer: QueryResult;
  try {
    answer = await answerOf(sql, merge, session);
  } catch (error) {
    // Shard by shard, some may have changed before one has failed.
    if (state.transaction === null) {
      state.noteSchemaChange();
      await state.publishSchemaChange();
    }
    throw error;
  }
  // LOCK changes nothing.
  if (merge.mode !== 'block') {
    state.noteSchemaChange();
    await state.publishSchemaChange();
  }
  const { fields, rows, tag } = answer;
  if (fields.length === 0) {
    client.write(encodeCommandComplete(tag));
    return;
  }
  const encoded = rows.map((row) =>
    encodeDataRowBody(row.map((text, i) => encodeValue(text, formatAt(resultFormats, i)))),
  );
  await answerGathered({ fields, rows: encoded, tag }, execution, session);
}

/** The rows that one shard answers to a statement of the proxy's own, when all have done it. */
export async function rowsEverywhere(
  sql: string,
  merge: EverywhereMerge,
  session: Everywhere,
): Promise<QueryResult['rows']> {
  const { rows } = await answerOf(sql, merge, session);
  return rows;
}

/** What runs everywhere answers with a bigint, or with no rows at all. */
export function encodeValue(text: string | null, format: 0 | 1): Buffer | null {
  if (text === null || format === 0) return text === null ? null : Buffer.from(text);
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(text));
  return bytes;
}

/** In the session's transaction, or in one of its own. */
async function answerOf(
  sql: string,
  merge: EverywhereMerge,
  { state, context }: Everywhere,
): Promise<QueryResult> {
  const { onNotice } = state.reports;
  const { catalog, shards } = context.topology();
  if (!catalog.remembersKinds) throw notInstalled();
  const { mode } = merge;
  const inBlock = state.transaction !== null;
  const all = shards.map((shard) => shard.id);
  const withConnection = withConnectionOf(state);
  // PostgreSQL's own error for a statement in, or outside of, a transaction block.
  if ((mode === 'each' && inBlock) || (mode === 'block' && !inBlock)) {
    return withConnection(HOME_SHARD, (home) => query(home, sql, onNotice));
  }
  if (mode === 'apart' && inBlock && all.length > 1) {
    throw new SqlError(severalShards('refreshBlock'));
  }
  const timed = merge.tellsTime ? await withTime(sql, merge, state, context) : null;
  const request: EverywhereRequest = {
    sql: timed?.sql ?? sql,
    behind: timed?.defaults ?? null,
    merge: { ...merge, alters: merge.alters.map((each) => withoutOld(each, state, catalog)) },
    time: () => startOf(state),
    shards: mode === 'servers' ? onePerServer(shards) : all,
    onNotice,
  };
  if (!inBlock && mode !== 'transaction') return runShardByShard(withConnection, request);
  const transaction = state.transaction ?? state.begin('BEGIN', true);
  for (const { relation, kind, keyColumn: key } of merge.converts) {
    await moveTable({ table: relationSql(relation), kind, key }, transaction, state, context);
  }
  const answer = await runInTransaction(transaction, request).catch((error: unknown) => {
    throw thrownInWritten(error, { written: sql, sent: request.sql });
  });
  if (!inBlock) await state.endTransaction('commit');
  return answer;
}

/** All shards give rows the time at which the first of the transaction began. */
async function withTime(
  sql: string,
  { alters }: EverywhereMerge,
  state: SessionState,
  context: SessionContext,
): Promise<TimedAlter> {
  const { catalog } = context.topology();
  const path = state.searchPath ?? undefined;
  const tables = alters.map(({ relation: { schema, name } }) => catalog.table(schema, name, path));
  const has = (column: string) =>
    tables.some((table) => table?.columns.some(({ name }) => name === column));
  return timedAlter(sql, await startOf(state), has);
}

/** Columns that are there already keep their values, behind IF NOT EXISTS. */
function withoutOld(altered: AlteredTable, state: SessionState, catalog: Catalog): AlteredTable {
  const { schema, name } = altered.relation;
  const table = catalog.table(schema, name, state.searchPath ?? undefined);
  const old = new Set(table?.columns.map((column) => column.name));
  return { ...altered, added: altered.added.filter((each) => !old.has(each)) };
}

function onePerServer(shards: readonly Shard[]): number[] {
  const seen = new Set<string>();
  return shards.flatMap(({ id, host, port }) => {
    const place = `${host}:${port}`;
    if (seen.has(place)) return [];
    seen.add(place);
    return [id];
  });
}

/** The transaction's connection to a shard, or one that is borrowed for the moment. */
export function withConnectionOf(state: SessionState) {
  return async <T>(
    shard: number,
    use: (connection: ServerConnection) => Promise<T>,
  ): Promise<T> => {
    const { transaction } = state;
    if (transaction !== null) return use(await transaction.enlist(shard));
    const connection = await state.borrow(shard, state.settings.current);
    try {
      return await use(connection);
    } finally {
      state.giveBack(connection);
    }
  };
}

/** A table by its schema and name. */
type TableNames = readonly (string | null)[];

/**
 * Before DDL on the home shard: its tables that look sharded and are no home tables. Some may be made on the
 * shards a moment ago, past this proxy, which does not know them yet.
 */
export async function spreadAtHome(
  state: SessionState,
  context: SessionContext,
): Promise<readonly TableNames[]> {
  const { catalog } = context.topology();
  if (!catalog.remembersKinds) return [];
  const sql = `SELECT n.nspname, c.relname
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    WHERE a.attname = ${quoteLiteral(catalog.defaultKey)} AND NOT a.attisdropped
      AND c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
      AND NOT EXISTS (SELECT FROM drive.tables t WHERE t.relation = c.oid AND t.kind = 'home')`;
  const { rows } = await withConnectionOf(state)(HOME_SHARD, (home) => queryAsLogin(home, sql));
  return rows;
}

/** After DDL on the home shard: a home table that now has a column like a key stays one. */
export async function keepHome(
  spread: readonly TableNames[],
  state: SessionState,
  context: SessionContext,
): Promise<void> {
  const { catalog } = context.topology();
  if (!catalog.remembersKinds) return;
  const sharded = [...catalog.tables()]
    .filter((table) => table.kind === 'sharded')
    .map((table) => [table.schema, table.name]);
  const key = quoteLiteral(catalog.defaultKey);
  const names = quoteLiteral(JSON.stringify([...sharded, ...spread]));
  const sql = `SELECT drive.keep_home(${key}, ${names})`;
  await withConnectionOf(state)(HOME_SHARD, (home) => queryAsLogin(home, sql));
}
