// Moving update: rows are updated where they are, as triggers and foreign keys must see it, then taken to the shards of their new keys.

import { quoteName } from '../base/quote.ts';
import type { Placement } from '../topology/placement.ts';
import { columnAt, decodeDataRow, encodeDataRowBody } from '../wire/row.ts';
import { carriedFormat, carriedRef } from './carried.ts';
import { Answer, runWithRows } from './carried-statement.ts';
import { checkCycle, type ModifiedRow, type ModifyWrite, stayingSql } from './modify-rows.ts';
import type { MovingTables } from './moving-tables.ts';
import { formatAt } from './parameters.ts';
import { integerOf, shardOfKey } from './row-set.ts';
import { StrayRows } from './stray-rows.ts';
import { LateStrays, type Straying } from './straying.ts';
import type { WriteResult } from './write.ts';

export interface MovingUpdate extends ModifyWrite {
  /** Straying: rows get keys of other shards by triggers only, if at all. */
  readonly moving: MovingTables | Straying;
  readonly placement: Placement;
  /** How many columns the client is given. */
  readonly columnCount: number;
}

/**
 * One UPDATE for all rows of a shard, in the order of the shards. What becomes of a row is known when its
 * triggers have run: whether it moves, and where to.
 */
export async function movingUpdate(write: MovingUpdate): Promise<WriteResult> {
  const { table, rows, merge, columns, columnCount, transaction, placement, bytesMax, moving } =
    write;
  const key = merge.key!.column;
  const unique = table.identity.slice(0, table.unique.columns);
  const beside = [
    ...unique.map((_, i) => carriedRef(i)),
    ...[...unique, key].map((name) => `${merge.table.alias}.${quoteName(name)}`),
  ];
  const returning = [write.returning, ...beside].filter((item) => item !== '').join(', ');
  const known = columns.slice(0, unique.length).map(({ typeOid }) => carriedFormat(typeOid));
  const shown = Array.from({ length: columnCount }, (_, i) => formatAt(write.resultFormats, i));
  const resultFormats = [...shown, ...known, ...known, 1];
  const sql = stayingSql({ ...write, returning });
  const answer: Buffer[] = [];
  const uniques: (readonly [before: string, after: string])[] = [];
  const shards = [...new Set(rows.flatMap((row) => row.shards))].sort((a, b) => a - b);
  const keysBefore = keysOf(write);
  const strays =
    'strays' in moving
      ? new LateStrays(write, moving)
      : new StrayRows({ transaction, placement, bytesMax, moving, keysBefore });
  const updated = new Answer(bytesMax);
  for (const row of rows) {
    for (const key of assignedKey(write, row)) strays.add(row.shards[0]!, key);
  }
  for (const shard of shards) {
    const own = rows.filter((row) => row.shards.includes(shard));
    const from = updated.rows.length;
    const bodies = own.map(({ body }) => body);
    await strays.update(shard, () =>
      runWithRows({ ...write, resultFormats }, shard, sql, columns, bodies, updated),
    );
    for (const row of updated.rows.slice(from)) {
      const values = decodeDataRow(row);
      answer.push(encodeDataRowBody(values.slice(0, columnCount)));
      const after = columnCount + unique.length;
      uniques.push([
        textOf(values.slice(columnCount, after)),
        textOf(values.slice(after, after + unique.length)),
      ]);
      const value = integerOf(values.at(-1)!);
      if (shardOfKey(value, merge.key!, placement) !== shard) strays.add(shard, value!);
    }
  }
  checkCycle(table, uniques);
  await strays.takeHome();
  const hasRows = write.returning !== '';
  return { rows: hasRows ? answer : [], tag: `${merge.verb} ${updated.count}` };
}

/** Rows that triggers insert may have it even where they give the row another. */
function assignedKey(
  { merge, table: { identity } }: MovingUpdate,
  { body }: ModifiedRow,
): readonly bigint[] {
  const assigned = merge.assignments.filter(({ sql }) => sql !== null);
  const at = assigned.findIndex(({ column }) => column === merge.key!.column);
  if (at < 0) return [];
  const value = integerOf(columnAt(body, identity.length + at));
  return value === null ? [] : [value];
}

/** The keys that the rows of each shard have. */
function keysOf({ merge, table: { identity }, rows }: MovingUpdate): Map<number, Set<bigint>> {
  const at = identity.indexOf(merge.key!.column);
  const keys = new Map<number, Set<bigint>>();
  for (const { body, shards } of rows) {
    const [shard] = shards as [number];
    keys.set(shard, (keys.get(shard) ?? new Set()).add(integerOf(columnAt(body, at))!));
  }
  return keys;
}

const textOf = (values: readonly (Buffer | null)[]): string =>
  JSON.stringify(values.map((value) => value?.toString('latin1') ?? null));
