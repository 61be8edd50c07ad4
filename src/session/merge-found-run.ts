// Merge found run: finds which rows a MERGE matches and what becomes of them, locks and writes them.

import { SqlError } from '../base/errors.ts';
import { quoteName } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { carriedArrays, carriedColumns, carriedRef, checkExact } from '../execute/carried.ts';
import { withIntegers } from '../execute/merge-apart.ts';
import {
  type FoundPair,
  type FoundWrite,
  mergeFound,
  NUMBER,
  textOfValues,
} from '../execute/merge-found.ts';
import { sourceSql } from '../execute/merge-rows.ts';
import { type ModifiedTable, modifiedTable } from '../execute/modified-table.ts';
import { lockRows } from '../execute/modify-rows.ts';
import { withArrays } from '../execute/parameters.ts';
import { integerOf, shardOfKey } from '../execute/row-set.ts';
import type { WriteResult } from '../execute/write.ts';
import type { FoundClause } from '../plan/staged.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { decodeDataRow, encodeDataRowBody, type FieldDescription } from '../wire/row.ts';
import { withConnectionOf } from './everywhere.ts';
import { readRows, type StagedRun, sourceOf } from './row-source.ts';

/** The source's rows, and how they are carried. */
export type SourceWrite = Omit<FoundWrite, 'table' | 'identity' | 'values' | 'pairs'>;

type When = FoundClause['when'];

/** What a query has found; rows of a position, a clause from 1 on (0: none), the identity, the values. */
interface Found {
  readonly fields: readonly FieldDescription[];
  readonly rows: readonly FoundRow[];
}

interface FoundRow {
  readonly position: number | null;
  readonly clause: number;
  readonly identity: readonly (Buffer | null)[];
  readonly values: readonly (Buffer | null)[];
}

const NONE: Found = { fields: [], rows: [] };

/**
 * As one PostgreSQL under READ COMMITTED: what matches, and what the source lacks, is found and locked; then what
 * becomes of it is found as it is now, and of the source's rows that match nothing. Rejects with SqlError or
 * ServerError.
 */
export async function runFound(run: StagedRun, write: SourceWrite): Promise<WriteResult> {
  const { merge } = write;
  const { clauses, key } = merge.found;
  const table = await withConnectionOf(run.d.state)(HOME_SHARD, (home) =>
    modifiedTable(home, merge.table, key?.column ?? null),
  );
  if (table.foundBy === 'place') throw withoutKey(merge.table.name);
  const asked = { run, write, table };
  const matches = clauses.some(({ when }) => when !== 'notMatchedBySource');
  const matched = () => (matches ? findRows(asked, 'matched') : Promise.resolve(NONE));
  const lacking = () =>
    merge.bySource ? findRows(asked, 'notMatchedBySource') : Promise.resolve(NONE);
  const before = [await matched(), await lacking()] as const;
  const locked = await lockFound(asked, before);
  const after = [await matched(), await lacking()] as const;
  const isLocked = ({ identity }: FoundRow) => locked.has(textOfValues(identity));
  const rows = after.flatMap((found) => found.rows).filter(isLocked);
  // What was left alone when it was found has no part in what others have made of it since.
  const known = new Set([
    ...before[0].rows.filter((row) => !mayChange(row, asked)).map(({ position }) => position),
    ...after[0].rows
      .filter((row) => isLocked(row) || isLeftAlone(row, clauses))
      .map(({ position }) => position),
  ]);
  const inserts = clauses.some(({ when }) => when === 'notMatched');
  const unmatched = inserts
    ? await findRows(asked, 'notMatched', (position) => !known.has(position))
    : NONE;
  const pairs = [...rows, ...unmatched.rows]
    .filter((row) => !isLeftAlone(row, clauses))
    .map((row) => pairOf(asked, row));
  if (pairs.some(({ movesTo }) => movesTo !== null)) {
    const oids = table.columns.map(({ typeOid }) => typeOid);
    await withConnectionOf(run.d.state)(HOME_SHARD, (home) => checkExact(home, oids));
  }
  const columns = await columnsOf(asked, [after[0], unmatched, after[1]]);
  return mergeFound({ ...write, table, ...columns, pairs });
}

const withoutKey = (table: string): SqlError =>
  new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `not supported without a primary key: MERGE of rows of ${table} that are computed first`,
    detail: 'It has no UNIQUE constraint of columns that are NOT NULL, either.',
    hint: 'Give the table a primary key, or restrict every sharded table to one key.',
  });

interface Asked {
  readonly run: StagedRun;
  readonly write: SourceWrite;
  readonly table: ModifiedTable;
}

const isLeftAlone = ({ clause }: FoundRow, clauses: readonly FoundClause[]): boolean =>
  clause === 0 || clauses[clause - 1]!.command === 'nothing';

const mayChange = (row: FoundRow, { write }: Asked): boolean =>
  write.merge.found.chance || !isLeftAlone(row, write.merge.found.clauses);

/** The query for one kind of WHEN. */
function findText({ write, table }: Asked, when: When): string {
  const { merge, columns } = write;
  const { with: clause, target, on, clauses, chance } = merge.found;
  const types = new Map(table.columns.map(({ name, type }) => [name, type]));
  const own = clauses.map((each, i) => ({ ...each, number: i + 1 })).filter(isOf(when));
  const conditions = own.map((each) => `WHEN (${each.condition ?? 'true'}) THEN ${each.number}`);
  const chosen = conditions.length === 0 ? '0' : `CASE ${conditions.join(' ')} ELSE 0 END`;
  const position = when === 'notMatchedBySource' ? 'NULL::int4' : carriedRef(columns.length);
  const identity =
    when === 'notMatched'
      ? []
      : table.identity.map((name) => `${merge.table.alias}.${quoteName(name)}`);
  const values = own.flatMap((each) =>
    each.values.flatMap(({ column, sql }) => {
      if (sql === null) return [];
      return [`CASE "drive.when" WHEN ${each.number} THEN (${sql})::${types.get(column)} END`];
    }),
  );
  const items = [position, '"drive.when"', ...identity, ...values].join(', ');
  // Evaluated once: which clause it is may depend on chance.
  const beside = `CROSS JOIN LATERAL (SELECT ${chosen} AS "drive.when" OFFSET 0) AS "drive.chosen"`;
  const source = sourceSql(write, [NUMBER]);
  const select = `${clause}SELECT ${items} FROM`;
  if (when === 'notMatched') return `${select} ${source} ${beside} WHERE "drive.when" > 0`;
  if (when === 'matched') return `${select} ${target}, ${source} ${beside} WHERE (${on})`;
  const lacking = `NOT EXISTS (SELECT 1 FROM ${source} WHERE (${on}))`;
  const some = chance ? '' : ' AND "drive.when" > 0';
  return `${select} ${target} ${beside} WHERE ${lacking}${some}`;
}

const isOf =
  (when: When) =>
  (clause: FoundClause): boolean =>
    clause.when === when;

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
  const source = await sourceOf(own, findText(asked, when));
  const { set, description } = await readRows(own, source);
  const width = when === 'notMatched' ? 0 : table.identity.length;
  return {
    fields: description.fields ?? [],
    rows: set.rows.map((row) => {
      const [position, clause, ...rest] = decodeDataRow(row);
      const number = clause!.readInt32BE();
      return {
        position: position?.readInt32BE() ?? null,
        clause: number,
        identity: rest.slice(0, width),
        values: valuesOf(write.merge.found.clauses, number, when, rest.slice(width)),
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

/** Locks what may be changed; identities of what is locked now. Shard by shard, in their order. */
async function lockFound(asked: Asked, found: readonly Found[]): Promise<ReadonlySet<string>> {
  const { run, write, table } = asked;
  const { target } = write.merge.found;
  const byShard = new Map<number, Map<string, Buffer>>();
  for (const row of found.flatMap(({ rows }) => rows)) {
    if (!mayChange(row, asked)) continue;
    const [shard] = shardsOf(asked, row.identity) as [number];
    const own = byShard.get(shard) ?? new Map<string, Buffer>();
    byShard.set(shard, own);
    own.set(textOfValues(row.identity), encodeDataRowBody(row.identity));
  }
  const { identity } = await columnsOf(asked, [found[0]!, NONE, found[1]!]);
  const locked = new Set<string>();
  for (const [shard, own] of [...byShard].sort(([a], [b]) => a - b)) {
    const connection = await run.d.state.transaction!.enlist(shard);
    const names = [...own.keys()];
    const { table: named } = write.merge;
    const merge = { target, table: named };
    const positions = await lockRows(connection, merge, table, identity, [...own.values()]);
    for (const i of positions) locked.add(names[i]!);
  }
  return locked;
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

function pairOf(asked: Asked, row: FoundRow): FoundPair {
  const { run, write } = asked;
  const { clauses, key } = write.merge.found;
  const { position, values } = row;
  const clause = clauses[row.clause - 1]!;
  const given = clause.values.filter(({ sql }) => sql !== null);
  const at = given.findIndex(({ column }) => column === key?.column);
  const newKey = key === null || at < 0 ? null : integerOf(values[at]!);
  const { placement } = run.d.context.topology();
  const rest = { position, clause: row.clause - 1, values };
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
): Promise<Pick<FoundWrite, 'identity' | 'values'>> {
  const { length } = table.identity;
  const some = matched.fields.length > 0 ? matched : lacking;
  const left: Record<When, readonly FieldDescription[]> = {
    matched: matched.fields.slice(2 + length),
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
  const identity = await carried(some.fields.slice(2, 2 + length));
  return { identity, values: await carried(values) };
}
