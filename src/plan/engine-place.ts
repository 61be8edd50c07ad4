// Engine places: where a statement, and the queries of the views in it, name tables.

import type { FromItem } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import type { Table } from '../topology/table.ts';
import { filterText } from './engine-filter.ts';
import { isSameJoin, type JoinedColumn } from './engine-join.ts';
import type { EngineFilter } from './engine-plan.ts';
import { type TableSpan, tableSpan, type Wording } from './engine-text.ts';
import { isOwnName } from './functions.ts';
import type { KeyClass } from './key-class.ts';
import type { KeySource } from './plan.ts';
import type { Leaf } from './scope.ts';
import { NoMerge } from './splice.ts';
import type { Survey } from './survey.ts';
import { castsRow, namesRow, passesRow } from './whole-row.ts';

/** One place where a statement names a table; `key` is the class of one with rows on every shard. */
export interface TableUse {
  readonly item: Extract<FromItem, { kind: 'table' }>;
  readonly table: Table | null;
  readonly key: KeyClass | null;
  /** The column of the sharding key; null: there is none to tell a row's shard by. */
  readonly keyColumn: string | null;
  /** What stands for it in its scope. */
  readonly leaf: Leaf;
  /** An outer join may put NULLs in place of its rows. */
  readonly nullable: boolean;
  /** Conditions on its own columns that every row that counts fulfils. */
  readonly filters: EngineFilter[];
  readonly joins: JoinedColumn[];
  /** Of a view whose rows are not those of the shards' views together: the query it stands for. */
  readonly view: ViewText | null;
}

/** A query and the tables it names. */
export interface ViewText {
  readonly sql: string;
  readonly tokens: readonly Token[];
  readonly uses: readonly TableUse[];
}

/** All uses of a table at one place of a text. */
export interface Place extends TableUse {
  /** null: all keys, or not a sharded table. */
  readonly keys: readonly KeySource[] | null;
  /** Of each visit; none of a table that is not sharded. */
  readonly classes: readonly KeyClass[];
  readonly span: TableSpan;
  /** TABLESAMPLE …, or ''. */
  readonly sample: string;
  readonly inside: PlacedText | null;
  /**
   * Its whole row may be asked for, and its columns have other names here: a table's row has the table's
   * names for them, a query's row those of here.
   */
  readonly isRenamedRow: boolean;
  /**
   * Its whole row is to be of the table's type, as a function takes it and the query of a view shows it: that
   * of a query can be, a row of the copy not.
   */
  readonly isTypedRow: boolean;
}

/** A statement, or the query of a view in it. */
export interface PlacedText extends Wording {
  readonly places: readonly Place[];
}

/** A WITH query is surveyed at each of its uses: what all of them need is read. */
export function textOf({ sql, tokens, uses }: ViewText, survey: Survey): PlacedText {
  const visits = new Map<number, TableUse[]>();
  for (const use of uses) {
    const { at } = use.item;
    visits.set(at, [...(visits.get(at) ?? []), use]);
  }
  const places = [...visits.values()].map((all): Place => {
    const [first] = all;
    const { item, view, filters, joins } = first!;
    const span = tableSpan(item, tokens);
    const lists = all.map(({ key }) => key?.keys ?? null);
    const isRow = namesRow([{ item, span, table: first!.table }], tokens);
    const isRenamedRow = item.columnAliases.length > 0 && isRow;
    if (view && isRenamedRow) throw new NoMerge('text');
    if (view && !survey.context.findsOperators(first!.table!)) throw new NoMerge('viewOperators');
    const isPassed = survey.callsUnknown && (isRow || passesRow(item, tokens, isOwnName));
    const isTypedRow = !item.sampled && (isPassed || castsRow(item, tokens));
    // Cast to the type, the NULL that an outer join puts in a row's place would be a row of NULLs.
    if (isTypedRow && all.some(({ nullable }) => nullable)) throw new NoMerge('text');
    return {
      ...first!,
      isRenamedRow,
      isTypedRow,
      keys: lists.every((list) => list !== null) ? [...new Set(lists.flat())] : null,
      filters: filters.filter((each) => all.every((use) => hasFilter(use, each))),
      joins: joins.filter((each) => all.every((use) => hasJoin(use, each))),
      classes: [...new Set(all.flatMap(({ key }) => key?.resolved ?? []))],
      span,
      sample: span.sample === null ? '' : textBetween(sql, tokens, span.sample),
      inside: view && textOf(queryOf(view, all), survey),
    };
  });
  places.sort((a, b) => a.item.at - b.item.at);
  return { sql, tokens, sharedNames: survey.context.sharedNames, places };
}

const queryOf = (view: ViewText, all: readonly TableUse[]): ViewText => ({
  ...view,
  uses: all.flatMap((use) => use.view?.uses ?? []),
});

const textBetween = (
  sql: string,
  tokens: readonly Token[],
  { first, last }: { readonly first: number; readonly last: number },
): string => sql.slice(tokens[first]!.start, tokens[last]!.end);

const hasFilter = ({ filters }: TableUse, filter: EngineFilter): boolean =>
  filters.some((each) => filterText(each) === filterText(filter));

const hasJoin = ({ joins }: TableUse, join: JoinedColumn): boolean =>
  joins.some((each) => isSameJoin(each, join));

/** The text, then those of the views in it. */
export const textsIn = (text: PlacedText): readonly PlacedText[] => [
  text,
  ...text.places.flatMap(({ inside }) => (inside === null ? [] : textsIn(inside))),
];
