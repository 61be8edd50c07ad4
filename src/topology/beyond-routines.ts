// Beyond routines: those that, run for a row on its shard, reach for rows of sharded tables which are on others.

import { closing, depthsOf } from '../sql/clause.ts';
import { identifierOf } from '../sql/identifier.ts';
import { type Token, tokenize } from '../sql/token.ts';
import { andCallers } from './calling-routines.ts';
import type { Table } from './table.ts';

interface RoutineText {
  readonly name: string;
  readonly body: string;
  /** pg_language.lanname. */
  readonly language: string;
}

type Named = Pick<Table, 'columns' | 'keyColumn'>;

/**
 * In lower case, the routines with a statement on all rows of a sharded table, or on those of a key that is a constant, and
 * those that call one of these. Reads what is surely so: a condition may hold for rows of one shard alone.
 */
export function routinesBeyond(
  routines: readonly RoutineText[],
  tables: readonly Table[],
): ReadonlySet<string> {
  const sharded = new Map<string, Named>();
  for (const table of tables) if (table.kind === 'sharded') sharded.set(table.name, table);
  // One name may mean a table of another kind, in another schema.
  for (const { name, kind } of tables) if (kind !== 'sharded') sharded.delete(name);
  const read = routines.filter(({ language }) => language === 'plpgsql' || language === 'sql');
  const found = read.filter(({ body }) => reachesBeyond(body, sharded));
  if (found.length === 0) return new Set();
  const named = (name: string) => name.toLowerCase();
  const callers = read.map(({ name, body }) => ({ name: named(name), words: callsIn(body) }));
  return andCallers(
    found.map(({ name }) => named(name)),
    callers,
  );
}

function callsIn(body: string): ReadonlySet<string> {
  const tokens = tokenize(body) ?? [];
  const names = tokens.filter(({ kind }, i) => {
    return (kind === 'word' || kind === 'name') && tokens[i + 1]?.text === '(';
  });
  return new Set(names.map((token) => identifierOf(token).toLowerCase()));
}

export function reachesBeyond(body: string, sharded: ReadonlyMap<string, Named>): boolean {
  const tokens = tokenize(body) ?? [];
  return tokens.some((token, i) => {
    if (token.kind !== 'word') return false;
    const verb = VERBS.find(([first]) => first === token.text);
    const at = verb === undefined ? null : relationAt(tokens, i + 1, verb);
    if (at === null) return false;
    const table = sharded.get(identifierOf(tokens[at]!));
    if (table === undefined) return false;
    if (token.text === 'from') return !isWord(tokens[i - 1], 'distinct') && isWhole(tokens, at + 1);
    if (!BEFORE_STATEMENT.has(tokens[i - 1]?.text ?? ';')) return false;
    const end = tokens.findIndex(({ text }, j) => j > at && text === ';');
    const rest = tokens.slice(at + 1, end < 0 ? tokens.length : end);
    return token.text === 'insert' ? insertsConstant(rest, table) : writesBeyond(rest, table);
  });
}

const VERBS = [['from'], ['update'], ['delete', 'from'], ['insert', 'into']] as const;

const BEFORE_STATEMENT = new Set([';', '(', 'begin', 'atomic', 'then', 'else', 'loop']);

const isWord = (token: Token | undefined, text: string): boolean =>
  token?.kind === 'word' && token.text === text;

/** Where the name itself stands, behind its schema. */
function relationAt(
  tokens: readonly Token[],
  from: number,
  [, second]: readonly [string, string?],
): number | null {
  let at = from;
  if (second !== undefined) {
    if (!isWord(tokens[at], second)) return null;
    at += 1;
  }
  if (isWord(tokens[at], 'only')) at += 1;
  while (tokens[at + 1]?.text === '.') at += 2;
  const { kind } = tokens[at] ?? {};
  return kind === 'word' || kind === 'name' ? at : null;
}

/** Nothing but another name stands between a table in FROM and the end of the query. */
function isWhole(tokens: readonly Token[], behind: number): boolean {
  const ends = (i: number) => [undefined, ';', ')', 'then', 'loop'].includes(tokens[i]?.text);
  const alias = isWord(tokens[behind], 'as') ? behind + 1 : behind;
  return ends(behind) || (tokens[alias]?.kind === 'word' && ends(alias + 1));
}

/** The rest of an UPDATE or DELETE: without a condition, or one that says `key = constant`. */
function writesBeyond(rest: readonly Token[], { keyColumn }: Named): boolean {
  const depths = depthsOf(rest);
  const wordAt = (text: string) => rest.findIndex((t, i) => depths[i] === 0 && isWord(t, text));
  const where = wordAt('where');
  if (where < 0) return wordAt('set') >= 0 && wordAt('from') < 0;
  const condition = rest.slice(where);
  if (condition.some((token) => isWord(token, 'or'))) return false;
  const isAnd = (token: Token | undefined) => isWord(token, 'where') || isWord(token, 'and');
  return condition.some((token, i) => {
    if (!isKey(token, keyColumn) || condition[i + 1]?.text !== '=') return false;
    const first = condition[i - 1]?.text === '.' ? i - 2 : i;
    const behind = condition[i + 3];
    const isAlone = behind === undefined || isAnd(behind) || isWord(behind, 'returning');
    return isAnd(condition[first - 1]) && isConstant(condition[i + 2]) && isAlone;
  });
}

/** The rest of an INSERT: VALUES whose first row has a constant as its key. */
function insertsConstant(rest: readonly Token[], { columns, keyColumn }: Named): boolean {
  const listEnd = rest[0]?.text === '(' ? closing(rest, 0) : -1;
  const values = (listEnd ?? -1) + 1;
  if (listEnd === null || !isWord(rest[values], 'values')) return false;
  const end = closing(rest, values + 1);
  if (end === null) return false;
  const named = listEnd < 0 ? null : itemsOf(rest.slice(1, listEnd));
  const index =
    named === null
      ? columns.findIndex(({ name }) => name === keyColumn)
      : named.findIndex(([token]) => token !== undefined && isKey(token, keyColumn));
  const value = itemsOf(rest.slice(values + 2, end))[index] ?? [];
  return value.length === 1 && isConstant(value[0]);
}

/** What commas part. */
function itemsOf(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const depths = depthsOf(tokens);
  const items: Token[][] = [[]];
  for (const [i, token] of tokens.entries()) {
    if (token.text === ',' && depths[i] === 0) items.push([]);
    else items.at(-1)!.push(token);
  }
  return items;
}

const isKey = (token: Token, keyColumn: string | null): boolean =>
  (token.kind === 'word' || token.kind === 'name') && identifierOf(token) === keyColumn;

const isConstant = (token: Token | undefined): boolean =>
  token?.kind === 'number' || token?.kind === 'string';
