// String value: what a string token means, however it is quoted and escaped.

import type { Expression } from './expression.ts';
import { parseSql } from './parser.ts';
import type { Token } from './token.ts';

export interface StringValue {
  readonly value: string;
  /** Index of its last token: U&'…' may have UESCAPE behind it. */
  readonly last: number;
}

/** Of the token at `i`; null: no string, or one of bits. */
export function stringValue(tokens: readonly Token[], i: number): StringValue | null {
  const { kind, text } = tokens[i]!;
  if (kind !== 'string') return null;
  const last = tokens[i + 1]?.text === 'uescape' ? i + 2 : i;
  const plain = /^'((?:[^']|'')*)'$/.exec(text)?.[1];
  if (plain !== undefined) return { value: plain.replaceAll("''", "'"), last };
  const written = tokens.slice(i, last + 1).map((token) => token.text);
  const parsed = parseSql(`SELECT ${written.join(' ')}`)?.statements[0]?.statement;
  if (parsed?.kind !== 'select' || parsed.body.kind !== 'simple') return null;
  const value = constantIn(parsed.body.targets[0]?.expression);
  return value === null ? null : { value, last };
}

function constantIn(expression: Expression | undefined): string | null {
  if (expression?.kind === 'cast') return constantIn(expression.arg);
  if (expression?.kind !== 'constant' || expression.type !== 'string') return null;
  return expression.text;
}
