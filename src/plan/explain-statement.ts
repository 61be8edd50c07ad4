// EXPLAIN: plans the statement that is explained, and what the servers are asked about it.

import { parseSql } from '../sql/parser.ts';
import type { Token } from '../sql/token.ts';
import type { PlanContext } from './context.ts';
import { planInner } from './inner-statement.ts';
import type { ExplainMerge, Plan, RoutedPlan } from './plan.ts';
import { refusedFor } from './routed.ts';
import { planExecute } from './sql-prepare.ts';

/** `traits`: the plan of the same EXPLAIN where one server answers it as it is. */
export function planExplain(traits: RoutedPlan, context: PlanContext): Plan {
  const { sql, tokens } = context.input;
  const options = optionsOf(tokens);
  const first = tokens[options.end];
  const last = tokens.at(-1)!;
  const text = first === undefined ? '' : sql.slice(first.start, last.end);
  if (explainsExecute(tokens)) return explainExecute(text, sql.slice(0, first!.start));
  const inner = planInner({ start: first?.start ?? last.end, end: last.end }, context);
  // Its plan says nothing of them.
  context.asked = null;
  if (first === undefined || inner === null) return traits;
  if (inner.op === 'refused') return inner;
  if (inner.op !== 'routed' || BY_ITS_CALL.has(inner.merge?.how)) return traits;
  const { analyzes, format } = options;
  const fields: RoutedPlan = analyzes
    ? { ...traits, effect: inner.effect, pins: [...traits.pins, ...inner.pins] }
    : traits;
  const { action } = inner;
  if (action?.action === 'cursor') return { ...fields, action };
  if (inner.route.kind === 'home' || inner.route.kind === 'any') return fields;
  // Every copy of a reference table would have to be written for the time that it takes.
  if (analyzes && inner.merge?.how === 'reference')
    return refusedFor('EXPLAIN', 'explainReference');
  const merge: ExplainMerge = {
    how: 'explain',
    prefix: prefixOf(sql, first, options),
    planPrefix: planPrefixOf(sql, tokens, options),
    sql: text,
    inner,
    analyzes,
    format,
  };
  return { ...fields, route: inner.route, merge };
}

/** What the session makes of a call; to one server it is a call like any. */
const BY_ITS_CALL = new Set<string | undefined>(['everywhere', 'exportSnapshot']);

export const explainsExecute = (tokens: readonly Token[]): boolean =>
  tokens[optionsOf(tokens).end]?.text === 'execute';

/** The session knows what it has prepared; `before` stands before it then. */
function explainExecute(text: string, before: string): Plan {
  const statement = parseSql(text)?.statements[0]?.statement;
  if (statement?.kind !== 'utility') throw new Error('EXPLAIN EXECUTE without EXECUTE');
  const plan = planExecute(statement);
  if (plan.op !== 'session' || plan.action.action !== 'execute') return plan;
  return { ...plan, verb: 'EXPLAIN', action: { ...plan.action, before } };
}

interface ExplainOptions {
  readonly analyzes: boolean;
  readonly format: ExplainMerge['format'];
  /** The token that says the format. */
  readonly formatToken: Token | null;
  /** Index of the first token behind the options. */
  readonly end: number;
}

const FORMATS = ['text', 'json', 'yaml', 'xml'] as const;
const OFF = new Set(['false', 'off', '0']);
const isAnalyze = (text: string) => text === 'analyze' || text === 'analyse';

/** Of EXPLAIN [ANALYZE] [VERBOSE] and EXPLAIN (option [value], …); the last of two counts. */
function optionsOf(tokens: readonly Token[]): ExplainOptions {
  let analyzes = false;
  let end = 1;
  if (tokens[1]?.text !== '(' || !isOptionList(tokens)) {
    if (isAnalyze(tokens[end]?.text ?? '')) {
      analyzes = true;
      end += 1;
    }
    if (tokens[end]?.text === 'verbose') end += 1;
    return { analyzes, format: 'text', formatToken: null, end };
  }
  let format: ExplainMerge['format'] = 'text';
  let formatToken: Token | null = null;
  for (end = 2; end < tokens.length; end += 1) {
    const name = nameIn(tokens[end]!);
    const value = tokens[end + 1]!;
    if (isAnalyze(name)) analyzes = !OFF.has(nameIn(value));
    if (name === 'format') {
      format = FORMATS.find((each) => each === nameIn(value)) ?? 'text';
      formatToken = value;
    }
    while (tokens[end]!.text !== ',' && tokens[end]!.text !== ')') end += 1;
    if (tokens[end]!.text === ')') break;
  }
  return { analyzes, format, formatToken, end: end + 1 };
}

/** A word, a quoted name or a string means the same. */
const nameIn = ({ kind, text }: Token): string =>
  (kind === 'name' || kind === 'string' ? text.slice(1, -1) : text).toLowerCase();

const QUERIES = new Set(['select', 'with', 'values', 'table', '(']);

/** False where the bracket opens a query. */
const isOptionList = (tokens: readonly Token[]): boolean => !QUERIES.has(tokens[2]?.text ?? '');

/** Options that say something of a run. */
const OF_RUN = new Set(['analyze', 'analyse', 'timing', 'wal', 'serialize', 'format']);

function planPrefixOf(
  sql: string,
  tokens: readonly Token[],
  { format, end }: ExplainOptions,
): string {
  const kept: string[] = [];
  if (tokens[1]?.text === '(' && isOptionList(tokens)) {
    for (let at = 2; at < end; at += 1) {
      const first = at;
      while (tokens[at]!.text !== ',' && tokens[at]!.text !== ')') at += 1;
      const option = sql.slice(tokens[first]!.start, tokens[at - 1]!.end);
      if (!OF_RUN.has(nameIn(tokens[first]!))) kept.push(option);
    }
  } else if (tokens[end - 1]?.text === 'verbose') {
    kept.push('VERBOSE');
  }
  return `EXPLAIN (${[...kept, `FORMAT ${format === 'text' ? 'TEXT' : 'JSON'}`].join(', ')}) `;
}

function prefixOf(sql: string, first: Token, { format, formatToken }: ExplainOptions): string {
  if (format === 'text' || formatToken === null) return sql.slice(0, first.start);
  return `${sql.slice(0, formatToken.start)}JSON${sql.slice(formatToken.end, first.start)}`;
}
