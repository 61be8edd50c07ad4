// What a command prints when it fails: a line for people, a stack for programmers.

import { expect, it } from 'vitest';
import { SqlError } from '../../src/base/errors.ts';
import { SQLSTATE } from '../../src/base/sqlstate.ts';
import { describeFailure } from '../../src/cli/failure.ts';
import { ConfigError } from '../../src/control/config.ts';
import { LocalError } from '../../src/local/local-error.ts';

it.each([
  ['a local error', new LocalError('port 1 is taken'), 'port 1 is taken'],
  ['a config error', new ConfigError('proxy.port is 0'), 'proxy.port is 0'],
  [
    'an error for SQL clients',
    new SqlError({ code: SQLSTATE.connectionFailure, message: 'no shard', hint: 'Start it.' }),
    'no shard. Start it.',
  ],
  [
    'an error of the system',
    Object.assign(new Error('listen EADDRINUSE'), { syscall: 'listen' }),
    'listen EADDRINUSE',
  ],
  ['something thrown that is no error', 'words', 'words'],
])('%s is one line', (_what, error, line) => {
  expect(describeFailure(error)).toBe(line);
});

it('a mistake in the program shows where it is', () => {
  expect(describeFailure(new TypeError('x is undefined'))).toMatch(
    /^TypeError: x is.*\n +at .*test/,
  );
});
