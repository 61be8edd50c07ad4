// Scalar routines: of the IMMUTABLE functions of users those that by their bodies read no rows.

import { expect, test } from 'vitest';
import { scalarRoutines } from '../../src/topology/scalar-routines.ts';

const VALUE = { mayBeText: false };

const isScalar = (body: string): boolean =>
  scalarRoutines({ f: VALUE }, [
    { name: 'f', body },
    { name: 'Volatile', body: 'RETURN random();' },
  ]).has('f');

test.each([
  'SELECT lower($1)',
  'BEGIN RETURN 2 * n; END',
  'SELECT 1 -- from here\n',
  "SELECT substr($1, 2) || 'fromage'",
])('computes of its arguments: %s', (body) => {
  expect(isScalar(body)).toBe(true);
});

test.each([
  'SELECT name FROM people WHERE id = $1',
  'BEGIN RETURN (TABLE one); END',
  "BEGIN EXECUTE 'SELECT 1' INTO n; RETURN n; END",
  'SELECT volatile()',
  'SELECT "Volatile"()',
  'BEGIN PERFORM f(1); END',
])('may read rows: %s', (body) => {
  expect(isScalar(body)).toBe(false);
});

test('one that calls a routine which reads rows is not', () => {
  const routines = [
    { name: 'inner', body: 'SELECT name FROM people' },
    { name: 'Outer', body: 'SELECT inner()' },
  ];
  expect([...scalarRoutines({ inner: VALUE, Outer: VALUE, inC: VALUE }, routines).keys()]).toEqual([
    'inC',
  ]);
});
