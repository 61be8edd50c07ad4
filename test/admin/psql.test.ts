// The console in psql: what an operator at a terminal sees.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasPsql, psql } from '../drivers/psql.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

let proxy: TestProxy;

beforeAll(async () => {
  proxy = await startTestProxy();
});

afterAll(async () => {
  await proxy?.close();
});

const type = (input: string, args: readonly string[] = []) =>
  psql({ ...proxy.login, database: 'admin' }, input, { args });

describe.runIf(hasPsql)('psql on the console', () => {
  it('prints what SHOW gives, with the names of its columns', async () => {
    const { stdout, stderr, exitCode } = await type('SHOW STATE;\n', ['--csv']);
    expect([stdout, stderr, exitCode]).toEqual([
      'key,value\nactive,yes\npaused,no\nsuspended,no\n',
      '',
      0,
    ]);
  });

  it('runs verbs and prints their tags', async () => {
    const { stdout, stderr } = await type('PAUSE 1;\nSHOW SHARDS;\nRESUME;\n', ['-At']);
    const lines = stdout.trimEnd().split('\n');
    expect([lines[0], lines[1]?.split('|')[4], lines[2]?.split('|')[4], lines[3]]).toEqual([
      ...['PAUSE', 'up', 'paused', 'RESUME'],
    ]);
    expect(stderr).toBe('');
  });

  it('says what is wrong and goes on', async () => {
    const { stdout, stderr } = await type('SHOW NONSENSE;\nKILL nobody;\nRELOAD;\n');
    expect(stdout).toBe('RELOAD\n');
    expect(stderr).toContain("ERROR:  invalid command 'SHOW NONSENSE', use SHOW HELP;");
    expect(stderr).toContain('HINT:  SHOW CLIENTS has the ids and the users.');
  });
});
