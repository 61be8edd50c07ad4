// Modify run: finds the rows of an UPDATE or DELETE by a query, locks them, and writes them.

import { SqlError } from '../base/errors.ts';
import { quoteName } from '../base/quote.ts';
import {
  type CarriedColumn,
  carriedColumns,
  carriedFormat,
  collationsOf,
  RECORD,
  shownColumn,
} from '../execute/carried.ts';
import { foundByPlace, type ModifiedTable, modifiedTable } from '../execute/modified-table.ts';
import { lockRows, type ModifiedRow, modifyRows } from '../execute/modify-rows.ts';
import { movingUpdate } from '../execute/moving-update.ts';
import { formatAt } from '../execute/parameters.ts';
import { liesApart, lockCopies } from '../execute/reference-places.ts';
import { foundItems, returnedColumns } from '../execute/returned-columns.ts';
import { integerOf, shardOfKey } from '../execute/row-set.ts';
import type { WriteResult } from '../execute/write.ts';
import type { ModifyRowsMerge } from '../plan/staged.ts';
import { severalShards } from '../plan/unsupported.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { columnAt, decodeDataRow, encodeDataRowBody, type FieldDescription } from '../wire/row.ts';
import { evaluatedDefaults } from './evaluated-defaults.ts';
import { withConnectionOf } from './everywhere.ts';
import { movingAlong, triggersMove } from './moving-rows.ts';
import { untilLocked } from './place-tries.ts';
import { readRows, type Source, type StagedRun, sourceOf } from './row-source.ts';
import { strayingOf } from './straying-rows.ts';

/**
 * As one PostgreSQL under READ COMMITTED: the rows that fulfil the condition are locked, and those that
 * fulfil it then are written with values of the moment. Rejects with SqlError or ServerError.
 */
export function runModify(run: StagedRun, merge: ModifyRowsMerge): Promise<WriteResult> {
  return run.d.state.inTransaction(() => modify(run, merge));
}

/** Rows of the target, each once. */
interface Found {
  /** RETURNING as the rows' shards compute it. */
  readonly returning: string;
  readonly columns: readonly CarriedColumn[];
  readonly collations: readonly (string | null)[];
  readonly rows: readonly Buffer[];
}

async function modify(run: StagedRun, merge: ModifyRowsMerge): Promise<WriteResult> {
  const { context, state } = run.d;
  const table = await tableOf(run, merge);
  const { identity } = table;
  if (liesApart(merge.table, table)) {
    const shards = context.topology().shards.map(({ id }) => id);
    await lockCopies(state.transaction!, shards, merge.table.name);
  }
  const { found, locked } = await (table.foundBy === 'key' ? lockByKey : lockByPlace)(
    run,
    merge,
    table,
  );
  const own = found.rows.filter((body) => locked.has(prefixOf(body, identity.length)));
  const rows: ModifiedRow[] = [];
  for (const body of await withDefaults(run, merge, table, own)) {
    const shards = shardsOf(run, merge, table, body);
    rows.push({ body, shards, movesTo: newShard(run, merge, table, body, shards) });
  }
  const from = { name: merge.table.name, key: merge.key, table };
  const moves =
    rows.some(({ movesTo }) => movesTo !== null) ||
    (await triggersMove(run, from, merge.assignments));
  const write = {
    transaction: state.transaction!,
    merge,
    table,
    columns: found.columns,
    collations: found.collations,
    returning: found.returning,
    rows,
    parameters: { ...run.execution.parameters, types: run.description.parameterTypes },
    resultFormats: run.execution.resultFormats,
    bytesMax: context.mergeBytesMax,
  };
  const columnCount = run.description.fields?.length ?? 0;
  const straying = strayingOf(run.d, run.execution.plan, columnCount);
  if (rows.length === 0 || (!moves && straying === null)) return modifyRows(write);
  const moving = moves ? await movingAlong(run, from, 'final') : straying;
  if (moving === null) return modifyRows(write);
  const { placement } = context.topology();
  return movingUpdate({ ...write, moving, placement, columnCount });
}

/** With the defaults that are evaluated before the rows are written. */
async function withDefaults(
  { d }: StagedRun,
  { assignments, evaluated, table: written, key }: ModifyRowsMerge,
  { identity }: ModifiedTable,
  rows: readonly Buffer[],
): Promise<readonly Buffer[]> {
  if (evaluated.length === 0) return rows;
  const counts = new Map(evaluated.map((name) => [name, rows.length]));
  const made = await evaluatedDefaults(d, 'update', { table: written, key, counts });
  const given = assignments.filter(({ sql }) => sql !== null);
  const values = given.map(({ column }) => (evaluated.includes(column) ? made.get(column)! : null));
  return rows.map((body, row) => {
    const cells = [...decodeDataRow(body)];
    for (const [i, each] of values.entries()) {
      if (each !== null) cells[identity.length + i] = each[row]!;
    }
    return encodeDataRowBody(cells);
  });
}

interface Locked {
  readonly found: Found;
  /** Identities of the rows that are locked; not all of them need be among those found. */
  readonly locked: Set<string>;
}

/** What has been changed while it was waited for is looked at again, under the same key. */
async function lockByKey(
  run: StagedRun,
  merge: ModifyRowsMerge,
  table: ModifiedTable,
): Promise<Locked> {
  const candidates = await find(run, merge, table, 'identity');
  const locked = await lock(run, merge, table, candidates, candidates.rows);
  return { found: await find(run, merge, table, 'all'), locked };
}

/**
 * A row that is locked at its place is as it was found. What has been changed while it was waited for is at
 * another: all are looked for again, until those that are found are locked. What is found once more where it
 * could not be locked may not be written by this user, as a policy has it.
 */
async function lockByPlace(
  run: StagedRun,
  merge: ModifyRowsMerge,
  table: ModifiedTable,
): Promise<Locked> {
  const { identity } = table;
  const tried = new Set<string>();
  const locked = new Set<string>();
  return untilLocked(async () => {
    const found = await find(run, merge, table, 'all');
    const fresh = new Map<string, Buffer>();
    for (const row of found.rows) {
      const place = prefixOf(row, identity.length);
      if (!tried.has(place)) fresh.set(place, row);
    }
    const own = await lock(run, merge, table, found, [...fresh.values()]);
    for (const place of fresh.keys()) tried.add(place);
    for (const place of own) locked.add(place);
    return own.size === fresh.size ? { found, locked } : null;
  });
}

async function tableOf(
  { d }: StagedRun,
  { table, key, once }: ModifyRowsMerge,
): Promise<ModifiedTable> {
  const keyColumn = key?.column ?? null;
  const known = await withConnectionOf(d.state)(HOME_SHARD, (home) =>
    modifiedTable(home, table, keyColumn),
  );
  return once ? foundByPlace(known, keyColumn) : known;
}

/** What tells rows apart, the values that they are given, and what else is returned with them, as SQL. */
function itemsOf(merge: ModifyRowsMerge, table: ModifiedTable) {
  const { alias } = merge.table;
  const types = new Map(table.columns.map(({ name, type }) => [name, type]));
  return {
    identity: table.identity.map((name) => `${alias}.${quoteName(name)}`),
    values: merge.assignments.flatMap(({ column, sql }) =>
      sql === null ? [] : [`(${sql})::${types.get(column)}`],
    ),
    returned: foundItems(merge, table),
  };
}

/** The query by which the rows, and what they become, are found. */
export async function modifySource(run: StagedRun, merge: ModifyRowsMerge): Promise<Source> {
  const table = await tableOf(run, merge);
  const { identity, values, returned } = itemsOf(merge, table);
  return sourceFor(run, merge, table, [...identity, ...values, ...returned]);
}

function sourceFor(
  run: StagedRun,
  merge: ModifyRowsMerge,
  { foundBy }: ModifiedTable,
  items: readonly string[],
): Promise<Source> {
  return sourceOf(run, findText(merge, items), foundBy === 'place');
}

function findText(merge: ModifyRowsMerge, items: readonly string[]): string {
  const from = merge.from === '' ? '' : `, ${merge.from}`;
  const where = merge.where === '' ? '' : ` ${merge.where}`;
  return `${merge.with}SELECT ${items.join(', ')} FROM ${merge.target}${from}${where}`;
}

async function find(
  run: StagedRun,
  merge: ModifyRowsMerge,
  table: ModifiedTable,
  wanted: 'identity' | 'all',
): Promise<Found> {
  const { identity, values, returned } = itemsOf(merge, table);
  const items = wanted === 'all' ? [...identity, ...values] : identity;
  const all = wanted === 'all' ? [...items, ...returned] : items;
  const returning = wanted === 'all' ? merge.returning : [];
  const source = await sourceFor(run, merge, table, all);
  const { resultFormats } = run.execution;
  const shownIn = (fields: readonly FieldDescription[]) =>
    returnedColumns(returning, fields, items.length, table);
  const formats = (fields: readonly FieldDescription[]) => {
    const { shown } = shownIn(fields);
    return fields.map(({ typeOid }, i) => {
      const column = shown.get(i);
      return column === undefined ? carriedFormat(typeOid) : formatAt(resultFormats, column);
    });
  };
  // Of several matches of one row PostgreSQL takes any, too.
  const identityOf = (row: Buffer) => prefixOf(row, identity.length);
  const { set, description } = await readRows(run, source, { formats, identityOf });
  const fields = description.fields ?? [];
  const { sql, shown } = shownIn(fields);
  const read = fields.filter((_, i) => !shown.has(i));
  if (read.some(({ typeOid }) => typeOid === RECORD))
    throw new SqlError(severalShards('returning'));
  const own = await withConnectionOf(run.d.state)(HOME_SHARD, async (home) => ({
    columns: await carriedColumns(home, read),
    collations: merge.collated ? await collationsFrom(home, read, items.length) : [],
  }));
  const withShown = <T>(values: readonly T[], as: (column: number) => T): T[] => {
    const left = [...values];
    return fields.map((_, i) => (shown.has(i) ? as(shown.get(i)!) : left.shift()!));
  };
  return {
    returning: sql,
    columns: withShown(own.columns, (column) => shownColumn(formatAt(resultFormats, column))),
    collations: merge.collated ? withShown(own.collations, () => null) : [],
    rows: set.rows,
  };
}

/** Those of the fields before `first` are never asked for: their values are assigned as they are. */
async function collationsFrom(
  home: ServerConnection,
  fields: readonly FieldDescription[],
  first: number,
): Promise<readonly (string | null)[]> {
  const own = await collationsOf(home, fields.slice(first));
  return [...fields.slice(0, first).map(() => null), ...own];
}

/** Identities of those of the rows that are locked now; shard by shard, in their order. */
async function lock(
  run: StagedRun,
  merge: ModifyRowsMerge,
  table: ModifiedTable,
  { columns }: Found,
  rows: readonly Buffer[],
): Promise<Set<string>> {
  const identity = columns.slice(0, table.identity.length);
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
    const positions = await lockRows(connection, merge, table, identity, own);
    for (const i of positions) locked.add(prefixOf(own[i]!, identity.length));
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
