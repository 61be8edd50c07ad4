// Tree of a generated statement: rendered to SQL, varied in its literals, and shrunk piece by piece.

import type { Random } from '../support/random.ts';
import { LITERALS, type Type } from './type.ts';

export type Part = string | Node;

/**
 * `text` is just its parts. An `expression` or `query` may be replaced by a smaller one within it, a
 * `from` by an item within it; an `option` may be left out; a `list` can lose items.
 */
export interface Node {
  readonly kind: 'text' | 'expression' | 'query' | 'from' | 'option' | 'list' | 'literal';
  /** Of an expression or literal, its type; of a list, what is between its items. */
  readonly detail: string;
  readonly parts: readonly Part[];
  /** A literal that is sent as a parameter where the statement has any, with or without its type. */
  readonly parameter?: boolean | 'untyped';
}

const node =
  (kind: Node['kind'], detail = '') =>
  (...parts: readonly Part[]): Node => ({ kind, detail, parts });

export const text = node('text');
export const query = node('query');
export const from = node('from');
export const option = node('option');
export const expression = (type: Type, ...parts: readonly Part[]): Node =>
  node('expression', type)(...parts);
export const list = (items: readonly Part[], separator = ', '): Node =>
  node('list', separator)(...items);
export const literal = (type: Type, value: string, parameter = false): Node =>
  parameter ? { ...node('literal', type)(value), parameter } : node('literal', type)(value);

/** A literal whose parameter's type the server has to find out. */
export const untyped = (type: Type, value: string): Node => ({
  ...node('literal', type)(value),
  parameter: 'untyped',
});

export interface Parameter {
  readonly value: string | null;
  /** null: what the server takes it for. */
  readonly type: Type | null;
}

export interface Rendered {
  readonly sql: string;
  readonly parameters: readonly Parameter[];
}

/** `parameters`: literals that may be are sent apart from the text. */
export function render(tree: Part, parameters: boolean): Rendered {
  const values: Parameter[] = [];
  const write = (part: Part): string => {
    if (typeof part === 'string') return part;
    if (part.kind === 'literal' && parameters && part.parameter !== undefined) {
      const value = unquoted(part.parts[0] as string);
      const type = part.parameter === true ? (part.detail as Type) : null;
      values.push({ value, type });
      return type === null ? `$${values.length}` : `$${values.length}::${LITERALS[type].sql}`;
    }
    const pieces = part.parts.map(write);
    return pieces.join(part.kind === 'list' ? part.detail : '');
  };
  const sql = write(tree);
  return { sql, parameters: values };
}

function unquoted(value: string): string | null {
  if (value === 'NULL') return null;
  const match = /^'((?:[^']|'')*)'/.exec(value);
  return match === null ? value.split('::')[0]! : match[1]!.replaceAll("''", "'");
}

/** The same statement with other literals of the same types. */
export function varied(tree: Part, random: Random): Part {
  if (typeof tree === 'string') return tree;
  if (tree.kind === 'literal') {
    const { values } = LITERALS[tree.detail as Type];
    return random.chance(0.6) ? { ...tree, parts: [random.pick(values)] } : tree;
  }
  return { ...tree, parts: tree.parts.map((part) => varied(part, random)) };
}

function sizeOf(tree: Part): number {
  if (typeof tree === 'string') return tree.length;
  return tree.parts.reduce((sum, part) => sum + sizeOf(part), 0);
}

/** Enough to meet some rows of a handful without the others. */
const THIN_QUERIES = 12;

/** Every tree that is one step smaller, the smallest first. */
export function smaller(tree: Node): Node[] {
  const found: Node[] = [];
  const visit = (at: Node, rebuild: (replaced: Node) => Node): void => {
    for (const replacement of replacements(at)) found.push(rebuild(replacement));
    at.parts.forEach((part, i) => {
      if (typeof part === 'string') return;
      visit(part, (replaced) => rebuild({ ...at, parts: at.parts.with(i, replaced) }));
    });
  };
  visit(tree, (replaced) => replaced);
  const size = sizeOf(tree);
  return found
    .map((each) => ({ each, size: sizeOf(each) }))
    .filter((candidate) => candidate.size < size)
    .sort((a, b) => a.size - b.size)
    .map(({ each }) => each);
}

/**
 * What may fail by itself: an INSERT's rows, each in a statement of its own, some of those of its query, what WITH
 * writes, and a write before anything is returned.
 */
export function apart(tree: Node): Node[] {
  const [before, part] = tree.parts;
  if (before === 'WITH d AS (' && part !== undefined) return [text(part)];
  const unreturned = withoutReturning(tree);
  return [...(unreturned === null ? [] : [unreturned]), ...rowsApart(tree), ...someOfQuery(tree)];
}

function withoutReturning(tree: Node): Node | null {
  const at = returningAt(tree);
  return at === -1 ? null : { ...tree, parts: tree.parts.toSpliced(at, 1) };
}

/** The outermost queries in what a write returns: where it writes no row, PostgreSQL runs none of them. */
export function returnedQueries(tree: Node): Node[] {
  const returning = tree.parts[returningAt(tree)];
  const found: Node[] = [];
  const visit = (part: Part): void => {
    if (typeof part === 'string') return;
    if (part.kind === 'query') found.push(part);
    else part.parts.forEach(visit);
  };
  if (returning !== undefined) visit(returning);
  return found;
}

const returningAt = (tree: Node): number =>
  tree.parts.findIndex(
    (part) => typeof part !== 'string' && part.kind === 'option' && part.parts[0] === ' RETURNING ',
  );

function rowsApart(tree: Node): Node[] {
  const at = tree.parts.indexOf(') VALUES ') + 1;
  const rows = tree.parts[at];
  if (at === 0 || rows === undefined || typeof rows === 'string' || rows.parts.length < 2)
    return [];
  return rows.parts.map((row) => ({
    ...tree,
    parts: tree.parts.with(at, { ...rows, parts: [row] }),
  }));
}

/** Of the rows that an INSERT's query q gives, in any order, each server meets the errors of its own. */
function someOfQuery(tree: Node): Node[] {
  const [, source] = tree.parts;
  if (source === undefined || typeof source === 'string' || source.parts[2] !== ' FROM ') return [];
  return Array.from({ length: THIN_QUERIES }, (_, seed) => {
    const some = { ...source, parts: [...source.parts, ` WHERE md5(q::text || '${seed}') < '8'`] };
    return { ...tree, parts: tree.parts.with(1, some) };
  });
}

const EMPTY = text('');

function replacements(at: Node): Node[] {
  switch (at.kind) {
    case 'option':
      return at.parts.length === 0 ? [] : [EMPTY];
    case 'list':
      if (at.parts.length < 2) return [];
      return at.parts.map((_, i) => ({ ...at, parts: at.parts.toSpliced(i, 1) }));
    case 'expression':
      return [
        ...within(
          at,
          (part) =>
            (part.kind === 'expression' || part.kind === 'literal') && part.detail === at.detail,
        ),
        literal(at.detail as Type, LITERALS[at.detail as Type].values[0]!),
      ];
    case 'query':
    case 'from':
      return within(at, (part) => part.kind === at.kind);
    case 'text':
    case 'literal':
      return [];
  }
}

/** The nearest parts below of that sort. */
function within(at: Node, wanted: (part: Node) => boolean): Node[] {
  return at.parts.flatMap((part) => {
    if (typeof part === 'string') return [];
    return wanted(part) ? [part, ...within(part, wanted)] : within(part, wanted);
  });
}
