// With text: where the queries of a WITH clause, and what follows it, stand in a statement's tokens.

import { closing } from './clause.ts';
import type { Token } from './token.ts';

/** Indexes of tokens, `to` behind the last. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface WithText {
  /** Each query from its name to its closing bracket, and what is in the brackets. */
  readonly tables: readonly { readonly whole: Span; readonly body: Span }[];
  readonly main: Span;
}

/** null when the statement does not begin with WITH, or has SEARCH or CYCLE. */
export function withText(tokens: readonly Token[], recursive: boolean): WithText | null {
  if (!isWord(tokens[0], 'with')) return null;
  const tables: WithText['tables'][number][] = [];
  for (let at = recursive ? 2 : 1; ; at += 1) {
    const from = at;
    at += 1;
    if (tokens[at]?.text === '(') at = (closing(tokens, at) ?? tokens.length) + 1;
    if (!isWord(tokens[at], 'as')) return null;
    at += 1;
    if (isWord(tokens[at], 'not')) at += 1;
    if (isWord(tokens[at], 'materialized')) at += 1;
    const close = tokens[at]?.text === '(' ? closing(tokens, at) : null;
    if (close === null) return null;
    tables.push({ whole: { from, to: close + 1 }, body: { from: at + 1, to: close } });
    at = close + 1;
    if (tokens[at]?.text === ',') continue;
    if (isWord(tokens[at], 'search') || isWord(tokens[at], 'cycle')) return null;
    return { tables, main: { from: at, to: tokens.length } };
  }
}

const isWord = (token: Token | undefined, text: string): boolean =>
  token?.kind === 'word' && token.text === text;
