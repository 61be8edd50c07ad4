// Returned: RETURNING of an UPDATE or DELETE whose rows are found first, cut by whose its columns are.

import { quoteName } from '../base/quote.ts';
import type { Column, Expression, SubQuery } from '../sql/expression.ts';
import type { ReturningText } from '../sql/modify-text.ts';
import type { DeleteStatement, UpdateStatement } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import type { Leaf, Scope } from './scope.ts';
import { NoMerge } from './splice.ts';
import type { ReturnedItem, ReturnedPart } from './staged.ts';

interface Cut {
  readonly sql: string;
  readonly tokens: readonly Token[];
  readonly scope: Scope;
  readonly target: Leaf;
  /** The row that is written is surely the one that is found: old and new mean something. */
  readonly stays: boolean;
}

/** `stays`: no row may move to another shard. Throws NoMerge. */
export function returnedItems(
  { alias, relation, from, returning }: UpdateStatement | DeleteStatement,
  texts: readonly ReturningText[],
  cut: Omit<Cut, 'target'>,
): readonly ReturnedItem[] {
  if (texts.length !== returning.length) throw new NoMerge('text');
  const own = { ...cut, target: cut.scope.leaves[0]! };
  return returning.flatMap(({ expression }, i): ReturnedItem[] => {
    const text = texts[i]!;
    if (expression.kind !== 'star') return [partsOfItem(expression, text, own)];
    const [name] = expression.path.slice(-1);
    if (name === own.target.name) return [[text.text]];
    if (name !== undefined && own.scope.leaves.some((leaf) => leaf.name === name)) {
      return [[{ found: text.text, shows: 'all' }]];
    }
    if (name !== undefined && !isVersion(name, own)) throw new NoMerge('returning');
    if (name !== undefined) return [[text.text]];
    const all: ReturnedItem = [`${quoteName(alias ?? relation.name)}.*`];
    return from.length === 0 ? [all] : [all, [{ found: '*', shows: 'others' }]];
  });
}

function partsOfItem(expression: Expression, { text, start }: ReturningText, cut: Cut) {
  const found = foundColumns(expression, cut).sort((a, b) => a.start - b.start);
  const parts: ReturnedPart[] = [];
  let at = start;
  for (const column of found) {
    parts.push(cut.sql.slice(at, column.start), {
      found: cut.sql.slice(column.start, column.end),
      shows: 'one',
    });
    at = column.end;
  }
  parts.push(cut.sql.slice(at, start + text.length));
  return parts.filter((part) => part !== '');
}

/** Where columns of other relations stand in it. */
function foundColumns(expression: Expression, cut: Cut): { start: number; end: number }[] {
  const columns: { start: number; end: number }[] = [];
  const open: unknown[] = [expression];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const node = next as Expression;
    if (node.kind === 'query' && !isOfItsRow(node)) throw new NoMerge('returning');
    if (node.kind === 'star' && node.path.at(-1) !== cut.target.name) {
      throw new NoMerge('returning');
    }
    if (node.kind === 'column') {
      if (!isOwn(node, cut)) columns.push(placeOf(node, cut));
      continue;
    }
    open.push(...Object.values(next));
  }
  return columns;
}

/** Without tables of its own, so that names in it mean what they mean outside: (SELECT t.a + 1). */
function isOfItsRow({ query: { body, with: clause } }: SubQuery): boolean {
  return clause === null && body.kind === 'simple' && body.from.length === 0;
}

/** Of the table that is written, whose shard computes it. Throws NoMerge where that is not certain. */
function isOwn({ path }: Column, cut: Cut): boolean {
  const { scope, target } = cut;
  const name = path.at(-1)!;
  const others = scope.leaves.filter((leaf) => leaf !== target);
  if (path.length > 1) {
    const found = scope.find(path);
    if (found !== null) return found.leaf === target;
    const qualifier = path.at(-2)!;
    const named = scope.leaves.find((leaf) => leaf.name === qualifier);
    // What is no column may be a function of the row.
    if (named !== undefined) return named === target;
    if (isVersion(qualifier, cut)) return true;
    throw new NoMerge('returning');
  }
  if (others.length === 0) return true;
  if (target.columns === null) {
    const found = scope.find(path);
    if (found === null) throw new NoMerge('returning');
    return found.leaf === target;
  }
  if (target.columns.has(name)) return true;
  if (others.some((leaf) => leaf.columns?.has(name))) return false;
  if (name === target.name) return true;
  // A whole row of another table, whose type is another on each server.
  const named = others.find((leaf) => leaf.name === name);
  if (named !== undefined && named.columns !== null) throw new NoMerge('returning');
  return false;
}

/**
 * old or new, of a row that surely is the one that was found; or a name that means nothing, as the server
 * says before anything is written.
 */
function isVersion(name: string, { tokens, stays }: Cut): boolean {
  if (name === 'old' || name === 'new') return stays;
  // RETURNING WITH (OLD AS before, NEW AS after)
  return !tokens.some(({ text }, i) => text === 'returning' && tokens[i + 1]?.text === 'with');
}

function placeOf({ path, at }: Column, { tokens }: Cut): { start: number; end: number } {
  const first = tokens.findIndex(({ start }) => start === at);
  const names = path.map((_, i) => tokens[first + 2 * i]);
  const isAsWritten = path.every((name, i) => nameOf(names[i]) === name);
  if (first < 0 || !isAsWritten) throw new NoMerge('text');
  return { start: names[0]!.start, end: names.at(-1)!.end };
}

function nameOf(token: Token | undefined): string | null {
  if (token?.kind === 'word') return token.text;
  if (token?.kind !== 'name' || !token.text.startsWith('"')) return null;
  return token.text.slice(1, -1).replaceAll('""', '"');
}
