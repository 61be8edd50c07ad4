// Modify run: finds the rows of an UPDATE or DELETE by a query, locks them, and writes them.

import { SqlError } from '../base/errors.ts';
import { quoteName } from '../base/quote.ts';
import {
  type CarriedColumn,
  carriedColumns,
  checkExact,
  collationsOf,
} from '../execute/carried.ts';
import { type ModifiedTable, modifiedTable } from '../execute/modified-table.ts';
import { lockRows, type ModifiedRow, modifyRows } from '../execute/modify-rows.ts';
import { foundItems, returnedSql } from '../execute/returned-columns.ts';
import { integerOf, shardOfKey } from '../execute/row-set.ts';
import type { WriteResult } from '../execute/write.ts';
import type { ModifyRowsMerge } from '../plan/staged.ts';
import { severalShards } from '../plan/unsupported.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { columnAt, type FieldDescription } from '../wire/row.ts';
import { withConnectionOf } from './everywhere.ts';
import { readRows, type StagedRun, sourceOf } from './row-source.ts';

/**
 * As one PostgreSQL under READ COMMITTED: the rows that fulfil the condition are locked, then those
 * that still fulfil it are written with values of the moment. Rejects with SqlError or ServerError.
 */
export function runModify(run: StagedRun, merge: ModifyRowsMerge): Promise<WriteResult> {
  return run.d.state.inTransaction(() => modify(run, merge));
}

/** Rows of the target, by their identity, with the shards that have them. */
interface Found {
  readonly fields: readonly FieldDescription[];
  readonly columns: readonly CarriedColumn[];
  readonly collations: readonly (string | null)[];
  readonly rows: readonly Buffer[];
}

async function modify(run: StagedRun, merge: ModifyRowsMerge): Promise<WriteResult> {
  const { context, state } = run.d;
  const table = await tableOf(run, merge);
  const { identity, values, returned } = itemsOf(merge, table);
  const candidates = await find(run, merge, identity);
  const locked = await lock(run, merge, table, candidates);
  const found = await find(run, merge, [...identity, ...values], returned);
  const rows: ModifiedRow[] = [];
  for (const body of found.rows) {
    // Of several matches of one row PostgreSQL takes any, too.
    if (!locked.delete(prefixOf(body, identity.length))) continue;
    const shards = shardsOf(run, merge, table, body);
    rows.push({ body, shards, movesTo: newShard(run, merge, table, body, shards) });
  }
  if (rows.some(({ movesTo }) => movesTo !== null)) {
    const oids = table.columns.map(({ typeOid }) => typeOid);
    await withConnectionOf(state)(HOME_SHARD, (home) => checkExact(home, oids));
  }
  return modifyRows({
    transaction: state.transaction!,
    merge,
    table,
    columns: found.columns,
    collations: found.collations,
    returning: returnedSql(merge.returning, found.fields, identity.length + values.length, table),
    rows,
    parameters: { ...run.execution.parameters, types: run.description.parameterTypes },
    resultFormats: run.execution.resultFormats,
    bytesMax: context.mergeBytesMax,
  });
}

const tableOf = ({ d }: StagedRun, { table, key }: ModifyRowsMerge): Promise<ModifiedTable> =>
  withConnectionOf(d.state)(HOME_SHARD, (home) =>
    modifiedTable(home, table.name, key?.column ?? null),
  );

/** What tells rows apart, the values that they are given, and what else is returned with them, as SQL. */
function itemsOf(merge: ModifyRowsMerge, table: ModifiedTable) {
  const { alias } = merge.table;
  const types = new Map(table.columns.map(({ name, type }) => [name, type]));
  return {
    identity: table.identity.map((name) => `${alias}.${quoteName(name)}`),
    values: merge.assignments.flatMap(({ column, sql }) =>
      sql === null ? [] : [`(${sql})::${types.get(column)}`],
    ),
    returned: foundItems(merge.returning),
  };
}

/** The query by which the rows, and what they become, are found. */
export async function modifyQuery(run: StagedRun, merge: ModifyRowsMerge): Promise<string> {
  const { identity, values, returned } = itemsOf(merge, await tableOf(run, merge));
  return findText(merge, [...identity, ...values, ...returned]);
}

function findText(merge: ModifyRowsMerge, items: readonly string[]): string {
  const from = merge.from === '' ? '' : `, ${merge.from}`;
  const where = merge.where === '' ? '' : ` ${merge.where}`;
  return `${merge.with}SELECT ${items.join(', ')} FROM ${merge.target}${from}${where}`;
}

async function find(
  run: StagedRun,
  merge: ModifyRowsMerge,
  items: readonly string[],
  returned: readonly string[] = [],
): Promise<Found> {
  const source = await sourceOf(run, findText(merge, [...items, ...returned]));
  const { set, description } = await readRows(run, source);
  const fields = description.fields ?? [];
  if (fields.some(({ typeOid }) => typeOid === RECORD))
    throw new SqlError(severalShards('returning'));
  const carried = await withConnectionOf(run.d.state)(HOME_SHARD, async (home) => ({
    columns: await carriedColumns(home, fields),
    collations: merge.collated ? await collationsFrom(home, fields, items.length) : [],
  }));
  return { fields, ...carried, rows: set.rows };
}

/** Of rows of no type of their own, which no server can read. */
const RECORD = 2249;

/** Those of the fields before `first` are never asked for: their values are assigned as they are. */
async function collationsFrom(
  home: ServerConnection,
  fields: readonly FieldDescription[],
  first: number,
): Promise<readonly (string | null)[]> {
  const own = await collationsOf(home, fields.slice(first));
  return [...fields.slice(0, first).map(() => null), ...own];
}

/** Identities of the rows that are locked now; shard by shard, in their order. */
async function lock(
  run: StagedRun,
  merge: ModifyRowsMerge,
  table: ModifiedTable,
  { columns, rows }: Found,
): Promise<Set<string>> {
  const byShard = new Map<number, Buffer[]>();
  for (const row of rows) {
    // Of a reference table the home shard's copy stands for all.
    const [shard] = shardsOf(run, merge, table, row) as [number];
    const own = byShard.get(shard);
    if (own === undefined) byShard.set(shard, [row]);
    else own.push(row);
  }
  const locked = new Set<string>();
  for (const [shard, own] of [...byShard].sort(([a], [b]) => a - b)) {
    const connection = await run.d.state.transaction!.enlist(shard);
    const positions = await lockRows(connection, merge, table, columns, own);
    for (const i of positions) locked.add(prefixOf(own[i]!, columns.length));
  }
  return locked;
}

/** The first `count` columns of a DataRow body, as a key. */
function prefixOf(body: Buffer, count: number): string {
  let at = 2;
  for (let i = 0; i < count; i++) at += 4 + Math.max(0, body.readInt32BE(at));
  return body.toString('latin1', 2, at);
}

function shardsOf(
  { d }: StagedRun,
  { table: { kind }, key }: ModifyRowsMerge,
  { identity }: ModifiedTable,
  row: Buffer,
): readonly number[] {
  const { shards, placement } = d.context.topology();
  if (kind === 'reference') return shards.map(({ id }) => id);
  if (key === null) return [HOME_SHARD];
  const value = integerOf(columnAt(row, identity.indexOf(key.column)));
  return [shardOfKey(value, { ...key, notNull: false }, placement)];
}

/** null: the row stays, or its server is to refuse the new key. */
function newShard(
  { d }: StagedRun,
  { assignments, key }: ModifyRowsMerge,
  { identity }: ModifiedTable,
  row: Buffer,
  [shard]: readonly number[],
): number | null {
  const assigned = assignments.filter(({ sql }) => sql !== null);
  const at = assigned.findIndex(({ column }) => column === key?.column);
  if (key === null || at < 0) return null;
  const value = integerOf(columnAt(row, identity.length + at));
  if (value === null && key.notNull) return null;
  const target = shardOfKey(value, key, d.context.topology().placement);
  return target === shard ? null : target;
}
