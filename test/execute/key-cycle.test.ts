// Key cycle: which rows take each other's keys in a circle.

import { expect, test } from 'vitest';
import { haveCycle } from '../../src/execute/key-cycle.ts';

type Keys = readonly (readonly [string, string])[];

test.each<[string, Keys]>([
  ['no rows', []],
  [
    'rows that keep their keys',
    [
      ['1', '1'],
      ['2', '2'],
    ],
  ],
  [
    'a chain',
    [
      ['1', '2'],
      ['2', '3'],
      ['3', '4'],
    ],
  ],
  [
    'a chain told from its end',
    [
      ['3', '4'],
      ['2', '3'],
      ['1', '2'],
    ],
  ],
  [
    'rows that get one key, which the server refuses',
    [
      ['1', '3'],
      ['2', '3'],
      ['3', '4'],
    ],
  ],
  [
    'a row that gets the key of one that keeps it',
    [
      ['1', '2'],
      ['2', '2'],
    ],
  ],
])('%s: none', (_, keys) => {
  expect(haveCycle(keys)).toBe(false);
});

test.each<[string, Keys]>([
  [
    'two rows',
    [
      ['1', '2'],
      ['2', '1'],
    ],
  ],
  [
    'three rows',
    [
      ['2', '3'],
      ['3', '1'],
      ['1', '2'],
    ],
  ],
  [
    'behind a chain',
    [
      ['0', '1'],
      ['1', '2'],
      ['2', '3'],
      ['3', '2'],
    ],
  ],
])('%s: a circle', (_, keys) => {
  expect(haveCycle(keys)).toBe(true);
});
