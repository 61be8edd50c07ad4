// View text: a view's query as the server wrote it, made to mean the same where it stands in a statement.

import { type Token, tokenize } from '../sql/token.ts';
import type { View } from './table.ts';

/** What a server says of a view. */
export interface ViewQuery {
  /** As pg_get_viewdef() writes it, every name in it qualified. */
  readonly text: string;
  /** The schemas of the operators in it that are no built-in ones. */
  readonly operatorSchemas: readonly string[];
}

/**
 * pg_get_viewdef() qualifies the operators that it writes. Of rows that are compared it writes one for all columns, of
 * CASE x WHEN, NULLIF, IS DISTINCT FROM and USING none. There the operator has its bare name here, which finds the
 * ones that are meant along a path with their schemas.
 */
export function viewText(view: ViewQuery | null): Pick<View, 'query' | 'operatorSchemas'> {
  if (view === null) return { query: null, operatorSchemas: [] };
  const { text, operatorSchemas } = view;
  const tokens = operatorSchemas.length === 0 ? [] : (tokenize(text) ?? []);
  const isBare = tokens.some((_, i) => comparesRows(tokens, i) || comparesUnnamed(tokens, i));
  return { query: withBareNames(text, tokens), operatorSchemas: isBare ? operatorSchemas : [] };
}

const BEHIND_ROW = new Set(['row', 'any', 'all']);
const QUERY = new Set(['select', 'with', 'values']);

/** The bracket at `i` may be the end of a row, behind which comes what it is compared by and with. */
function comparesRows(tokens: readonly Token[], i: number): boolean {
  const next = tokens[i + 1];
  if (tokens[i]!.text !== ')' || next === undefined) return false;
  if (next.text === 'in') return true;
  const last = next.text === 'operator' ? i + OPERATOR_TOKENS : i + 1;
  const isOperator = next.text === 'operator' || next.kind === 'operator';
  const [first, second] = tokens.slice(last + 1, last + 3).map(({ text }) => text);
  if (!isOperator || first === undefined) return false;
  return BEHIND_ROW.has(first) || (first === '(' && QUERY.has(second ?? ''));
}

/** `OPERATOR ( schema . name )` */
const OPERATOR_TOKENS = 6;

function comparesUnnamed(tokens: readonly Token[], i: number): boolean {
  const next = tokens[i + 1]?.text;
  switch (tokens[i]!.text) {
    case 'case':
      return next !== 'when';
    case 'distinct':
      return next === 'from';
    case 'using':
      return next === '(';
    default:
      return tokens[i]!.text === 'nullif';
  }
}

function withBareNames(text: string, tokens: readonly Token[]): string {
  let made = '';
  let from = 0;
  tokens.forEach((token, i) => {
    if (tokens[i + 1]?.text !== 'operator' || !comparesRows(tokens, i)) return;
    const name = tokens[i + OPERATOR_TOKENS - 1]!;
    made += `${text.slice(from, token.end)} ${name.text}`;
    from = tokens[i + OPERATOR_TOKENS]!.end;
  });
  return made + text.slice(from);
}
