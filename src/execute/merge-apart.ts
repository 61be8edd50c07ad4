// Merge apart: a MERGE that inserts rows on other shards than those where they were looked for.

import type { ApartMerge, MergeRowsMerge } from '../plan/staged.ts';
import type { Placement } from '../topology/placement.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { TYPE } from '../value/type-oid.ts';
import { columnAt } from '../wire/row.ts';
import { type CarriedColumn, carriedArrays, carriedRef, NUMBER } from './carried.ts';
import { Answer, runWithRows } from './carried-statement.ts';
import { type MergeWrite, sourceSql } from './merge-rows.ts';
import { withArrays } from './parameters.ts';
import { integerOf, shardOfKey } from './row-set.ts';
import { openShardStream } from './shard-stream.ts';
import type { WriteResult } from './write.ts';

export interface ApartWrite extends Omit<MergeWrite, 'rowShards'> {
  readonly merge: MergeRowsMerge & { readonly apart: ApartMerge };
  readonly placement: Placement;
  /** Keys of so many rows that leave theirs to the default of its column. */
  defaultKeys(this: void, count: number): Promise<readonly (bigint | null)[]>;
}

/** Behind a row's number. */
const KEY: CarriedColumn = { typeOid: TYPE.int8, type: 'pg_catalog.int8', readAs: null };

/**
 * Every shard tells which rows of the source match rows of its own, which stay as they are until they are
 * changed; then it changes them. What matches nowhere is inserted where it belongs, last, so that nobody
 * finds it. A row that others insert meanwhile is to this statement as one that is not there yet.
 */
export async function mergeApart(write: ApartWrite): Promise<WriteResult> {
  const { rows } = write;
  const answer = new Answer(write.bytesMax);
  const matches = await findMatches(write);
  await changeMatched(write, matches, answer);
  const matched = new Set([...matches.values()].flatMap((each) => [...each]));
  const left = rows.filter((_, i) => !matched.has(i));
  await insertPlaced(write, await placesOf(write, left), answer);
  return { rows: answer.rows, tag: `MERGE ${answer.count}` };
}

/** The rows of the answer to a query over rows of the source. */
async function ask(
  write: ApartWrite,
  shard: number,
  sql: string,
  rows: readonly Buffer[],
): Promise<Buffer[]> {
  const { transaction, parameters, columns } = write;
  const connection = await transaction.enlist(shard);
  const arrays = carriedArrays([...columns, NUMBER], rows);
  const stream = await openShardStream(connection, {
    sql,
    parameters: withArrays(parameters, arrays),
    resultFormats: [1],
  });
  const answer: Buffer[] = [];
  for (let next = await stream.next(); next !== null; next = await stream.next()) {
    answer.push(...next);
  }
  await stream.done;
  return answer;
}

/** Positions of the source's rows that match on each shard. */
async function findMatches(write: ApartWrite): Promise<Map<number, ReadonlySet<number>>> {
  const { merge, shards, columns } = write;
  const { target, on, changes } = merge.apart;
  const rows = write.rows.map((row, i) => withIntegers(row, [i]));
  const from = `FROM ${target}, ${sourceSql(write, [NUMBER])} WHERE (${on})`;
  const matches = new Map<number, ReadonlySet<number>>();
  for (const shard of rows.length === 0 ? [] : shards) {
    const locked = `SELECT ${from} FOR NO KEY UPDATE OF ${merge.table.alias}`;
    // A policy may hide from the lock what matches all the same, so that it is asked again.
    if (changes) await ask(write, shard, `SELECT pg_catalog.count(*) FROM (${locked}) AS l`, rows);
    const found = await ask(
      write,
      shard,
      `SELECT DISTINCT ${carriedRef(columns.length)} ${from}`,
      rows,
    );
    matches.set(shard, new Set(found.map((row) => columnAt(row, 0)!.readInt32BE())));
  }
  return matches;
}

/** Of NOT MATCHED BY SOURCE each shard needs all rows; those that it does not know yet do nothing. */
async function changeMatched(
  write: ApartWrite,
  matches: ReadonlyMap<number, ReadonlySet<number>>,
  answer: Answer,
): Promise<void> {
  const { merge, shards, columns } = write;
  const { on, matched, returning } = merge.apart;
  if (matched === '') return;
  const number = carriedRef(columns.length);
  const unknown = `WHEN MATCHED AND ${number} = 0 THEN DO NOTHING`;
  // Rows that the source lacks have none of it beside them.
  const present = merge.bySource ? `${number} IS NOT NULL` : '';
  const sql = [
    `${merge.before}(${sourceSql(write, [NUMBER], present)}) ON (${on})`,
    ...(merge.bySource ? [unknown] : []),
    matched,
    returning,
  ].join(' ');
  const isNone = [...matches.values()].every((each) => each.size === 0);
  for (const shard of shards) {
    const known = matches.get(shard);
    const isKnown = (i: number) => known?.has(i) === true;
    const rows = write.rows.flatMap((row, i) =>
      merge.bySource || isKnown(i) ? [withIntegers(row, [isKnown(i) ? 1 : 0])] : [],
    );
    const alsoWithout = merge.bySource || (isNone && shard === HOME_SHARD);
    await runWithRows({ ...write, alsoWithout }, shard, sql, [...columns, NUMBER], rows, answer);
  }
}

/** The rows that are inserted, by shard, each with the clause that inserts it and its key. */
async function placesOf(
  write: ApartWrite,
  rows: readonly Buffer[],
): Promise<ReadonlyMap<number, readonly Buffer[]>> {
  const placed = new Map<number, Buffer[]>();
  if (rows.length === 0) return placed;
  const { merge, columns, placement } = write;
  const { key, unmatched } = merge.apart;
  const whens = unmatched.map(({ condition }, i) => `WHEN (${condition ?? 'true'}) THEN ${i + 1}`);
  const keys = unmatched.flatMap(({ insert }, i) =>
    insert === null ? [] : [`WHEN ${i + 1} THEN (${insert.key ?? 'NULL'})::pg_catalog.${key.type}`],
  );
  // Evaluated once: what a row gets may depend on chance or time.
  const chosen = `(SELECT CASE ${whens.join(' ')} ELSE 0 END AS "drive.when" OFFSET 0) AS "drive.chosen"`;
  const sql =
    `SELECT ${carriedRef(columns.length)}, "drive.when", (CASE "drive.when" ${keys.join(' ')} END)::pg_catalog.int8 ` +
    `FROM ${sourceSql(write, [NUMBER])} CROSS JOIN LATERAL ${chosen} WHERE "drive.when" > 0`;
  const numbered = rows.map((row, i) => withIntegers(row, [i]));
  const chosenRows = (await ask(write, HOME_SHARD, sql, numbered)).flatMap((answer) => {
    const when = columnAt(answer, 1)!.readInt32BE();
    const { insert } = unmatched[when - 1]!;
    return insert === null ? [] : [{ answer, when, byDefault: insert.key === null }];
  });
  const count = chosenRows.filter(({ byDefault }) => byDefault).length;
  const defaults = [...(await write.defaultKeys(count))];
  for (const { answer, when, byDefault } of chosenRows) {
    const value = byDefault ? defaults.shift()! : integerOf(columnAt(answer, 2));
    const shard = shardOfKey(value, key, placement);
    const row = withIntegers(rows[columnAt(answer, 0)!.readInt32BE()]!, [when, value]);
    const own = placed.get(shard);
    if (own === undefined) placed.set(shard, [row]);
    else own.push(row);
  }
  return placed;
}

async function insertPlaced(
  write: ApartWrite,
  placed: ReadonlyMap<number, readonly Buffer[]>,
  answer: Answer,
): Promise<void> {
  const { merge, shards, columns } = write;
  const { unmatched, returning } = merge.apart;
  const [when, key] = [carriedRef(columns.length), carriedRef(columns.length + 1)];
  const clauses = unmatched.flatMap(({ insert }, i) => {
    if (insert === null) return [];
    const { before, after } = insert;
    return [`WHEN NOT MATCHED AND ${when} = ${i + 1} THEN ${before}${key}${after}`];
  });
  const source = sourceSql(write, [NUMBER, KEY]);
  const sql = [`${merge.before}(${source}) ON false`, ...clauses, returning].join(' ');
  const all = [...columns, NUMBER, KEY];
  for (const shard of shards) {
    const rows = placed.get(shard) ?? [];
    const alsoWithout = placed.size === 0 && shard === HOME_SHARD;
    await runWithRows({ ...write, alsoWithout }, shard, sql, all, rows, answer);
  }
}

/** A DataRow body with further columns: of a number an int4, of a bigint an int8. */
export function withIntegers(row: Buffer, values: readonly (number | bigint | null)[]): Buffer {
  const added = values.map((value) => {
    const width = typeof value === 'number' ? 4 : 8;
    const cell = Buffer.alloc(value === null ? 4 : 4 + width);
    cell.writeInt32BE(value === null ? -1 : width);
    if (typeof value === 'number') cell.writeInt32BE(value, 4);
    if (typeof value === 'bigint') cell.writeBigInt64BE(value, 4);
    return cell;
  });
  const body = Buffer.concat([row, ...added]);
  body.writeUInt16BE(row.readUInt16BE() + values.length);
  return body;
}
