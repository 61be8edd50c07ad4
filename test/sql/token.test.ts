// Tokens: our cuts are those of PostgreSQL's own scanner.

import { loadModule, scanSync } from 'libpg-query';
import { beforeAll, describe, expect, it } from 'vitest';
import { joinsPastComment, tokenize, withoutSemicolons } from '../../src/sql/token.ts';
import fc from '../support/property.ts';
import { sqlText } from './text.ts';

beforeAll(loadModule);

interface Cut {
  readonly start: number;
  readonly end: number;
}

const COMMENTS = new Set(['SQL_COMMENT', 'C_COMMENT']);

/**
 * The text with every comment that ends with its line blanked: a string behind one is then joined
 * by the parser's scanner as the server joins it (see `joinsPastComment`).
 */
const blankLineComments = (sql: string) =>
  sql.replace(/--[^\n\r]*/g, (comment) => ' '.repeat(comment.length));

/** PostgreSQL's tokens with their offsets as string indexes; null when it refuses the text. */
function serverCuts(sql: string): Cut[] | null {
  const bytes = Buffer.from(sql);
  const index = (byte: number) => bytes.toString('utf8', 0, byte).length;
  try {
    return scanSync(sql)
      .tokens.filter(({ tokenName }) => !COMMENTS.has(tokenName))
      .map(({ start, end }) => ({ start: index(start), end: index(end) }));
  } catch {
    return null;
  }
}

describe('tokenize', () => {
  it('cuts any text where the server cuts it', () => {
    fc.assert(
      fc.property(sqlText(), (sql) => {
        const cuts = serverCuts(sql);
        const tokens = tokenize(sql);
        // The parser's scanner keeps comments and so does not join strings past one.
        if (cuts === null || (tokens !== null && joinsPastComment(tokens))) return;
        // Nor does it miss the end of a string that is continued past one and then not ended.
        if (tokens === null && serverCuts(blankLineComments(sql)) === null) return;
        expect(
          tokens?.map(({ start, end }) => ({ start, end })),
          sql,
        ).toEqual(cuts);
      }),
      { numRuns: 20_000 },
    );
  });

  it('gives null for what is not ended', () => {
    for (const sql of [
      "'a",
      '"a',
      '/* a',
      '/* /* */',
      "E'\\'",
      '$$ a',
      '$x$ $X$',
      "e'a\\",
      "E'a'--\n'\\'",
    ]) {
      expect(tokenize(sql), sql).toBeNull();
    }
  });

  it('gives words in lower case and everything else as written', () => {
    expect(tokenize('SELECT "A", \'B\', $1')?.map(({ text }) => text)).toEqual([
      'select',
      '"A"',
      ',',
      "'B'",
      ',',
      '$1',
    ]);
  });

  it('tells a semicolon from a name or string of one', () => {
    const tokens = tokenize('; select ";", \';\' ;')!;
    expect(withoutSemicolons(tokens).map(({ text }) => text)).toEqual([
      'select',
      '";"',
      ',',
      "';'",
    ]);
  });
});
