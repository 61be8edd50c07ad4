// Table list: the tables that TRUNCATE, LOCK, DROP, GRANT, REVOKE, ANALYZE and VACUUM name, as pieces of the text.

import { closing } from '../sql/clause.ts';
import type { UtilityStatement } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import { isAtHome } from '../topology/table.ts';
import type { PlanContext } from './context.ts';
import { isName, nameOf } from './engine-text.ts';

/** The words that may stand between the verb and the list. */
const BEFORE: { readonly [node: string]: RegExp } = {
  TruncateStmt: /^table$/,
  LockStmt: /^table$/,
  DropStmt: /^(table|view|if|exists)$/,
  VacuumStmt: /^(full|freeze|verbose|analy[sz]e)$/,
};

const DROPPED = new Set(['OBJECT_TABLE', 'OBJECT_VIEW']);

/**
 * The statement with only those of its tables and sequences that are on every shard: home tables, and names that
 * mean nothing, are left out. null: it is another statement, or the list cannot be told apart.
 */
export function withoutHomeTables(
  statement: UtilityStatement,
  context: PlanContext,
): string | null {
  const { sql, tokens } = context.input;
  const first = listStart(statement, tokens);
  if (first === null) return null;
  const items = itemsFrom(tokens, first);
  const named = items.flatMap(({ path }) => path.slice(-1));
  if (named.join('\0') !== statement.relations.map(({ name }) => name).join('\0')) return null;
  const kept = items.filter(({ path }) => {
    const [name, schema = null] = [...path].reverse() as [string, string?];
    const relation = { catalog: null, schema, name };
    const table = context.table(relation);
    return table === null ? context.sequence(relation) !== null : !isAtHome(table);
  });
  const texts = kept.map(({ start, end }) => sql.slice(start, end));
  return sql.slice(0, items[0]!.start) + texts.join(', ') + sql.slice(items.at(-1)!.end);
}

/** The index of the list's first token; null: no list of tables is known of such a statement. */
function listStart(
  { node, objectType }: UtilityStatement,
  tokens: readonly Token[],
): number | null {
  if (node === 'GrantStmt') {
    const on = tokens.findIndex(({ kind, text }) => kind === 'word' && text === 'on');
    if (on < 0) return null;
    const isNamed = ['table', 'sequence'].includes(tokens[on + 1]?.text ?? '');
    // A relation may be called so itself.
    return isNamed && isName(tokens[on + 2]!) && tokens[on + 2]!.text !== 'to' ? on + 2 : on + 1;
  }
  const before = BEFORE[node];
  if (before === undefined || (node === 'DropStmt' && !DROPPED.has(objectType ?? ''))) return null;
  // VACUUM (FULL) t.
  const options = node === 'VacuumStmt' && tokens[1]?.text === '(' ? closing(tokens, 1) : null;
  const verb = options ?? 0;
  const found = tokens.findIndex((token, i) => i > verb && !isWord(token, before));
  return found < 0 ? null : found;
}

const isWord = ({ kind, text }: Token, words: RegExp): boolean =>
  kind === 'word' && words.test(text);

interface Item {
  /** Its name, behind that of its schema and database if these are given. */
  readonly path: readonly string[];
  readonly start: number;
  readonly end: number;
}

/** `[ONLY] [(] [schema .] name [)] [*] [(columns)]`, by commas. */
function itemsFrom(tokens: readonly Token[], first: number): Item[] {
  const items: Item[] = [];
  let at = first;
  for (;;) {
    const { start } = tokens[at] ?? { start: -1 };
    if (tokens[at]?.text === 'only' && tokens[at]!.kind === 'word') at += 1;
    const hasBracket = tokens[at]?.text === '(';
    if (hasBracket) at += 1;
    const from = at;
    while (tokens[at + 1]?.text === '.') at += 2;
    const path = tokens.slice(from, at + 1).filter((_, i) => i % 2 === 0);
    if (path.length === 0 || !path.every(isName)) return [];
    if (hasBracket && tokens[at + 1]?.text !== ')') return [];
    if (hasBracket || tokens[at + 1]?.text === '*') at += 1;
    if (tokens[at + 1]?.text === '(') at = closing(tokens, at + 1) ?? at;
    items.push({ path: path.map(nameOf), start, end: tokens[at]!.end });
    if (tokens[at + 1]?.text !== ',') return items;
    at += 2;
  }
}
