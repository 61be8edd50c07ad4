// Errors in the log: enough to find the fault, nothing that opens a door.

import { expect, test } from 'vitest';
import { logError } from '../../src/api/log-error.ts';

test('keeps type, message, code and stack, and drops what drivers add', () => {
  const error = Object.assign(new RangeError('too far'), {
    code: '57P01',
    client: { secretKey: 4711, password: 'pw' },
    detail: 'Failing row contains (…)',
  });
  expect(logError(error)).toEqual({
    type: 'RangeError',
    message: 'too far',
    code: '57P01',
    stack: expect.stringContaining('too far'),
  });
});

test('takes whatever was thrown', () => {
  expect(logError('a string')).toEqual({ type: 'string', message: 'a string' });
  expect(logError(undefined)).toEqual({ type: 'undefined', message: 'undefined' });
});
