// Modify rows: updates, deletes and moves rows that were found before, by their primary keys or places.

import { SqlError } from '../base/errors.ts';
import { quoteName } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { ModifyRowsMerge } from '../plan/staged.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { decodeDataRow, encodeDataRowBody } from '../wire/row.ts';
import {
  type CarriedColumn,
  carriedArrays,
  carriedFormat,
  carriedRef,
  carriedRelation,
  carriedSql,
  NUMBER,
  numberBytes,
} from './carried.ts';
import { Answer, type CarriedWrite, runWithRows } from './carried-statement.ts';
import { haveCycle } from './key-cycle.ts';
import type { ModifiedColumn, ModifiedTable } from './modified-table.ts';
import { liesApart, placesOnCopies, type RowPlace } from './reference-places.ts';
import { differs } from './reference-write.ts';
import { arrivalSql, showsFound } from './returned-columns.ts';
import { openShardStream } from './shard-stream.ts';
import type { WriteResult } from './write.ts';

export interface ModifyWrite extends CarriedWrite {
  readonly merge: ModifyRowsMerge;
  readonly table: ModifiedTable;
  /** The identity's, then the values that are assigned, in the order of the assignments, then what else is found. */
  readonly columns: readonly CarriedColumn[];
  /** As SQL, of the columns; null: their types' own. */
  readonly collations: readonly (string | null)[];
  /** The items of RETURNING, of the table and the columns; '': none. */
  readonly returning: string;
  /** DataRow bodies in the formats of the columns; each row of the table once. */
  readonly rows: readonly ModifiedRow[];
}

export interface ModifiedRow {
  readonly body: Buffer;
  /** The shards that have the row. */
  readonly shards: readonly number[];
  /** Where its new key belongs; null: where it is. */
  readonly movesTo: number | null;
}

/**
 * Shard by shard, in their order; of a reference table, one of them answers. Without rows the home shard is
 * told all the same: the statement may have triggers, or be forbidden. Rows move only of a movable table.
 */
export async function modifyRows(write: ModifyWrite): Promise<WriteResult> {
  const { merge, rows } = write;
  const moved = rows.filter(({ movesTo }) => movesTo !== null);
  if (moved.length > 0) checkSwaps(write);
  const answer = new Answer(write.bytesMax);
  const alsoWithout = rows.length === 0;
  const all = alsoWithout ? [HOME_SHARD] : [...new Set(rows.flatMap((row) => row.shards))];
  const shards = all.sort((a, b) => a - b);
  const placesOn = liesApart(merge.table, write.table) ? await placesOf(write) : null;
  for (const shard of shards) {
    const own = rows.filter((row) => row.shards.includes(shard) && row.movesTo === null);
    const isCopy = merge.table.kind === 'reference' && shard !== shards[0];
    const given = isCopy ? new Answer(write.bytesMax, true) : answer;
    const staying = { ...write, alsoWithout };
    const found = bodies(own);
    const there = isCopy && placesOn !== null ? relocated(found, await placesOn(shard)) : found;
    await runWithRows(staying, shard, stayingSql(write), write.columns, there, given);
    if (given.count === answer.count) continue;
    throw differs(shard, `${merge.verb} ${given.count}`, `${merge.verb} ${answer.count}`);
  }
  await moveRows(write, moved, answer);
  return { rows: answer.rows, tag: `${merge.verb} ${answer.count}` };
}

/** 23505 where rows take each other's keys: to move them in two steps would let them. */
function checkSwaps({ merge, table, rows }: ModifyWrite): void {
  const { columns, constraint } = table.unique;
  const names = table.identity.slice(0, columns);
  const given = merge.assignments.filter(({ sql }) => sql !== null).map(({ column }) => column);
  const isLeft = merge.assignments.some(
    ({ column, sql }) => sql === null && names.includes(column),
  );
  if (constraint === null || isLeft) return;
  const after = names.map((name, i) => {
    const at = given.indexOf(name);
    return at < 0 ? i : table.identity.length + at;
  });
  const keys = rows.map(({ body }) => {
    const values = decodeDataRow(body).map((value) => value?.toString('latin1') ?? null);
    const keyOf = (places: readonly number[]) => JSON.stringify(places.map((i) => values[i]));
    return [keyOf(names.map((_, i) => i)), keyOf(after)] as const;
  });
  checkCycle(table, keys);
}

/** `keys`: by which each row was found, and which it gets. Throws 23505. */
export function checkCycle(
  { unique: { constraint } }: ModifiedTable,
  keys: Parameters<typeof haveCycle>[0],
): void {
  if (constraint === null || !haveCycle(keys)) return;
  throw new SqlError({
    code: SQLSTATE.uniqueViolation,
    message: `duplicate key value violates unique constraint "${constraint}"`,
  });
}

function placesOf({ transaction, merge, table, columns, rows, bytesMax }: ModifyWrite) {
  const { length } = table.identity;
  return placesOnCopies({
    transaction,
    merge,
    identity: columns.slice(0, length),
    places: rows.map(({ body }) => decodeDataRow(body).slice(0, length)),
    bytesMax,
  });
}

/** The rows with other places in front. */
const relocated = (found: readonly Buffer[], places: readonly RowPlace[]): readonly Buffer[] =>
  found.map((body, i) => {
    const place = places[i]!;
    return encodeDataRowBody([...place, ...decodeDataRow(body).slice(place.length)]);
  });

const bodies = (rows: readonly ModifiedRow[]) => rows.map(({ body }) => body);

/** The statement for rows that stay where they are. */
export function stayingSql(write: ModifyWrite): string {
  const { merge, table, columns, collations, parameters } = write;
  const { verb, target, assignments } = merge;
  const returning = write.returning === '' ? '' : ` RETURNING ${write.returning}`;
  const made = carriedRelation(columns, parameters.types.length + 1, collations);
  const where = `WHERE ${identitySql(merge, table)}`;
  if (verb === 'DELETE') return `DELETE FROM ${target} USING ${made} ${where}${returning}`;
  let at = table.identity.length;
  const values = assignments.map(({ column, sql }) => {
    if (sql === null) return `${quoteName(column)} = DEFAULT`;
    return `${quoteName(column)} = ${carriedRef(at++)}`;
  });
  return `UPDATE ${target} SET ${values.join(', ')} FROM ${made} ${where}${returning}`;
}

const identitySql = (
  { table: { alias } }: Pick<ModifyRowsMerge, 'table'>,
  { identity }: ModifiedTable,
) => identity.map((name, i) => `${alias}.${quoteName(name)} = ${carriedRef(i)}`).join(' AND ');

/**
 * Locks the rows, as an UPDATE would; gives those that are still there, by their positions. `columns`: the
 * identity's, before others of the rows.
 */
export async function lockRows(
  connection: ServerConnection,
  merge: Pick<ModifyRowsMerge, 'target' | 'table'>,
  table: ModifiedTable,
  columns: readonly CarriedColumn[],
  rows: readonly Buffer[],
): Promise<ReadonlySet<number>> {
  const { target, table: named } = merge;
  const own = [...columns, NUMBER];
  const numbered = rows.map((row, i) =>
    withPosition(encodeDataRowBody(decodeDataRow(row).slice(0, columns.length)), i),
  );
  const stream = await openShardStream(connection, {
    sql:
      `SELECT ${carriedRef(columns.length)} FROM ${target}, ${carriedRelation(own, 1)}` +
      ` WHERE ${identitySql(merge, table)} FOR UPDATE OF ${named.alias}`,
    parameters: {
      values: carriedArrays(own, numbered),
      formats: [1],
      types: own.map(() => 0),
    },
    resultFormats: [1],
  });
  const found = new Set<number>();
  for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
    for (const row of batch) found.add(decodeDataRow(row)[0]!.readInt32BE());
  }
  await stream.done;
  return found;
}

const withPosition = (row: Buffer, position: number): Buffer =>
  encodeDataRowBody([...decodeDataRow(row), numberBytes(position)]);

/** A row whose key changes its shard is deleted there and inserted where it belongs. */
async function moveRows(
  write: ModifyWrite,
  moved: readonly ModifiedRow[],
  answer: Answer,
): Promise<void> {
  const { merge, table } = write;
  const isDefault = (name: string) =>
    merge.assignments.some(({ column, sql }) => column === name && sql === null);
  const kept = table.columns.filter(({ name }) => !isDefault(name));
  const arriving = new Map<number, Arriving[]>();
  for (const shard of [...new Set(moved.flatMap((row) => row.shards))].sort((a, b) => a - b)) {
    const own = moved.filter((row) => row.shards.includes(shard));
    for (const taken of await takeRows(write, shard, bodies(own), kept)) {
      const [position, ...values] = decodeDataRow(taken);
      const { body, movesTo } = own[position!.readInt32BE()]!;
      const row = newRow(merge, table, kept, values, body);
      arriving.set(movesTo!, [...(arriving.get(movesTo!) ?? []), { row, body }]);
    }
  }
  const arrival = arrivalOf(write, carriedAs(write, kept));
  for (const [shard, rows] of [...arriving].sort(([a], [b]) => a - b)) {
    await runWithRows(write, shard, arrival.sql, arrival.columns, rows.map(arrival.bodyOf), answer);
  }
}

/** What is assigned has come as its query describes it: a domain's value as one of the type below. */
function carriedAs(
  { merge, table, columns }: ModifyWrite,
  kept: readonly ModifiedColumn[],
): readonly ModifiedColumn[] {
  const names = merge.assignments.filter(({ sql }) => sql !== null).map(({ column }) => column);
  return kept.map((column) => {
    const at = names.indexOf(column.name);
    return at < 0 ? column : { ...columns[table.identity.length + at]!, name: column.name };
  });
}

interface Arriving {
  readonly row: readonly (Buffer | null)[];
  /** As it was found. */
  readonly body: Buffer;
}

interface Arrival {
  readonly sql: string;
  readonly columns: readonly CarriedColumn[];
  bodyOf(this: void, arriving: Arriving, position: number): Buffer;
}

/** How moved rows are inserted; along with all that was found where RETURNING shows some of it. */
function arrivalOf(write: ModifyWrite, kept: readonly ModifiedColumn[]): Arrival {
  const { merge, table, columns, collations, parameters, returning } = write;
  const { name, alias } = merge.table;
  const list = kept.map((column) => quoteName(column.name)).join(', ');
  const insert = `INSERT INTO ${name} AS ${alias} (${list}) OVERRIDING SYSTEM VALUE`;
  const first = parameters.types.length + 1;
  if (!showsFound(merge.returning)) {
    const tail = returning === '' ? '' : ` RETURNING ${returning}`;
    const sql = `${insert} ${carriedSql(kept, first)}${tail}`;
    return { sql, columns: kept, bodyOf: ({ row }) => encodeDataRowBody(row) };
  }
  const all = [...columns, ...kept, NUMBER];
  const sql = arrivalSql({
    carried: carriedSql(all, first, collations),
    columns: all.length,
    insert,
    given: { first: columns.length, count: kept.length },
    alias,
    names: table.names,
    items: returning,
  });
  return {
    sql,
    columns: all,
    bodyOf: ({ row, body }, i) =>
      withPosition(encodeDataRowBody([...decodeDataRow(body), ...row]), i + 1),
  };
}

interface TakenWrite extends CarriedWrite, Pick<ModifyWrite, 'table' | 'columns'> {
  readonly merge: Pick<ModifyRowsMerge, 'target' | 'table'>;
}

/** Deletes the rows and gives them as they were, each behind its position among `rows`. */
export async function takeRows(
  write: TakenWrite,
  shard: number,
  rows: readonly Buffer[],
  kept: readonly ModifiedColumn[],
): Promise<readonly Buffer[]> {
  const { merge, table, columns, bytesMax } = write;
  const own = [...columns, NUMBER];
  const { alias } = merge.table;
  const returned = kept.map(({ name }) => `${alias}.${quoteName(name)}`);
  const sql =
    `DELETE FROM ${merge.target} USING ${carriedRelation(own, write.parameters.types.length + 1)}` +
    ` WHERE ${identitySql(merge, table)} RETURNING ${carriedRef(columns.length)}, ${returned.join(', ')}`;
  const taken = new Answer(bytesMax);
  const resultFormats = [1, ...kept.map(({ typeOid }) => carriedFormat(typeOid))];
  await runWithRows({ ...write, resultFormats }, shard, sql, own, rows.map(withPosition), taken);
  return taken.rows;
}

/** The row with the values that are assigned to it. */
function newRow(
  { assignments }: ModifyRowsMerge,
  { identity }: ModifiedTable,
  kept: readonly ModifiedColumn[],
  old: readonly (Buffer | null)[],
  found: Buffer,
): (Buffer | null)[] {
  const assigned = decodeDataRow(found).slice(identity.length);
  const names = assignments.filter(({ sql }) => sql !== null).map(({ column }) => column);
  return kept.map(({ name }, i) => {
    const at = names.indexOf(name);
    return at < 0 ? old[i]! : assigned[at]!;
  });
}
