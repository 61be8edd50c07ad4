// Merge found run: finds which rows a MERGE matches and what becomes of them, locks and writes them.

import { SqlError } from '../base/errors.ts';
import { carriedArrays, carriedColumns, NUMBER, RECORD } from '../execute/carried.ts';
import { withIntegers } from '../execute/merge-apart.ts';
import {
  type FoundPair,
  type FoundWrite,
  mergeFound,
  textOfValues,
} from '../execute/merge-found.ts';
import {
  foundQuery,
  isOf,
  returnedOf,
  type SourceWrite,
  type When,
} from '../execute/merge-found-query.ts';
import { foundByPlace, type ModifiedTable, modifiedTable } from '../execute/modified-table.ts';
import { lockRows } from '../execute/modify-rows.ts';
import { withArrays } from '../execute/parameters.ts';
import { liesApart, lockCopies } from '../execute/reference-places.ts';
import { integerOf, shardOfKey } from '../execute/row-set.ts';
import { StrayRows } from '../execute/stray-rows.ts';
import type { WriteResult } from '../execute/write.ts';
import type { FoundClause } from '../plan/staged.ts';
import { severalShards } from '../plan/unsupported.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { decodeDataRow, encodeDataRowBody, type FieldDescription } from '../wire/row.ts';
import { evaluatedDefaults } from './evaluated-defaults.ts';
import { withConnectionOf } from './everywhere.ts';
import { movingAlong, triggersMove } from './moving-rows.ts';
import { untilLocked } from './place-tries.ts';
import { readRows, type StagedRun, sourceOf } from './row-source.ts';

/** What a query has found; rows of the identity, a position, a clause from 1 on (0: none), the values. */
interface Found {
  readonly fields: readonly FieldDescription[];
  readonly rows: readonly FoundRow[];
}

interface FoundRow {
  readonly position: number | null;
  readonly clause: number;
  readonly identity: readonly (Buffer | null)[];
  readonly values: readonly (Buffer | null)[];
  /** Items of RETURNING. */
  readonly returned: readonly (Buffer | null)[];
}

const NONE: Found = { fields: [], rows: [] };

/**
 * As one PostgreSQL under READ COMMITTED: what matches, and what the source lacks, is found and locked; what becomes
 * of it is found as it is then, and of the source's rows that match nothing. Rejects with SqlError or ServerError.
 */
export async function runFound(run: StagedRun, write: SourceWrite): Promise<WriteResult> {
  const { merge } = write;
  const { clauses, key } = merge.found;
  const keyColumn = key?.column ?? null;
  const known = await withConnectionOf(run.d.state)(HOME_SHARD, (home) =>
    modifiedTable(home, merge.table, keyColumn),
  );
  const table = merge.found.once ? foundByPlace(known, keyColumn) : known;
  if (liesApart(merge.table, table))
    await lockCopies(write.transaction, write.shards, merge.table.name);
  const asked = { run, write, table };
  const lock = table.foundBy === 'key' ? lockByKey : lockByPlace;
  const { found, rows, matched } = await lock(asked);
  const inserts = clauses.some(({ when }) => when === 'notMatched');
  const unmatched = inserts
    ? await findRows(asked, 'notMatched', (position) => !matched.has(position))
    : NONE;
  const taken = [...rows, ...unmatched.rows].filter((row) => !isLeftAlone(row, clauses));
  const pairs = (await withDefaults(asked, taken)).map((row) => pairOf(asked, row));
  const strays = await straysOf(asked, pairs);
  const columns = await columnsOf(asked, [found[0], unmatched, found[1]]);
  return mergeFound({ ...write, table, ...columns, pairs, strays });
}

/**
 * null: no rows move, or as they are. Throws 0A000 where they cannot be moved, or might by triggers, of which no MERGE
 * is sure to tell.
 */
async function straysOf(
  { run, write, table }: Asked,
  pairs: readonly FoundPair[],
): Promise<FoundWrite['strays']> {
  const { clauses, key } = write.merge.found;
  const from = { name: write.merge.table.name, key, table };
  const changed = pairs.flatMap(({ clause, identity }) =>
    identity !== null && clauses[clause]!.command === 'update' ? clauses[clause]!.values : [],
  );
  const moves =
    pairs.some(({ movesTo }) => movesTo !== null) || (await triggersMove(run, from, changed));
  const moving = moves ? await movingAlong(run, from, 'assigned') : null;
  if (moving === null) return null;
  const { placement } = run.d.context.topology();
  const { transaction, bytesMax } = write;
  const keysBefore = new Map<number, Set<bigint>>();
  const at = table.identity.indexOf(key!.column);
  for (const { shards, identity } of pairs) {
    const [shard] = shards as [number];
    if (identity === null) continue;
    keysBefore.set(shard, (keysBefore.get(shard) ?? new Set()).add(integerOf(identity[at]!)!));
  }
  const strays = new StrayRows({ transaction, bytesMax, placement, moving, keysBefore });
  for (const { shards, newKey } of pairs) if (newKey !== null) strays.add(shards[0]!, newKey);
  return strays;
}

interface Locked {
  readonly found: readonly [matched: Found, lacking: Found];
  /** Those that are locked, or that the server is to say something about: a policy may forbid it. */
  readonly rows: readonly FoundRow[];
  /** Positions of the source's rows that match some row. */
  readonly matched: ReadonlySet<number | null>;
}

async function findBoth(asked: Asked): Promise<Locked['found']> {
  const { bySource, found } = asked.write.merge;
  const matches = found.clauses.some(({ when }) => when !== 'notMatchedBySource');
  return [
    matches ? await findRows(asked, 'matched') : NONE,
    bySource ? await findRows(asked, 'notMatchedBySource') : NONE,
  ];
}

/** What has been changed while it was waited for is looked at again, under the same key. */
async function lockByKey(asked: Asked): Promise<Locked> {
  const { clauses } = asked.write.merge.found;
  const before = await findBoth(asked);
  const tried = new Set<string>();
  await lockFound(asked, before, tried);
  const found = await findBoth(asked);
  const isTried = ({ identity }: FoundRow) => tried.has(textOfValues(identity));
  // What was left alone when it was found has no part in what others have made of it since.
  const matched = new Set([
    ...before[0].rows.filter((row) => !mayChange(row, asked)).map(({ position }) => position),
    ...found[0].rows
      .filter((row) => isTried(row) || isLeftAlone(row, clauses))
      .map(({ position }) => position),
  ]);
  return { found, rows: found.flatMap(({ rows }) => rows).filter(isTried), matched };
}

/**
 * A row that is locked at its place is as it was found. What has been changed while it was waited for is at another:
 * all are looked for again, until those that are found are locked. So chance decides once.
 */
async function lockByPlace(asked: Asked): Promise<Locked> {
  const tried = new Set<string>();
  return untilLocked(async () => {
    const found = await findBoth(asked);
    if (!(await lockFound(asked, found, tried))) return null;
    const matched = new Set(found[0].rows.map(({ position }) => position));
    return { found, rows: found.flatMap(({ rows }) => rows), matched };
  });
}

interface Asked {
  readonly run: StagedRun;
  readonly write: SourceWrite;
  readonly table: ModifiedTable;
}

const isLeftAlone = ({ clause }: FoundRow, clauses: readonly FoundClause[]): boolean =>
  clause === 0 || clauses[clause - 1]!.command === 'nothing';

const mayChange = (row: FoundRow, { write }: Asked): boolean =>
  write.merge.found.chance || !isLeftAlone(row, write.merge.found.clauses);

async function findRows(
  asked: Asked,
  when: When,
  includes: (position: number) => boolean = () => true,
): Promise<Found> {
  const { run, write, table } = asked;
  const { columns, rows, parameters } = write;
  const numbered = rows.flatMap((row, i) => (includes(i) ? [withIntegers(row, [i])] : []));
  const arrays = carriedArrays([...columns, NUMBER], numbered);
  const given = withArrays(parameters, arrays);
  const own: StagedRun = {
    ...run,
    execution: { ...run.execution, parameters: given },
    description: { ...run.description, parameterTypes: given.types },
  };
  const width = when === 'notMatched' ? 0 : table.identity.length;
  const findsPlaces = table.foundBy === 'place' && width > 0;
  const source = await sourceOf(own, foundQuery(write, table, when), findsPlaces);
  const { set, description } = await readRows(own, source);
  return {
    fields: description.fields ?? [],
    rows: set.rows.map((row) => {
      const all = decodeDataRow(row);
      const [position, clause, ...values] = all.slice(width);
      const number = clause!.readInt32BE();
      return {
        position: position?.readInt32BE() ?? null,
        clause: number,
        identity: all.slice(0, width),
        values: valuesOf(write.merge.found.clauses, number, when, values),
        returned: values.slice(values.length - returnedOf(write).length),
      };
    }),
  };
}

const countOf = ({ values }: FoundClause): number =>
  values.filter(({ sql }) => sql !== null).length;

/** Of all clauses of a kind, those of the one that is taken. */
function valuesOf(
  clauses: readonly FoundClause[],
  number: number,
  when: When,
  values: readonly (Buffer | null)[],
): readonly (Buffer | null)[] {
  if (number === 0) return [];
  const before = clauses.slice(0, number - 1).filter(isOf(when));
  const at = before.reduce((sum, clause) => sum + countOf(clause), 0);
  return values.slice(at, at + countOf(clauses[number - 1]!));
}

/**
 * Locks what may be changed and has not been `tried`, shard by shard, in their order. False where some row could not
 * be had: it is gone, or elsewhere, or a policy forbids it.
 */
async function lockFound(
  asked: Asked,
  found: Locked['found'],
  tried: Set<string>,
): Promise<boolean> {
  const { run, write, table } = asked;
  const { target } = write.merge.found;
  const byShard = new Map<number, Buffer[]>();
  for (const row of found.flatMap(({ rows }) => rows)) {
    const name = textOfValues(row.identity);
    if (!mayChange(row, asked) || tried.has(name)) continue;
    tried.add(name);
    const [shard] = shardsOf(asked, row.identity) as [number];
    const own = byShard.get(shard) ?? [];
    byShard.set(shard, own);
    own.push(encodeDataRowBody(row.identity));
  }
  const { identity } = await columnsOf(asked, [found[0], NONE, found[1]]);
  const merge = { target, table: write.merge.table };
  let hasAll = true;
  for (const [shard, own] of [...byShard].sort(([a], [b]) => a - b)) {
    const connection = await run.d.state.transaction!.enlist(shard);
    const positions = await lockRows(connection, merge, table, identity, own);
    hasAll &&= positions.size === own.length;
  }
  return hasAll;
}

/** Of a reference table the home shard's copy, the first, stands for all. */
function shardsOf(
  { run, write, table }: Asked,
  identity: readonly (Buffer | null)[],
): readonly number[] {
  const { merge, shards } = write;
  const { key } = merge.found;
  if (merge.table.kind === 'reference') return shards;
  if (key === null) return [HOME_SHARD];
  const value = integerOf(identity[table.identity.indexOf(key.column)]!);
  const { placement } = run.d.context.topology();
  return [shardOfKey(value, { ...key, notNull: false }, placement)];
}

/** With the defaults that are evaluated before the rows are written. */
async function withDefaults(
  { run, write }: Asked,
  rows: readonly FoundRow[],
): Promise<readonly FoundRow[]> {
  const { found, table } = write.merge;
  const { clauses, key } = found;
  const clauseOf = (row: FoundRow) => clauses[row.clause - 1]!;
  const made = new Map<FoundClause['command'], ReadonlyMap<string, (Buffer | null)[]>>();
  for (const command of ['insert', 'update'] as const) {
    const counts = new Map<string, number>();
    for (const each of rows.map(clauseOf)) {
      const names = each.command === command ? each.evaluated : [];
      for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    made.set(command, await evaluatedDefaults(run.d, command, { table, key, counts }));
  }
  return rows.map((row) => {
    const { command, values, evaluated } = clauseOf(row);
    const given = values.filter(({ sql }) => sql !== null);
    const next = (column: string, value: Buffer | null) =>
      evaluated.includes(column) ? made.get(command)!.get(column)!.shift()! : value;
    return { ...row, values: row.values.map((value, i) => next(given[i]!.column, value)) };
  });
}

function pairOf(asked: Asked, row: FoundRow): FoundPair {
  const { run, write } = asked;
  const { clauses, key } = write.merge.found;
  const { position, values, returned } = row;
  const clause = clauses[row.clause - 1]!;
  const given = clause.values.filter(({ sql }) => sql !== null);
  const at = given.findIndex(({ column }) => column === key?.column);
  const newKey = key === null || at < 0 ? null : integerOf(values[at]!);
  const { placement } = run.d.context.topology();
  const rest = { position, clause: row.clause - 1, values, returned, newKey };
  if (clause.when === 'notMatched') {
    const shards = key === null ? shardsOf(asked, []) : [shardOfKey(newKey, key, placement)];
    return { ...rest, identity: null, shards, movesTo: null };
  }
  const shards = shardsOf(asked, row.identity);
  const stays = key === null || at < 0 || (newKey === null && key.notNull);
  const shard = stays ? shards[0]! : shardOfKey(newKey, key, placement);
  const movesTo = shard === shards[0] ? null : shard;
  return { ...rest, identity: row.identity, shards, movesTo };
}

/** The identity's columns, and those of all values in the order of the clauses. */
async function columnsOf(
  { run, write, table }: Asked,
  [matched, unmatched, lacking]: readonly [Found, Found, Found],
): Promise<Pick<FoundWrite, 'identity' | 'values' | 'returned'>> {
  const { length } = table.identity;
  const some = matched.fields.length > 0 ? matched : lacking;
  const left: Record<When, readonly FieldDescription[]> = {
    matched: matched.fields.slice(length + 2),
    notMatched: unmatched.fields.slice(2),
    notMatchedBySource: lacking.fields.slice(2 + length),
  };
  const values = write.merge.found.clauses.flatMap((clause) => {
    const own = left[clause.when].slice(0, countOf(clause));
    left[clause.when] = left[clause.when].slice(own.length);
    return own;
  });
  const carried = (fields: readonly FieldDescription[]) =>
    withConnectionOf(run.d.state)(HOME_SHARD, (home) => carriedColumns(home, fields));
  const identity = await carried(some.fields.slice(0, length));
  const acts = ({ command }: FoundClause) => command !== 'nothing';
  const whens = write.merge.found.clauses.filter(acts).map(({ when }) => when);
  const count = returnedOf(write).length;
  const all = { matched, notMatched: unmatched, notMatchedBySource: lacking };
  const described = whens.map((when) => all[when].fields).find((fields) => fields.length > 0) ?? [];
  const returned = count === 0 ? [] : described.slice(-count);
  if (returned.some(({ typeOid }) => typeOid === RECORD)) {
    throw new SqlError(severalShards('returning'));
  }
  return { identity, values: await carried(values), returned: await carried(returned) };
}
