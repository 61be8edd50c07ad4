// Engine locks: FOR UPDATE of a SELECT that the merge engine computes; rows are found, then locked.

import { quoteName } from '../base/quote.ts';
import { clausesOf } from '../sql/clause.ts';
import type { SelectStatement } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import type { PlanContext } from './context.ts';
import { type EngineLocks, IDENTITY } from './engine-plan.ts';
import { type Cut, nameOf, tableSpan, visibleName } from './engine-text.ts';
import { type LockedItem, lockedItems, lockedTable } from './row-locks.ts';
import type { Level } from './scope.ts';
import { NoMerge, rowBound } from './splice.ts';
import type { Survey } from './survey.ts';
import { namesRow } from './whole-row.ts';

export interface EngineLocking {
  /** null: of no table; the text says so, or why it cannot be. */
  readonly locks: EngineLocks | null;
  /** Indexes into the text, of the names of tables whose rows are locked. */
  readonly places: ReadonlySet<number>;
  /** What else changes in the text: no LIMIT and FOR UPDATE, and the columns that tell rows apart. */
  cuts(isCopied: (place: number) => boolean): readonly Cut[];
}

const CUT = ['limit', 'offset', 'fetch', 'for'] as const;

/** Throws NoMerge where it is not known which rows of which tables a row of the answer stands for. */
export function engineLocking(
  select: SelectStatement,
  level: Level,
  survey: Survey,
): EngineLocking {
  const { context } = survey;
  const clauses = clausesOf(context.input.tokens);
  if (clauses === null || select.withTies || select.body.kind !== 'simple') {
    throw new NoMerge('lockLimit');
  }
  const items = lockedItems(select, context);
  if (items.length === 0) return { locks: null, places: new Set(), cuts: () => [] };
  const stars = starCuts(select, level, clauses.items);
  const without = CUT.flatMap((name): Cut[] => {
    const range = clauses.clauses.get(name);
    return range === undefined ? [] : [{ ...range, text: '' }];
  });
  const locked = items.map(({ item }) => item);
  if (showsRows(locked, [...stars, ...without], survey)) throw new NoMerge('lockLimit');
  return {
    locks: {
      tables: items.map(lockedTable),
      limit: rowBound(select.limit),
      offset: rowBound(select.offset),
    },
    places: new Set(items.map(({ item }) => item.at)),
    cuts: (isCopied) => {
      const columns = items.flatMap((item) => identityOf(item, isCopied(item.item.at)));
      const at = clauses.listEnd;
      const text = `${clauses.items.length > 0 ? ', ' : ' '}${columns.join(', ')}`;
      return [...stars, ...without, { start: at, end: at, text }];
    },
  };
}

/**
 * A query that begins with the PLACE of the first table of its FROM, where that is copied. Throws NoMerge
 * where the copy would show that as columns of the table.
 */
export function placeFinding(select: SelectStatement, level: Level, survey: Survey): EngineLocking {
  const { tokens } = survey.context.input;
  const clauses = clausesOf(tokens);
  const [target] = select.body.kind === 'simple' ? select.body.from : [];
  if (clauses === null || target?.kind !== 'table') throw new NoMerge('systemColumn');
  const stars = starCuts(select, level, clauses.items, 'systemColumn');
  if (showsRows([target], stars, survey)) throw new NoMerge('systemColumn');
  const name = quoteName(visibleName(target));
  const [, ...columns] = IDENTITY;
  const place = columns.map((own, i) => ({ ...clauses.items[i]!, text: `${name}.${own.name}` }));
  return {
    locks: null,
    places: new Set([target.at]),
    cuts: (isCopied) => [...stars, ...(isCopied(target.at) ? place : [])],
  };
}

/**
 * Whole rows of the tables are asked for, or stars of them, but for what is cut: with what tells rows apart, which
 * the copies have as columns.
 */
function showsRows(
  items: readonly LockedItem['item'][],
  cuts: readonly Cut[],
  { uses, context }: Survey,
): boolean {
  const { tokens } = context.input;
  const isCut = ({ start }: Token) => cuts.some((cut) => start >= cut.start && start < cut.end);
  const left = tokens.map(
    (token): Token => (isCut(token) ? { ...token, kind: 'mark', text: '' } : token),
  );
  const names = new Set(items.map(visibleName));
  const isStar = ({ text }: Token, i: number) =>
    text.startsWith('*') && left[i - 1]?.text === '.' && names.has(nameOf(left[i - 2]!));
  const places = uses.map(({ item, table }) => ({ item, table, span: tableSpan(item, tokens) }));
  const named = places.filter(({ item }) => items.some(({ at }) => at === item.at));
  return left.some(isStar) || namesRow(places, left, named);
}

function identityOf({ name }: LockedItem, isCopied: boolean): string[] {
  return IDENTITY.map(({ name: own, from }) => {
    if (isCopied) return `${quoteName(name)}.${own}`;
    return from === null ? '0::pg_catalog.int4' : `${quoteName(name)}.${from}`;
  });
}

/** The stars of the statement, as the columns that they stand for. Throws NoMerge where these are not known. */
export function starsIn(
  select: SelectStatement,
  level: Level,
  { input }: PlanContext,
): readonly Cut[] {
  const clauses = clausesOf(input.tokens);
  if (clauses === null) throw new NoMerge('systemColumn');
  return starCuts(select, level, clauses.items, 'systemColumn');
}

/** A star would show what tells rows apart, too: it is written as the columns that it stands for. */
function starCuts(
  { body }: SelectStatement,
  { scope }: Level,
  items: readonly { readonly start: number; readonly end: number }[],
  reason: 'lockLimit' | 'systemColumn' = 'lockLimit',
): Cut[] {
  if (body.kind !== 'simple' || items.length !== body.targets.length) {
    throw new NoMerge(reason);
  }
  return body.targets.flatMap(({ expression }, i): Cut[] => {
    if (expression.kind !== 'star') return [];
    const name = expression.path.at(-1);
    const leaves = scope.leaves.filter((leaf) => name === undefined || leaf.name === name);
    // USING shows a column once, and before others.
    const isKnown = leaves.every((leaf) => leaf.columns !== null && leaf.name !== null);
    if (!isKnown || leaves.length === 0 || scope.merged.size > 0) throw new NoMerge(reason);
    const columns = leaves.flatMap((leaf) =>
      [...leaf.columns!.keys()].map((column) => `${quoteName(leaf.name!)}.${quoteName(column)}`),
    );
    return [{ ...items[i]!, text: columns.join(', ') }];
  });
}
