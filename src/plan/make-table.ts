// CREATE TABLE AS and SELECT INTO from sharded tables: a home table gets the rows of a query.

import { quoteName } from '../base/quote.ts';
import { clausesOf, depthsOf } from '../sql/clause.ts';
import type { RelationName } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import type { PlanContext } from './context.ts';
import type { Plan, RoutedPlan } from './plan.ts';
import { refusedFor } from './routed.ts';
import type { MakeTableMerge } from './staged.ts';

interface Made {
  readonly create: string;
  /** null: WITH NO DATA, which is all of the statement. */
  readonly source: string | null;
}

/** `traits`: what the statement is apart from its rows, on the home shard. */
export function planMakeTable(
  made: Made | null,
  relation: RelationName,
  temporary: boolean,
  traits: RoutedPlan,
): Plan {
  if (made === null) return refusedFor(traits.verb, 'createAs');
  if (made.source === null) return traits;
  const { schema } = relation;
  const name =
    schema === null ? quoteName(relation.name) : `${quoteName(schema)}.${quoteName(relation.name)}`;
  const target = `INSERT INTO ${name}`;
  const merge: MakeTableMerge = {
    how: 'makeTable',
    create: made.create,
    temporary,
    rows: {
      how: 'insertRows',
      source: made.source,
      table: { name, alias: quoteName(relation.name), kind: 'home', columns: [], shown: null },
      target,
      before: `${target} `,
      after: '',
      keyReturned: null,
      given: null,
      ignored: null,
      defaulted: null,
      key: null,
      whole: false,
    },
  };
  return { ...traits, route: { kind: 'all' }, merge };
}

const isWord = (token: Token | undefined, text: string): boolean =>
  token?.kind === 'word' && token.text === text;

/** CREATE TABLE … AS query [WITH [NO] DATA]; null where that is not certain. */
export function createAs({ input }: PlanContext): Made | null {
  const { sql, tokens } = input;
  const depths = depthsOf(tokens);
  const as = tokens.findIndex((token, i) => depths[i] === 0 && isWord(token, 'as'));
  if (as < 0 || as + 1 >= tokens.length) return null;
  let end = tokens.length;
  if (isWord(tokens[end - 1], 'data')) {
    if (isWord(tokens[end - 2], 'no')) return { create: sql, source: null };
    if (!isWord(tokens[end - 2], 'with')) return null;
    end -= 2;
  }
  const head = sql.slice(0, tokens[as]!.end);
  const source = sql.slice(tokens[as + 1]!.start, tokens[end - 1]!.end);
  return { create: `${head} ${source} WITH NO DATA`, source };
}

const MODIFIERS = new Set(['temp', 'temporary', 'local', 'global', 'unlogged', 'table']);

/** SELECT … INTO [TEMPORARY | UNLOGGED] [TABLE] t …; null where that is not certain. */
export function selectInto({ input }: PlanContext): Made | null {
  const { sql, tokens } = input;
  const into = clausesOf(tokens)?.clauses.get('into');
  if (into === undefined) return null;
  const own = tokens.filter(({ start, end }) => start >= into.start && end <= into.end).slice(1);
  const name = own.findIndex(({ kind, text }) => kind !== 'word' || !MODIFIERS.has(text));
  if (name < 0) return null;
  const words = own.slice(0, name).flatMap(({ text }) => (text === 'table' ? [] : [text]));
  const source = `${sql.slice(0, into.start)}${sql.slice(into.end, tokens.at(-1)!.end)}`;
  const table = sql.slice(own[name]!.start, into.end);
  const head = ['CREATE', ...words, 'TABLE', table, 'AS'].join(' ');
  return { create: `${head} ${source} WITH NO DATA`, source };
}
