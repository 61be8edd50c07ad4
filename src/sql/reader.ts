// Reader: what the readers of the parser's tree share; it also breaks their recursion.

import type { RelationName, RowStatement, SelectStatement } from './statement.ts';
import type { Node, RangeVar, SelectStmt } from './tree.ts';

export interface Reader {
  /** The index into the text of a location of the tree (bytes of UTF-8); -1 stays. */
  position(location: number | undefined): number;
  select(statement: SelectStmt): SelectStatement;
  /** SELECT, INSERT, UPDATE, DELETE or MERGE; null for anything else. */
  rows(node: Node): RowStatement | null;
}

/** A node's name and content: `{ "ColumnRef": {…} }`. */
export function unwrap(node: Node): { readonly tag: string; readonly value: unknown } {
  for (const [tag, value] of Object.entries(node)) return { tag, value };
  return { tag: 'Empty', value: {} };
}

/** The strings of a list of String nodes; others are left out. */
export function stringsOf(nodes: readonly Node[] | undefined): string[] {
  const strings: string[] = [];
  for (const node of nodes ?? []) {
    if ('String' in node) strings.push(node.String.sval ?? '');
  }
  return strings;
}

/** pg_temp as schema makes a table temporary without the word. */
export function isTemporary(range: RangeVar): boolean {
  return range.relpersistence === 't' || range.schemaname === 'pg_temp';
}

export function relationOf(range: RangeVar | undefined): RelationName {
  return {
    catalog: range?.catalogname ?? null,
    schema: range?.schemaname ?? null,
    name: range?.relname ?? '',
  };
}
