// Plain words: what a short statement says, whatever its comments and however its strings are written.

import { identifierOf } from './identifier.ts';
import { stringValue } from './string-value.ts';
import { tokenize } from './token.ts';

/** Words and one string at most, which stand for themselves. */
const IS_PLAIN = /^[\w\s=,;]*(?:'[\w\s]*'[\w\s=,;]*)?$/;

/**
 * `sql` itself where it is plain already; else its tokens, the names and strings among them as what they
 * mean, with a blank between each two: `SET x TO E'\x61' -- b` is `set x to a`.
 */
export function plainWords(sql: string): string {
  if (IS_PLAIN.test(sql)) return sql;
  const tokens = tokenize(sql) ?? [];
  const words = tokens.map((token, i) => {
    if (token.kind === 'name') return identifierOf(token);
    return stringValue(tokens, i)?.value ?? token.text;
  });
  return words.join(' ');
}
