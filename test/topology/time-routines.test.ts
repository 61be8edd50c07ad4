// Time routines: by their bodies, which routines tell the time, and which surely write nothing.

import { describe, expect, test } from 'vitest';
import { timeRoutines } from '../../src/topology/time-routines.ts';

const telling = (...bodies: readonly string[]): string[] => [
  ...timeRoutines(bodies.map((body, i) => ({ name: `F${i}`, body }))).telling,
];

describe('timeRoutines', () => {
  test.each([
    'SELECT now()',
    'RETURN pg_catalog."now" ();',
    'NEW.at := CURRENT_TIMESTAMP(3); RETURN NEW;',
    'SELECT age(x.born) FROM x',
    `SELECT 'today'::date`,
    `SELECT ' Tomorrow 10:00'::timestamp`,
    'BEGIN ATOMIC SELECT LOCALTIME; END',
    `SELECT '/*', now()`,
    `SELECT '/*' -- */\n, now()`,
    'SELECT 1 /*/ now(), /* 2 */ + now()',
  ])('tells the time: %s', (body) => {
    expect(telling(body)).toEqual(['f0']);
  });

  test.each([
    'SELECT 1 -- now()',
    'SELECT /* CURRENT_DATE */ 1',
    'SELECT known(1), nowhere.x, clock_timestamp()',
    `RAISE NOTICE 'it is now'`,
    'SELECT age(a, b)',
    'SELECT 1 /* -- */ /* now() */ -- now()',
    'SELECT 1 /* now()\n-- */, 2 -- /* now()',
  ])('does not: %s', (body) => {
    expect(telling(body)).toEqual([]);
  });

  test('comments that only begin are each looked at once, however many there are', () => {
    expect(telling('/*'.repeat(2_000_000))).toEqual([]);
  });

  test('so do those that call one that does', () => {
    expect(telling('SELECT f1()', 'SELECT F2()', 'SELECT now()', 'SELECT 1').sort()).toEqual([
      'f0',
      'f1',
      'f2',
    ]);
  });

  test('a name is steady where all of its routines are', () => {
    const routine = (name: string, isVolatile: boolean) => ({ name, body: '', isVolatile });
    const { steady } = timeRoutines([
      routine('A', false),
      routine('a', false),
      routine('b', false),
      routine('b', true),
      { name: 'c', body: '' },
    ]);
    expect([...steady]).toEqual(['a']);
  });
});
