// Time words: which part of a statement they are looked for in.

import { beforeAll, expect, it } from 'vitest';
import { rowsPart } from '../../src/plan/time-words.ts';
import { loadParser } from '../../src/sql/parser.ts';

beforeAll(loadParser);

/** So many that a comment that may end at any end behind it takes minutes. */
const COMMENTS = '/* a **/'.repeat(36);

it('looks past any number of comments', () => {
  const read = `${COMMENTS}SELECT 'today'`;
  expect(rowsPart(read)).toEqual({ before: '', sql: read, after: '', added: 0 });
  const copy = `${COMMENTS}COPY (SELECT 'today') TO STDOUT`;
  expect(rowsPart(copy)).toMatchObject({ sql: "SELECT 'today'", after: ') TO STDOUT' });
});
