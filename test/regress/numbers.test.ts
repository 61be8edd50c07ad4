// What counts as a difference in nothing but numbers of sequences.

import { describe, expect, it } from 'vitest';
import type { Rows } from './difference.ts';
import { differInNumbers } from './numbers.ts';

const answer = (...rows: (string | null)[][]): Rows => ({
  kind: 'rows',
  command: 'SELECT',
  count: rows.length,
  columns: rows[0]!.map((_, i) => ({ name: `c${i}`, typeOid: 25 })),
  rows,
});

const plain = answer(['1', 'a'], ['2', 'b'], ['10', 'c']);
const beside = answer(['2', 'a'], ['4', 'b'], ['10', 'c']);

describe('An answer differs in numbers only', () => {
  it('where just the values differ that lost numbers change, in any order of rows', () => {
    const proxy = answer(['10', 'c'], ['1024', 'b'], ['1', 'a']);
    expect(differInNumbers(plain, beside, proxy)).toBe(true);
  });

  it('where a statement about a number has changed the order of the rows', () => {
    const moved = answer(['2', null], ['10', 'x'], ['101', null]);
    const other = answer(['17', null], ['19', null], ['10', 'x']);
    const proxy = answer(['1024', null], ['10', 'x'], ['101', null]);
    expect(differInNumbers(moved, other, proxy)).toBe(true);
    expect(differInNumbers(moved, other, answer(['1024', null], ['11', 'x'], ['101', null]))).toBe(
      false,
    );
  });

  it('where rows are told apart by what is no number', () => {
    const moved = answer(['2', null], ['10', 'x'], ['3', 'x'], ['101', null]);
    const other = answer(['17', null], ['19', null], ['10', 'x'], ['33', 'x']);
    const proxy = answer(['1024', null], ['10', 'x'], ['101', null], ['1025', 'x']);
    expect(differInNumbers(moved, other, proxy)).toBe(true);
    const wrong = answer(['1024', null], ['10', 'x'], ['101', null], ['1025', 'y']);
    expect(differInNumbers(moved, other, wrong)).toBe(false);
  });

  it.each([
    ['a value differs that no sequence gave', answer(['1', 'a'], ['1024', 'b'], ['11', 'c'])],
    ['another column differs', answer(['1', 'a'], ['1024', 'x'], ['10', 'c'])],
    ['two rows have one number', answer(['1024', 'a'], ['1024', 'b'], ['10', 'c'])],
    ['it is no number', answer(['1', 'a'], [null, 'b'], ['10', 'c'])],
    ['a row is missing', answer(['1', 'a'], ['10', 'c'])],
    ['there is a row more', answer(['1', 'a'], ['2', 'b'], ['3', 'b'], ['10', 'c'])],
  ])('but not where %s', (_, proxy) => {
    expect(differInNumbers(plain, beside, proxy)).toBe(false);
  });

  it('but not where one PostgreSQL that loses numbers answers the same', () => {
    expect(differInNumbers(plain, plain, answer(['7', 'a'], ['2', 'b'], ['10', 'c']))).toBe(false);
  });
});
