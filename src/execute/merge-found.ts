// Merge found: writes what queries have found that a MERGE does, row by row.

import { SqlError } from '../base/errors.ts';
import { quoteName } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { FoundClause, FoundMerge, MergeReturned, MergeRowsMerge } from '../plan/staged.ts';
import { severalShards } from '../plan/unsupported.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { decodeDataRow, encodeDataRowBody } from '../wire/row.ts';
import { type CarriedColumn, carriedRef, NUMBER, numberBytes } from './carried.ts';
import { Answer, runWithRows } from './carried-statement.ts';
import { haveCycle } from './key-cycle.ts';
import { returnedOf } from './merge-found-query.ts';
import { type MergeWrite, sourceSql } from './merge-rows.ts';
import type { ModifiedTable } from './modified-table.ts';
import { takeRows } from './modify-rows.ts';
import { liesApart, placesOnCopies } from './reference-places.ts';
import { differs } from './reference-write.ts';
import type { StrayRows } from './stray-rows.ts';
import type { WriteResult } from './write.ts';
import { rowItem } from './written-row.ts';

export interface FoundWrite extends Omit<MergeWrite, 'rowShards'> {
  readonly merge: MergeRowsMerge & { readonly found: FoundMerge };
  readonly table: ModifiedTable;
  /** The identity's columns. */
  readonly identity: readonly CarriedColumn[];
  /** What is given by all clauses that give a value, one after the other. */
  readonly values: readonly CarriedColumn[];
  /** The items of RETURNING that are found. */
  readonly returned: readonly CarriedColumn[];
  readonly pairs: readonly FoundPair[];
  /** Rows that move are updated like others, then taken to their shards; null: deleted and inserted. */
  readonly strays: StrayRows | null;
}

/** A row of the source and one of the target, or either alone; and what is to be done. */
export interface FoundPair {
  /** The source's; null: none. */
  readonly position: number | null;
  /** 0-based. */
  readonly clause: number;
  /** The target's row; null: it is inserted. */
  readonly identity: readonly (Buffer | null)[] | null;
  /** Of the clause, without those left to defaults. */
  readonly values: readonly (Buffer | null)[];
  /** What RETURNING shows that is found. */
  readonly returned: readonly (Buffer | null)[];
  readonly shards: readonly number[];
  /** Where its new key belongs; null: where it is. */
  readonly movesTo: number | null;
  readonly newKey: bigint | null;
}

/**
 * Rows that move leave first and arrive last, so that keys are free for others and nobody finds them twice. Without
 * any pair the home shard is told all the same: the statement may have triggers, or be forbidden.
 */
export async function mergeFound(write: FoundWrite): Promise<WriteResult> {
  const { merge, pairs, strays } = write;
  checkOnce(pairs);
  checkSwaps(write);
  const leaves = ({ movesTo }: FoundPair) => strays === null && movesTo !== null;
  const answer = new Answer(write.bytesMax);
  const arriving = await takeMoved(write, pairs.filter(leaves));
  const { sql, columns } = stayingStatement(write);
  const pairsOn = liesApart(merge.table, write.table) ? await pairsOnCopies(write) : null;
  for (const shard of merge.table.kind === 'home' ? [HOME_SHARD] : write.shards) {
    const own = pairs.filter((pair) => !leaves(pair) && pair.shards.includes(shard));
    const isCopy = merge.table.kind === 'reference' && shard !== HOME_SHARD;
    const given = isCopy ? new Answer(write.bytesMax, true) : answer;
    const alsoWithout = pairs.length === 0 && shard === HOME_SHARD;
    const there = isCopy && pairsOn !== null ? await pairsOn(shard) : own;
    const rows = there.map((pair) => carriedBody(write, pair));
    const run = () => runWithRows({ ...write, alsoWithout }, shard, sql, columns, rows, given);
    await (strays === null ? run() : strays.update(shard, run));
    if (given.count === answer.count) continue;
    throw differs(shard, `MERGE ${given.count}`, `MERGE ${answer.count}`);
  }
  await strays?.takeHome();
  await insertMoved(write, arriving, answer);
  return { rows: answer.rows, tag: `MERGE ${answer.count}` };
}

/** The pairs with the rows as they lie on another shard. */
async function pairsOnCopies(
  write: FoundWrite,
): Promise<(shard: number) => Promise<readonly FoundPair[]>> {
  const { transaction, merge, identity, pairs, bytesMax } = write;
  const { table, found } = merge;
  const places = pairs.flatMap((pair) => (pair.identity === null ? [] : [pair.identity]));
  const placesOn = await placesOnCopies({
    transaction,
    merge: { target: found.target, table },
    identity,
    places,
    bytesMax,
  });
  return async (shard) => {
    const left = [...(await placesOn(shard))];
    return pairs.map((pair) =>
      pair.identity === null ? pair : { ...pair, identity: left.shift()! },
    );
  };
}

const assigned = ({ values }: FoundClause) => values.filter(({ sql }) => sql !== null);

/** Values as a key of a map. */
export const textOfValues = (values: readonly (Buffer | null)[]): string =>
  JSON.stringify(values.map((value) => value?.toString('latin1') ?? null));

/** 21000 as PostgreSQL says it. */
function checkOnce(pairs: readonly FoundPair[]): void {
  const changed = pairs.flatMap(({ identity }) =>
    identity === null ? [] : [textOfValues(identity)],
  );
  if (new Set(changed).size === changed.length) return;
  throw new SqlError({
    code: SQLSTATE.cardinalityViolation,
    message: 'MERGE command cannot affect row a second time',
    hint: 'Ensure that not more than one source row matches any one target row.',
  });
}

/** 23505 where rows take each other's keys: to move them in two steps would let them. */
function checkSwaps({ merge, table, pairs }: FoundWrite): void {
  const { columns, constraint } = table.unique;
  const names = table.identity.slice(0, columns);
  if (constraint === null || pairs.every(({ movesTo }) => movesTo === null)) return;
  const keys = pairs.flatMap(({ identity, clause, values }) => {
    const { command, values: given } = merge.found.clauses[clause]!;
    const isLeft = given.some(({ column, sql }) => sql === null && names.includes(column));
    if (identity === null || command !== 'update' || isLeft) return [];
    const places = assigned(merge.found.clauses[clause]!).map(({ column }) => column);
    const after = names.map((name, i) => {
      const at = places.indexOf(name);
      return at < 0 ? identity[i]! : values[at]!;
    });
    return [[textOfValues(identity.slice(0, columns)), textOfValues(after)] as const];
  });
  if (!haveCycle(keys)) return;
  throw new SqlError({
    code: SQLSTATE.uniqueViolation,
    message: `duplicate key value violates unique constraint "${constraint}"`,
  });
}

/** Behind the source's columns: the position, the clause from 1 on, the identity, the values, what is returned. */
function carriedBody({ rows, columns, identity, merge }: FoundWrite, pair: FoundPair): Buffer {
  const { clauses } = merge.found;
  const given = clauses.flatMap((clause, i) =>
    i === pair.clause ? pair.values : assigned(clause).map(() => null),
  );
  return encodeDataRowBody([
    ...sourceValues(rows, columns, pair),
    pair.position === null ? null : numberBytes(pair.position),
    numberBytes(pair.clause + 1),
    ...(pair.identity ?? identity.map(() => null)),
    ...given,
    ...pair.returned,
  ]);
}

const sourceValues = (
  rows: readonly Buffer[],
  columns: readonly CarriedColumn[],
  { position }: FoundPair,
): readonly (Buffer | null)[] =>
  position === null ? columns.map(() => null) : decodeDataRow(rows[position]!);

interface CarriedStatement {
  readonly sql: string;
  readonly columns: readonly CarriedColumn[];
}

/** Rows that the source lacks have none of it beside them. */
const presence = ({ merge, columns }: FoundWrite): string =>
  merge.bySource ? `${carriedRef(columns.length)} IS NOT NULL` : '';

/** One statement for all that a shard does with rows that stay there, as it may have triggers. */
function stayingStatement(write: FoundWrite): CarriedStatement {
  const { merge, columns, identity, values, returned, table } = write;
  const { clauses, returning } = merge.found;
  const beside = [NUMBER, NUMBER, ...identity, ...values, ...returned];
  const ref = (i: number) => carriedRef(columns.length + i);
  let at = 2 + identity.length;
  const whens = clauses.flatMap((clause, i) => {
    const items = clause.values.map(({ sql }) => (sql === null ? 'DEFAULT' : ref(at++)));
    const action = actionSql(clause, items);
    const matched = clause.when === 'notMatched' ? 'NOT MATCHED' : 'MATCHED';
    return action === null ? [] : [`WHEN ${matched} AND ${ref(1)} = ${i + 1} THEN ${action}`];
  });
  const same = table.identity.map(
    (name, i) => `${merge.table.alias}.${quoteName(name)} = ${ref(2 + i)}`,
  );
  const source = sourceSql(write, beside, presence(write));
  const first = columns.length + beside.length - returned.length;
  const acts = whens.length > 0;
  const shown = returnedText(returning, write, { found: acts ? first : null, old: 0 });
  const all = acts ? whens : ['WHEN MATCHED THEN DO NOTHING'];
  return {
    sql: [`${merge.before}(${source}) ON ${same.join(' AND ')}`, ...all, shown].join(' '),
    columns: [...columns, ...beside],
  };
}

function actionSql(clause: FoundClause, items: readonly string[]): string | null {
  switch (clause.command) {
    case 'update':
      return `UPDATE SET ${clause.values
        .map(({ column }, i) => `${quoteName(column)} = ${items[i]}`)
        .join(', ')}`;
    case 'delete':
      return 'DELETE';
    case 'insert':
      return `${clause.before}${items.join(', ')}${clause.after}`;
    case 'nothing':
      return null;
  }
}

/** A row that has left, as it is to arrive: under the names of its columns. */
interface Arriving {
  readonly pair: FoundPair;
  /** As it was, by all its columns. */
  readonly old: readonly (Buffer | null)[];
  readonly values: ReadonlyMap<string, Buffer | null>;
}

/** Deletes rows where they are. */
async function takeMoved(
  write: FoundWrite,
  moved: readonly FoundPair[],
): Promise<readonly Arriving[]> {
  const { merge, table, identity } = write;
  const { target, clauses } = merge.found;
  const taking = { ...write, merge: { target, table: merge.table }, columns: identity };
  const arriving: Arriving[] = [];
  for (const shard of write.shards) {
    const own = moved.filter(({ shards }) => shards.includes(shard));
    const bodies = own.map((pair) => encodeDataRowBody(pair.identity!));
    for (const taken of await takeRows(taking, shard, bodies, table.all)) {
      const [position, ...old] = decodeDataRow(taken);
      const pair = own[position!.readInt32BE()]!;
      const clause = clauses[pair.clause]!;
      const values = new Map(table.all.map(({ name }, i) => [name, old[i]!]));
      assigned(clause).forEach(({ column }, i) => {
        values.set(column, pair.values[i]!);
      });
      arriving.push({ pair, old, values });
    }
  }
  return arriving;
}

/** Inserts them where they belong, clause by clause, each of which leaves other columns to defaults. */
async function insertMoved(
  write: FoundWrite,
  arriving: readonly Arriving[],
  answer: Answer,
): Promise<void> {
  const { merge, columns, rows, shards } = write;
  for (const [i, clause] of merge.found.clauses.entries()) {
    const statement = arrivalStatement(write, i, clause);
    for (const shard of shards) {
      const own = arriving.filter(({ pair }) => pair.clause === i && pair.movesTo === shard);
      const bodies = own.map(({ pair, old, values }) =>
        encodeDataRowBody([
          ...sourceValues(rows, columns, pair),
          pair.position === null ? null : numberBytes(pair.position),
          ...statement.names.map((name) => values.get(name) ?? null),
          ...(statement.showsOld ? old : []),
          ...pair.returned,
        ]),
      );
      await runWithRows(write, shard, statement.sql, statement.columns, bodies, answer);
    }
  }
}

function arrivalStatement(
  write: FoundWrite,
  index: number,
  clause: FoundClause,
): CarriedStatement & { readonly names: readonly string[]; readonly showsOld: boolean } {
  const { merge, columns, table, values, returned } = write;
  const { clauses, returningMoved } = merge.found;
  const first = clauses.slice(0, index).flatMap(assigned).length;
  const given = assigned(clause).map(({ column }) => column);
  const left = clause.values.flatMap(({ column, sql }) => (sql === null ? [column] : []));
  const kept = table.columns.filter(({ name }) => !left.includes(name));
  // What is assigned has come as its query describes it: a domain's value as one of its own type.
  const carried = kept.map((column) => {
    const at = given.indexOf(column.name);
    return at < 0 ? column : values[first + at]!;
  });
  const showsOld = returningMoved.some((part) => typeof part !== 'string' && 'old' in part);
  const beside = [NUMBER, ...carried, ...(showsOld ? table.all : []), ...returned];
  const source = sourceSql(write, beside, presence(write));
  const names = kept.map(({ name }) => name);
  const items = names.map((_, i) => carriedRef(columns.length + 1 + i));
  const shown = returnedText(returningMoved, write, {
    old: columns.length + 1 + names.length,
    found: columns.length + beside.length - returned.length,
  });
  const sql =
    `${merge.before}(${source}) ON false WHEN NOT MATCHED THEN ` +
    `INSERT (${names.map(quoteName).join(', ')}) OVERRIDING SYSTEM VALUE ` +
    `VALUES (${items.join(', ')}) ${shown}`;
  return { sql, columns: [...columns, ...beside], names, showsOld };
}

/**
 * `first`: where, among the columns that are carried, the old row begins, and what is found; null: nothing is, where no
 * clause changes a row, so that only its type is asked for.
 */
function returnedText(
  parts: readonly MergeReturned[],
  write: FoundWrite,
  first: { readonly old: number; readonly found: number | null },
): string {
  const { merge, table } = write;
  const { names } = table;
  const refs = (places: readonly number[]) =>
    places.map((i) => carriedRef(first.old + i)).join(', ');
  const texts = parts.map((part) => {
    if (typeof part === 'string') return part;
    if ('found' in part) {
      if (first.found !== null) return carriedRef(first.found + part.found);
      const row = { table: merge.table, verb: 'DELETE', assignments: [] } as const;
      return `(SELECT ${rowItem(returnedOf(write)[part.found]!, row, table)})`;
    }
    const { old } = part;
    if (old === 'columns') return refs([...names.keys()]);
    if (old === 'row') return `ROW(${refs([...names.keys()])})::${merge.table.name}`;
    const at = names.indexOf(old.column);
    // A system column, or a function of the row.
    if (at < 0) throw new SqlError(severalShards('returning'));
    return refs([at]);
  });
  return texts.join('');
}
