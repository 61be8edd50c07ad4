// Engine joins: equalities of columns of two tables, by which the rows of one tell which of the other are wanted.

import { FIRST_USER_OID } from '../base/oid.ts';
import { quoteName } from '../base/quote.ts';
import type { Expression } from '../sql/expression.ts';
import type { Column } from '../topology/table.ts';
import type { Place } from './engine-place.ts';
import type { EngineLeaf, LeafJoin } from './engine-plan.ts';
import type { Leaf, Scope } from './scope.ts';
import type { Survey } from './survey.ts';

/** A column of a table that is another's, in every row that counts. */
export interface JoinedColumn {
  readonly column: string;
  /** Where the other table stands in the text. */
  readonly by: number;
  readonly byColumn: string;
}

/**
 * Notes a condition without which no row of the tables that it `narrows` counts, when it says that two columns are
 * equal.
 */
export function noteJoin(
  condition: Expression,
  scope: Scope,
  survey: Survey,
  narrows: (leaf: Leaf) => boolean,
): void {
  if (condition.kind !== 'operator' || condition.operator.join('.') !== '=') return;
  const left = columnIn(condition.left, scope);
  const right = columnIn(condition.right, scope);
  if (left !== null && right !== null) noteEqual(left, right, survey, narrows);
}

/** Columns of one name that USING makes equal. */
export function noteUsing(
  name: string,
  leaves: readonly [Leaf | undefined, Leaf | undefined],
  survey: Survey,
  narrows: (leaf: Leaf) => boolean,
): void {
  const [left, right] = leaves.map((leaf) => {
    const column = leaf?.columns?.get(name) ?? null;
    return column === null ? null : { leaf: leaf!, column };
  });
  if (left && right) noteEqual(left, right, survey, narrows);
}

interface FoundColumn {
  readonly leaf: Leaf;
  readonly column: Column;
}

function columnIn(e: Expression | null, scope: Scope): FoundColumn | null {
  if (e?.kind !== 'column') return null;
  const found = scope.find(e.path);
  const column = found?.leaf.columns?.get(found.column) ?? null;
  return found === null || column === null ? null : { leaf: found.leaf, column };
}

function noteEqual(
  left: FoundColumn,
  right: FoundColumn,
  survey: Survey,
  narrows: (leaf: Leaf) => boolean,
): void {
  if (left.leaf === right.leaf || !areAlike(left.column, right.column)) return;
  if (narrows(left.leaf)) note(left, right, survey);
  if (narrows(right.leaf)) note(right, left, survey);
}

/** Their type is the server's own and one, and so is what it takes for equal. */
const areAlike = (left: Column, right: Column): boolean =>
  left.typeOid === right.typeOid &&
  left.typeOid < FIRST_USER_OID &&
  left.collation === null &&
  right.collation === null;

function note(of: FoundColumn, by: FoundColumn, survey: Survey): void {
  const useOf = (leaf: Leaf) => survey.uses.find((use) => use.leaf === leaf);
  const other = useOf(by.leaf);
  if (other === undefined) return;
  const [column, byColumn] = [quoteName(of.column.name), quoteName(by.column.name)];
  useOf(of.leaf)?.joins.push({ column, by: other.item.at, byColumn });
}

export const isSameJoin = (one: JoinedColumn, other: JoinedColumn): boolean =>
  one.column === other.column && one.by === other.by && one.byColumn === other.byColumn;

/** What holds for all places of a leaf, whose numbers count from 1. `texts`: the places of each text. */
export function joinsOf(
  leaves: readonly EngineLeaf[],
  numbers: ReadonlyMap<Place, number>,
  texts: readonly (readonly Place[])[],
): LeafJoin[] {
  const byLeaf = new Map<number, readonly LeafJoin[]>();
  for (const places of texts) {
    for (const place of places) {
      const number = numbers.get(place);
      if (number === undefined) continue;
      const joins = place.joins.flatMap((join): LeafJoin[] => {
        const from = numbers.get(places.find(({ item }) => item.at === join.by)!) ?? number;
        const { column, byColumn } = join;
        if (from === number || !has(leaves[from - 1]!, byColumn)) return [];
        return [{ leaf: number - 1, column, from: from - 1, fromColumn: byColumn }];
      });
      const known = byLeaf.get(number);
      const same = (one: LeafJoin, other: LeafJoin) =>
        one.column === other.column &&
        one.from === other.from &&
        one.fromColumn === other.fromColumn;
      const all = known?.filter((each) => joins.some((join) => same(each, join))) ?? joins;
      byLeaf.set(number, all);
    }
  }
  return [...byLeaf.values()].flat();
}

/** Its values travel as they are. */
function has({ columns, elements }: EngineLeaf, column: string): boolean {
  return elements?.[columns.indexOf(column)]?.cast === null;
}
