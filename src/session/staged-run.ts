// Staged run: computes the rows that a statement writes by a query of their own, then writes them.

import { MERGE_ROW_OVERHEAD_BYTES, WRITE_BATCH_BYTES } from '../base/limits.ts';
import { quoteName } from '../base/quote.ts';
import { filledRows } from '../execute/filled-rows.ts';
import { insertRows } from '../execute/insert-rows.ts';
import {
  carriageOf,
  columnTypes,
  type GivenRows,
  placesOfRows,
  RowSet,
  returnsTooMuch,
  tooManyRows,
  withKeys,
} from '../execute/row-set.ts';
import type { WriteResult } from '../execute/write.ts';
import type { InsertRowsMerge, ValuesQuery } from '../plan/staged.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { parseCommandTag } from '../wire/query.ts';
import { decodeDataRow, encodeDataRowBody } from '../wire/row.ts';
import { defaultKeys } from './computed-keys.ts';
import { withConnectionOf } from './everywhere.ts';
import {
  type ReadRows,
  readRows,
  rowBatches,
  type Source,
  type StagedRun,
  sourceOf,
} from './row-source.ts';
import { strayingOf } from './straying-rows.ts';

/**
 * Rejects with SqlError or ServerError. What only reads is read before a transaction begins, and again
 * within one, streamed, where it is more than the proxy may hold.
 */
export async function runStaged(run: StagedRun, merge: InsertRowsMerge): Promise<WriteResult> {
  const { state } = run.d;
  const keys = await keysInstead(run, merge);
  const source = await sourceOf(run, await queryText(run, merge, keys));
  if (source.plan.effect !== 'read' || isWhole(merge)) {
    return state.inTransaction(async () => writeRows(run, merge, await readRows(run, source)));
  }
  const read = await readRows(run, source, { overflow: 'stop' });
  if (!read.set.isFull) return state.inTransaction(() => writeRows(run, merge, read));
  return state.inTransaction(() => writeStreamed(run, merge, source, read));
}

/** All rows are needed at once: for what one of them meets, or for where its DEFAULTs stand. */
const isWhole = (merge: InsertRowsMerge): boolean => merge.whole || defaultsOf(merge) !== null;

/** Of rows that a VALUES gives, which columns are DEFAULT and cannot be computed before; null: none. */
function defaultsOf({ source, key }: InsertRowsMerge): readonly ReadonlySet<number>[] | null {
  if (typeof source === 'string') return null;
  const defaults = source.rows.map(
    (row) => new Set(row.flatMap((item, i) => (item === null && i !== key?.index ? [i] : []))),
  );
  return defaults.some(({ size }) => size > 0) ? defaults : null;
}

/** Keys for the rows of a VALUES that leave theirs to its DEFAULT, while others do not. */
function keysInstead({ d }: StagedRun, { source, table, key }: InsertRowsMerge) {
  if (typeof source === 'string' || key?.index == null) return Promise.resolve([]);
  const { index } = key;
  const count = source.rows.filter((row) => row[index] === null).length;
  return defaultKeys(d, table.name, key, count);
}

/** Rows as they come, some megabytes at a time. Throws 53400 where all must be written at once. */
async function writeStreamed(
  run: StagedRun,
  merge: InsertRowsMerge,
  source: Source,
  first: ReadRows,
): Promise<WriteResult> {
  const { state, context } = run.d;
  const fields = first.description.fields ?? [];
  const { whole } = await withConnectionOf(state)(HOME_SHARD, (home) =>
    carriageOf(home, fields, merge.table, merge.given),
  );
  if (whole) throw tooManyRows(context.mergeBytesMax);
  // A reference table's rows come back to be copied, and count twice.
  const batchBytes = Math.min(WRITE_BATCH_BYTES, context.mergeBytesMax / 4);
  const result: { rows: Buffer[]; count: bigint; bytes: number } = {
    rows: [],
    count: 0n,
    bytes: 0,
  };
  const write = async (set: RowSet) => {
    const { rows, tag } = await writeRows(run, merge, { ...first, set });
    result.count += parseCommandTag(tag).rows ?? 0n;
    for (const row of rows) result.bytes += row.length + MERGE_ROW_OVERHEAD_BYTES;
    if (result.bytes > context.mergeBytesMax) throw returnsTooMuch(context.mergeBytesMax);
    result.rows.push(...rows);
  };
  let set = new RowSet(batchBytes, { overflow: 'stop' });
  for await (const rows of rowBatches(run, source)) {
    set.add(rows);
    if (!set.isFull) continue;
    await write(set);
    set = new RowSet(batchBytes, { overflow: 'stop' });
  }
  if (set.rows.length > 0) await write(set);
  return { rows: result.rows, tag: `INSERT 0 ${result.count}` };
}

/** The query that gives the rows; `keys`: of those whose key is DEFAULT. */
export async function queryText(
  { d }: StagedRun,
  { source, table, key }: InsertRowsMerge,
  keys: readonly (bigint | null)[] = [],
): Promise<string> {
  if (typeof source === 'string') return source;
  const types = await withConnectionOf(d.state)(HOME_SHARD, (home) =>
    columnTypes(home, table.name),
  );
  return valuesText(source, types, key?.index ?? null, keys);
}

function valuesText(
  { with: clause, rows, columns }: ValuesQuery,
  types: ReadonlyMap<string, string>,
  keyIndex: number | null,
  keys: readonly (bigint | null)[],
): string {
  const left = [...keys];
  const defaultAt = (i: number) => (i === keyIndex ? left.shift() : null) ?? 'NULL';
  const items = rows.map((row) =>
    row
      .map((item, i) => {
        const type = types.get(columns[i]!) ?? 'pg_catalog.text';
        return `(${item ?? defaultAt(i)})::${type}`;
      })
      .join(', '),
  );
  return `${clause}VALUES ${items.map((row) => `(${row})`).join(', ')}`;
}

/** The rows that have been read. */
export async function writeRows(
  { d, execution, description }: StagedRun,
  merge: InsertRowsMerge,
  read: ReadRows,
): Promise<WriteResult> {
  const { context, state } = d;
  const { placement, shards } = context.topology();
  const { table, given, key, ignored } = merge;
  const fields = (read.description.fields ?? []).filter((_, i) => i !== ignored);
  const written =
    ignored === null ? read.set.rows : read.set.rows.map((row) => withoutColumn(row, ignored));
  const isByDefault = key !== null && key.index === null && key.hasDefault;
  const keys = isByDefault ? await defaultKeys(d, table.name, key, written.length) : null;
  const defaults = defaultsOf(merge);
  const { rows, carriage, rowShards, rowKeys, before } = await withConnectionOf(state)(
    HOME_SHARD,
    async (home) => {
      const made = await carriageOf(home, fields, table, given);
      const own = { ...made, whole: made.whole || isWhole(merge) };
      const all = { rows: written, carriage: own, before: merge.before };
      if (merge.defaulted !== null) {
        const filled = await filledRows(home, merge, written, fields.length, defaults);
        const columns = [...made.columns, ...filled.added];
        const list = `${merge.target} (${filled.names.map(quoteName).join(', ')}) `;
        return {
          rows: filled.rows,
          carriage: { ...own, columns },
          ...NO_PLACES,
          before: `${list}${merge.defaulted.overriding}`,
        };
      }
      if (keys !== null && key !== null) {
        const keyed = withKeys(own, written, keys, key, placement);
        return { ...keyed, before: beforeKey(merge, fields.length) };
      }
      if (key === null) return { ...all, ...NO_PLACES };
      return { ...all, ...(await placesOfRows(home, all.rows, made.columns, key, placement)) };
    },
  );
  return insertRows({
    transaction: state.transaction!,
    merge: { ...merge, before },
    rows,
    carriage,
    rowShards,
    rowKeys,
    defaults: merge.defaulted === null ? defaults : null,
    shards: shards.map((shard) => shard.id),
    parameters: { ...execution.parameters, types: description.parameterTypes },
    resultFormats: execution.resultFormats,
    columnCount: description.fields?.length ?? 0,
    bytesMax: context.mergeBytesMax,
    straying: strayingOf(d, execution.plan, description.fields?.length ?? 0),
  });
}

/** Of a table that is not sharded. */
const NO_PLACES: GivenRows = { rowShards: [], rowKeys: [] };

const withoutColumn = (row: Buffer, column: number): Buffer =>
  encodeDataRowBody(decodeDataRow(row).filter((_, i) => i !== column));

/** With the key, which the statement leaves to its default, as the last column. */
function beforeKey({ target, given, key }: InsertRowsMerge, width: number): string {
  const names = [...(given ?? []).slice(0, width), key!.column];
  const list = names.map(quoteName).join(', ');
  return `${target} (${list}) OVERRIDING SYSTEM VALUE `;
}
