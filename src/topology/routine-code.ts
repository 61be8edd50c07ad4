// Routine code: what of a routine's body is code, cut as PostgreSQL's scanner cuts it, and which tables that writes.

import { type Token, tokenize } from '../sql/token.ts';
import { wordsOf } from './calling-routines.ts';

/** A body in SQL or PL/pgSQL without its comments. */
export interface CutBody {
  readonly tokens: readonly Token[];
  /** Without what is in its strings, too. */
  readonly code: string;
  readonly whole: string;
  /** What is in its strings. */
  readonly strings: string;
}

/** null where a string or comment is not ended. */
export function cutBody(body: string): CutBody | null {
  const tokens = tokenize(body);
  if (tokens === null) return null;
  const isString = ({ kind }: Token) => kind === 'string';
  const textOf = ({ text }: Token) => text;
  return {
    tokens,
    code: tokens.map((token) => (isString(token) ? "''" : token.text)).join(' '),
    whole: tokens.map(textOf).join(' '),
    strings: tokens.filter(isString).map(textOf).join(' '),
  };
}

/**
 * EXECUTE, a function that is made, PostgreSQL's own functions of a query or table by its text, and those of dblink,
 * tablefunc and xml2.
 */
const RUNS_TEXT =
  /^(?:execute|function|procedure|cursor_to_xml.*|(?:query|table|schema|database)_to_.+|ts_stat|ts_rewrite|dblink.*|crosstab.*|connectby|xpath_table)$/;

/** It may run a text that is no part of its code: one of its strings, or what it puts together. */
export const runsText = ({ tokens }: CutBody): boolean =>
  tokens.some(({ kind, text }, i) => {
    if (kind !== 'word' && kind !== 'name') return false;
    const name = text.replaceAll('"', '').toLowerCase();
    if (RUNS_TEXT.test(name)) return true;
    // DO as a statement, not of ON CONFLICT.
    const next = tokens[i + 1];
    return name === 'do' && (next?.kind === 'string' || next?.text === 'language');
  });

const NAME = String.raw`(?:"[^"]+"|[\w$\u0080-\uffff]+)`;
const VERB = String.raw`\b(?:insert\s+into|update|delete\s+from|merge\s+into|truncate(?:\s+table)?)\s+(?:only\s+)?(?:${NAME}\s*\.\s*)?`;
const WRITES = new RegExp(`${VERB}(${NAME})`, 'gi');
const TRUNCATES = /\btruncate\s([^;]*)/gi;
/** The name is put in as the text is made: by format(), or by an operator behind the string. */
const PUTS_NAME = new RegExp(String.raw`${VERB}(?:%|'|\$\w*\$)`, 'i');

/** The names of tables that a text writes, in lower case, and what may be taken for some. */
export function tablesWritten(text: string): readonly string[] {
  const named = [...text.matchAll(WRITES)].map(([, table]) =>
    table!.replaceAll('"', '').toLowerCase(),
  );
  return [...named, ...[...text.matchAll(TRUNCATES)].flatMap(([, list]) => wordsOf(list!))];
}

/** It writes a table whose name is not in its text where the statement has it. */
export const writesUnnamed = (text: string): boolean => PUTS_NAME.test(text);
