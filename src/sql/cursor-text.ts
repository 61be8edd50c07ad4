// Cursor text: where a statement names a cursor.

import type { Token } from './token.ts';

export interface TextRange {
  readonly start: number;
  readonly end: number;
}

/** The name behind WHERE CURRENT OF; null: there is none. These three words mean nothing else. */
export function currentOfName(tokens: readonly Token[]): TextRange | null {
  const isWord = (i: number, word: string) => {
    const token = tokens[i];
    return token?.kind === 'word' && token.text === word;
  };
  const at = tokens.findIndex(
    (_, i) => isWord(i, 'where') && isWord(i + 1, 'current') && isWord(i + 2, 'of'),
  );
  return at < 0 ? null : (tokens[at + 3] ?? null);
}

/** The text with another name of the cursor in that place. */
export const withName = (sql: string, { start, end }: TextRange, name: string): string =>
  `${sql.slice(0, start)}"${name}"${sql.slice(end)}`;
