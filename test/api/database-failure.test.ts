// Which failures of the database are 503, which 504, and which keep their words to themselves.

import { describe, expect, test } from 'vitest';
import { databaseFailure, isRolledBack } from '../../src/api/database-failure.ts';
import { DatabaseError } from '../../src/base/pg.ts';

function sqlError(code: string, severity = 'ERROR'): DatabaseError {
  const error = new DatabaseError('relation "secret" at 10.0.0.7', 1, 'error');
  return Object.assign(error, { code, severity });
}

function socketError(code: string): Error {
  return Object.assign(new Error(`connect ${code} 10.0.0.7:6432`), { code });
}

describe('databaseFailure', () => {
  test.each([
    ['08001', 503],
    ['08006', 503],
    ['08007', 503],
    ['57P01', 503],
    ['57P03', 503],
    ['53300', 503],
    ['40001', 503],
    ['40P01', 503],
    ['28P01', 503],
    ['57014', 504],
    ['42P01', 500],
    ['23505', 500],
    ['0A000', 500],
    ['XX000', 500],
  ])('answers SQLSTATE %s with %i and without its message', (code, status) => {
    const failure = databaseFailure(sqlError(code));
    expect(failure.status).toBe(status);
    expect(JSON.stringify(failure.detail)).not.toMatch(/secret|10\.0/);
    expect(failure.headers['retry-after']).toBe(status === 503 ? '1' : undefined);
  });

  test.each([
    socketError('ECONNREFUSED'),
    socketError('ECONNRESET'),
    socketError('ENOTFOUND'),
    Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }),
    new Error('Connection terminated unexpectedly'),
    new Error('timeout exceeded when trying to connect'),
    new Error('Client has encountered a connection error and is not queryable'),
  ])('answers a connection that is not there with 503: %s', (error) => {
    expect(databaseFailure(error).status).toBe(503);
  });

  test('answers a statement that takes too long with 504', () => {
    expect(databaseFailure(new Error('Query read timeout')).status).toBe(504);
  });

  test.each([new TypeError('x is undefined'), 'a string', undefined])(
    'answers %s with 500 and keeps it as the cause',
    (error) => {
      const failure = databaseFailure(error);
      expect(failure).toMatchObject({ status: 500, detail: 'Internal Server Error' });
      expect(failure.cause).toBe(error);
    },
  );
});

describe('a COMMIT that failed', () => {
  test.each([
    [sqlError('40001'), true],
    [sqlError('25P02'), true],
    [sqlError('08007'), false],
    [sqlError('57P01', 'FATAL'), false],
    [socketError('ECONNRESET'), false],
    [new Error('Query read timeout'), false],
  ])('%s is rolled back for certain: %s', (error, certain) => {
    expect(isRolledBack(error)).toBe(certain);
  });
});
