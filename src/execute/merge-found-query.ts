// Merge found query: the queries by which a MERGE finds what matches, and what becomes of it.

import { quoteName } from '../base/quote.ts';
import type { FoundClause } from '../plan/staged.ts';
import { carriedRef, NUMBER } from './carried.ts';
import type { FoundWrite } from './merge-found.ts';
import { sourceSql } from './merge-rows.ts';
import type { ModifiedTable } from './modified-table.ts';
import { rowItem } from './written-row.ts';

export type When = FoundClause['when'];

/** The source's rows, and how they are carried. */
export type SourceWrite = Omit<
  FoundWrite,
  'table' | 'identity' | 'values' | 'returned' | 'pairs' | 'strays'
>;

/**
 * The query for one kind of WHEN. It gives the identity, but of what matches nothing; a position of the source; the
 * clause from 1 on, 0 for none; the values of all such clauses; and the items of RETURNING.
 */
export function foundQuery(write: SourceWrite, table: ModifiedTable, when: When): string {
  const { merge, columns } = write;
  const { with: clause, target, on, clauses, chance } = merge.found;
  const own = clauses.map((each, i) => ({ ...each, number: i + 1 })).filter(isOf(when));
  const conditions = own.map((each) => `WHEN (${each.condition ?? 'true'}) THEN ${each.number}`);
  const chosen = conditions.length === 0 ? '0' : `CASE ${conditions.join(' ')} ELSE 0 END`;
  const position = when === 'notMatchedBySource' ? 'NULL::int4' : carriedRef(columns.length);
  const identity =
    when === 'notMatched'
      ? []
      : table.identity.map((name) => `${merge.table.alias}.${quoteName(name)}`);
  // RETURNING may ask for columns of the source, of which there is no row; conditions and values see only the target.
  const joinsNone = when === 'notMatchedBySource' && returnedOf(write).length > 0;
  const named = joinsNone ? own.map(withNamedValues) : own;
  const items = [
    ...identity,
    position,
    '"drive.when"',
    ...(joinsNone ? givenOf(named).map(({ sql }) => sql) : valuesSql(own, table)),
    ...returnedItems(write, table, named),
  ];
  // Evaluated once: which clause it is may depend on chance.
  const beside = `LATERAL (SELECT ${chosen} AS "drive.when" OFFSET 0) AS "drive.chosen"`;
  const source = sourceSql(write, [NUMBER]);
  const select = `${clause}SELECT ${items.join(', ')} FROM`;
  if (when === 'notMatched') return `${select} ${source}, ${beside} WHERE "drive.when" > 0`;
  if (when === 'matched') return `${select} ${target}, ${source}, ${beside} WHERE (${on})`;
  const lacking = `NOT EXISTS (SELECT 1 FROM ${source} WHERE (${on}))`;
  const some = chance ? '' : ' AND "drive.when" > 0';
  const from = `${target}, ${beside}`;
  if (!joinsNone) return `${select} ${from} WHERE ${lacking}${some}`;
  const names = givenOf(named).map(({ sql }) => sql);
  const values = valuesSql(own, table).map((value, i) => `${value} AS ${names[i]}`);
  const apart =
    values.length === 0 ? '' : `, LATERAL (SELECT ${values.join(', ')}) AS "drive.values"`;
  return `${select} ${from}${apart} LEFT JOIN (${source}) ON false WHERE ${lacking}${some}`;
}

type NumberedClause = FoundClause & { readonly number: number };

/** What clauses give to columns, but for defaults. */
const givenOf = (clauses: readonly NumberedClause[]) =>
  clauses.flatMap(({ number, values }) =>
    values.flatMap(({ column, sql }) => (sql === null ? [] : [{ number, column, sql }])),
  );

/** The values by names under which they have been computed. */
const withNamedValues = (clause: NumberedClause): NumberedClause => ({
  ...clause,
  values: clause.values.map((value) => ({
    ...value,
    sql: value.sql && quoteName(`drive.${clause.number}.${value.column}`),
  })),
});

/** Each for the rows whose clause it is of. */
function valuesSql(clauses: readonly NumberedClause[], table: ModifiedTable): string[] {
  const types = new Map(table.columns.map(({ name, type }) => [name, type]));
  return givenOf(clauses).map(
    ({ number, column, sql }) =>
      `CASE "drive.when" WHEN ${number} THEN (${sql})::${types.get(column)} END`,
  );
}

export const isOf =
  (when: When) =>
  (clause: FoundClause): boolean =>
    clause.when === when;

/** The items of RETURNING that are found, of whatever clause. */
export const returnedOf = ({ merge }: SourceWrite): FoundClause['returned'] =>
  merge.found.clauses[0]!.returned;

const VERBS = { insert: 'INSERT', update: 'UPDATE', delete: 'DELETE' } as const;

/** Each as the clause computes it that is taken. */
function returnedItems(
  write: SourceWrite,
  table: ModifiedTable,
  clauses: readonly NumberedClause[],
): string[] {
  return returnedOf(write).map((_, i) => {
    const branches = clauses.flatMap(({ number, command, returned, values: assignments }) => {
      if (command === 'nothing') return [];
      const row = { table: write.merge.table, verb: VERBS[command], assignments };
      return [`WHEN ${number} THEN (SELECT ${rowItem(returned[i]!, row, table)})`];
    });
    return branches.length === 0 ? 'NULL' : `CASE "drive.when" ${branches.join(' ')} END`;
  });
}
