// Returned: RETURNING of an UPDATE or DELETE whose rows are found first, cut by whose its columns are.

import { quoteName } from '../base/quote.ts';
import type { Range } from '../sql/clause.ts';
import type { Column, Expression, SubQuery } from '../sql/expression.ts';
import type { ReturningText } from '../sql/modify-text.ts';
import type { DeleteStatement, UpdateStatement } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import { asksChance } from './functions.ts';
import type { Leaf, Scope } from './scope.ts';
import { NoMerge } from './splice.ts';
import type { ReturnedItem, ReturnedPart, RowVersion } from './staged.ts';

type Modify = UpdateStatement | DeleteStatement;

interface Cut {
  readonly sql: string;
  readonly tokens: readonly Token[];
  readonly scope: Scope;
  readonly target: Leaf;
  /** What the statement calls the table, quoted. */
  readonly alias: string;
  /** The row that is written is surely the one that is found: its shard has old and new of it. */
  readonly stays: boolean;
  readonly statement: Modify;
  /** What the statement calls the old and the new row. */
  readonly versions: ReadonlyMap<string, 'old' | 'new'>;
}

/** `stays`: no row may move to another shard. Throws NoMerge. */
export function returnedItems(
  statement: Modify,
  texts: readonly ReturningText[],
  cut: Pick<Cut, 'sql' | 'tokens' | 'scope' | 'stays'>,
): readonly ReturnedItem[] {
  const { alias, relation, from, returning } = statement;
  if (texts.length !== returning.length) throw new NoMerge('text');
  const target = cut.scope.leaves[0]!;
  const called = quoteName(alias ?? relation.name);
  const own = { ...cut, target, alias: called, statement, versions: versionsIn(cut.tokens) };
  const all: ReturnedItem = { shows: 'own', sql: `${own.alias}.*` };
  return returning.flatMap(({ expression }, i): ReturnedItem[] => {
    const text = texts[i]!;
    if (expression.kind !== 'star') return [itemOf(expression, text, own)];
    const name = expression.path.at(-1);
    if (name === undefined) {
      return from.length === 0 ? [all] : [all, { shows: 'others', sql: '*', of: 'found' }];
    }
    if (name === target.name) return [{ shows: 'own', sql: text.text }];
    if (cut.scope.leaves.some((leaf) => leaf.name === name)) {
      return [{ shows: 'all', sql: text.text, of: 'found' }];
    }
    const version = versionOf(name, own);
    // What means nothing the server says before anything is written.
    if (version === null) return [{ shows: 'own', sql: text.text }];
    if (cut.stays) return [{ shows: 'own', sql: `${version}.*` }];
    return [version === 'new' ? all : { shows: 'all', sql: `${own.alias}.*`, of: 'found' }];
  });
}

/** What no shard can compute from its row and columns of others is found with the row. */
function itemOf(expression: Expression, text: ReturningText, cut: Cut): ReturnedItem {
  const parts = partsOfItem(expression, text, cut);
  if (parts === null) {
    const { statement } = cut;
    const isDeleted = statement.kind === 'delete';
    const isKnown =
      isDeleted ||
      (statement.assignments.every(({ value }) => value?.kind !== 'default') &&
        !asksChance({ values: statement.assignments, rows: statement.rowSources }));
    return {
      shows: 'one',
      sql: text.text,
      of: rowVersion(expression, cut, isDeleted ? 'deleted' : isKnown ? 'known' : 'unknown'),
    };
  }
  const [only] = parts;
  if (parts.length === 1 && typeof only === 'object') {
    return { shows: 'one', sql: only.found, of: 'found' };
  }
  return { shows: 'parts', parts };
}

/** null: it is no expression of the row and of others' columns alone. */
function partsOfItem(
  expression: Expression,
  { text, start }: ReturningText,
  cut: Cut,
): ReturnedPart[] | null {
  const columns = othersIn(expression, cut);
  if (columns === null) return null;
  const parts: ReturnedPart[] = [];
  let at = start;
  for (const { start: from, end, part } of columns.sort((a, b) => a.start - b.start)) {
    parts.push(cut.sql.slice(at, from), part ?? { found: cut.sql.slice(from, end) });
    at = end;
  }
  parts.push(cut.sql.slice(at, start + text.length));
  return parts.filter((part) => part !== '');
}

interface OtherColumn {
  readonly start: number;
  readonly end: number;
  /** What stands in its place; null: its value as it is found. */
  readonly part: ReturnedPart | null;
}

/** The columns of other relations, and of old and new rows where such a row moves. null as above. */
function othersIn(expression: Expression, cut: Cut): OtherColumn[] | null {
  const columns: OtherColumn[] = [];
  const open: unknown[] = [expression];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const node = next as Expression;
    if (node.kind === 'query' && !isOfItsRow(node)) return null;
    if (node.kind === 'star' && node.path.at(-1) !== cut.target.name) return null;
    if (node.kind === 'column') {
      const part = partOf(node, cut);
      if (part === 'unsure') return null;
      if (part !== 'own') columns.push({ ...placeOf(node, cut), part });
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

/**
 * own: of the table that is written, whose shard computes it; null: as it is found. A whole row of another table
 * is of a type that other servers may not have.
 */
function partOf({ path }: Column, cut: Cut): ReturnedPart | 'own' | 'unsure' | null {
  const { scope, target } = cut;
  const name = path.at(-1)!;
  const others = scope.leaves.filter((leaf) => leaf !== target);
  if (path.length > 1) {
    const found = scope.find(path);
    if (found !== null) return found.leaf === target ? 'own' : null;
    const qualifier = path.at(-2)!;
    const named = scope.leaves.find((leaf) => leaf.name === qualifier);
    // What is no column may be a function of the row.
    if (named !== undefined) return named === target ? 'own' : null;
    const version = versionOf(qualifier, cut);
    return version === null ? 'own' : partOfVersion(version, `.${quoteName(name)}`, cut);
  }
  const found = scope.find(path);
  if (found !== null) return found.leaf === target ? 'own' : null;
  if (target.columns?.has(name)) return 'own';
  if (others.some((leaf) => leaf.columns?.has(name))) return null;
  const version = versionOf(name, cut);
  if (version !== null) return partOfVersion(version, '', cut);
  if (others.length === 0 || name === target.name) return 'own';
  if (target.columns === null) return 'unsure';
  const named = others.find((leaf) => leaf.name === name);
  return named !== undefined && named.columns !== null ? 'unsure' : null;
}

/** A row that moves is found as it was, and inserted as it becomes. `column`: behind a point, or ''. */
function partOfVersion(version: 'old' | 'new', column: string, cut: Cut): ReturnedPart {
  if (cut.stays) return `${version}${column}`;
  return version === 'old' ? { found: `${cut.alias}${column}` } : `${cut.alias}${column}`;
}

const versionOf = (
  name: string,
  { scope, versions }: Pick<Cut, 'scope' | 'versions'>,
): 'old' | 'new' | null =>
  scope.leaves.some((leaf) => leaf.name === name) ? null : (versions.get(name) ?? null);

/** RETURNING WITH (OLD AS before, NEW AS after) */
export function versionsIn(tokens: readonly Token[]): ReadonlyMap<string, 'old' | 'new'> {
  const names = { old: 'old', new: 'new' };
  const start = tokens.findIndex(
    ({ kind, text }, i) =>
      kind === 'word' && text === 'returning' && tokens[i + 1]?.text === 'with',
  );
  for (let i = start + 2; start >= 0 && tokens[i] !== undefined && tokens[i]!.text !== ')'; i++) {
    const { text } = tokens[i]!;
    const isNamed = tokens[i + 1]?.text === 'as' && (text === 'old' || text === 'new');
    if (isNamed) names[text] = nameOf(tokens[i + 2]) ?? '';
  }
  return new Map([
    [names.old, 'old'],
    [names.new, 'new'],
  ]);
}

/**
 * Whose the table's names are in an item that is computed with the rows that are found. `row`: what becomes of
 * the row; throws NoMerge where the item asks for that and it is not known before.
 */
export function rowVersion(
  expression: Expression,
  cut: Pick<Cut, 'scope' | 'target' | 'versions'>,
  row: 'deleted' | 'known' | 'unknown',
): RowVersion {
  const { target, versions } = cut;
  const names = namesIn(expression);
  const isNamed = (path: readonly string[], name: string | null) =>
    path.length > 1 ? path.at(-2) === name : path[0] === name;
  const named = [...versions.keys()].filter((name) =>
    names.some((path) => versionOf(name, cut) !== null && isNamed(path, name)),
  );
  if (named.some((name) => name !== versions.get(name))) throw new NoMerge('returning');
  if (row === 'deleted') return named.length > 0 ? 'versions' : 'found';
  const isOwn = (path: readonly string[]) =>
    isNamed(path, target.name) ||
    (path.length === 1 && (target.columns === null || target.columns.has(path[0]!)));
  const own = names.filter(isOwn);
  if (named.length === 0 && own.length === 0) return 'found';
  // What is computed twice must be the same twice, and known here; what stands for a row has no schema.
  if (row === 'unknown' || own.some((path) => path.length > 2)) throw new NoMerge('returning');
  return named.length > 0 ? 'versions' : 'written';
}

/** Of all columns and stars, also in its queries; a star as a name of a column of what it is of. */
function namesIn(expression: Expression): (readonly string[])[] {
  const names: (readonly string[])[] = [];
  const open: unknown[] = [expression];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const node = next as Expression;
    if (node.kind === 'column') names.push(node.path);
    if (node.kind === 'star' && node.path.length > 0) names.push([...node.path, '*']);
    open.push(...Object.values(next));
  }
  return names;
}

/** Throws NoMerge where it is not sure. */
export function placeOf(column: Column, { tokens }: Pick<Cut, 'tokens'>): Range {
  const place = placeIn(tokens, column);
  if (place === null) throw new NoMerge('text');
  return place;
}

/** Where the column stands in the text; null: that is not sure. */
export function placeIn(tokens: readonly Token[], { path, at }: Column): Range | null {
  const first = tokens.findIndex(({ start }) => start === at);
  const names = path.map((_, i) => tokens[first + 2 * i]);
  const isAsWritten = path.every((name, i) => nameOf(names[i]) === name);
  if (first < 0 || !isAsWritten) return null;
  return { start: names[0]!.start, end: names.at(-1)!.end };
}

/** What a token calls something; null: it is no name. */
export function nameOf(token: Token | undefined): string | null {
  if (token?.kind === 'word') return token.text;
  if (token?.kind !== 'name' || !token.text.startsWith('"')) return null;
  return token.text.slice(1, -1).replaceAll('""', '"');
}
