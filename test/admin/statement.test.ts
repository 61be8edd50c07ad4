// How the console reads what is typed.

import { describe, expect, it } from 'vitest';
import { readStatement, splitStatements } from '../../src/admin/statement.ts';

describe('A line for the console', () => {
  it('is split at semicolons that are not quoted', () => {
    expect(splitStatements(`PAUSE "a;b"; SHOW /* ; */ POOLS; -- ; end\n`)).toEqual([
      'PAUSE "a;b"',
      'SHOW   POOLS',
      '',
    ]);
  });

  it.each([
    ['pause drive_shard_1', 'PAUSE', 'drive_shard_1'],
    ['KILL "a ""b"', 'KILL', 'a "b'],
    ["kill 'a ''b'", 'KILL', "a 'b"],
    ['  show\n pools ', 'SHOW POOLS', ''],
  ])('%j is a command and its argument', (text, name, argument) => {
    expect(readStatement(text)).toMatchObject({ kind: 'command', command: { name }, argument });
  });

  it.each(['SHOW', 'SHOW NOTHING', 'PAUSE 1 2', 'RELOAD now', 'SELECT 1', '"PAUSE"'])(
    '%j is refused',
    (text) => {
      expect(() => readStatement(text)).toThrow('use SHOW HELP');
    },
  );

  it('may be SET, which drivers send unasked, without effect', () => {
    expect(readStatement("SET extra_float_digits = '3'")).toEqual({ kind: 'ignored', tag: 'SET' });
  });
});
