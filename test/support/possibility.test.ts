// What counts as an answer that PostgreSQL could give, by those that it has given.

import { describe, expect, it } from 'vitest';
import { type Given, isPossible } from './possibility.ts';

const rows = (...values: (readonly unknown[])[]): Given => ({
  columns: ['c'],
  rows: values.map((row) => JSON.stringify(row)),
  command: `SELECT ${values.length}`,
  error: null,
});
const failure = (error: string): Given => ({ error, message: '' });

describe('An answer is possible', () => {
  const lags = [
    rows(['a', 1, null], ['b', 2, 1]),
    rows(['b', 2, null], ['a', 1, 2]),
    rows(['a', 1, null], ['b', 2, 1]),
  ];

  it.each([
    ['it is one of those given', lags, rows(['b', 2, null], ['a', 1, 2]), []],
    ['only what differs among them is other', lags, rows(['a', 1, null], ['b', 2, 7]), []],
    [
      'rows come in another order and none is asked for',
      [rows(['x', 1], ['y', 2])],
      rows(['y', 2], ['x', 1]),
      [],
    ],
    ['it fails as one of them does', [rows(['a']), failure('22012')], failure('22012'), []],
    ['it has rows where some fail', [failure('22012'), rows(['a'])], rows(['a']), []],
  ] as const)('where %s', (_, answers, other, inOrder) => {
    expect(isPossible(answers, other, inOrder)).toBe(true);
  });

  it.each([
    ['all are the same and it is not', [rows(['a']), rows(['a'])], rows(['b']), []],
    ['a row is missing', lags, rows(['a', 1, null]), []],
    ['a column that is the same in all is other', lags, rows(['a', 1, null], ['c', 2, 1]), []],
    ['values that belong together do not', lags, rows(['a', 2, null], ['b', 1, 1]), []],
    ['a value that all have is missing', lags, rows(['a', 1, 3], ['b', 2, 1]), []],
    [
      'an order is asked for and is another',
      [rows([1, 'x'], [2, 'y']), rows([1, 'z'], [2, 'y'])],
      rows([2, 'y'], [1, 'x']),
      [0],
    ],
    ['it fails and none does', [rows(['a'])], failure('22012'), []],
    ['it has rows and all fail', [failure('22012')], rows(['a']), []],
  ] as const)('but not where %s', (_, answers, other, inOrder) => {
    expect(isPossible(answers, other, inOrder)).toBe(false);
  });
});
