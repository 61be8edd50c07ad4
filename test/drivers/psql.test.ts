// psql through the proxy: its commands, its messages, its way to cancel.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { hasPsql, psql } from './psql.ts';

if (!hasPsql) console.warn('psql is not on this machine: its tests do not run');

describe.runIf(hasPsql)('psql', () => {
  let proxy: TestProxy;

  beforeAll(async () => {
    proxy = await startTestProxy({ application: true });
    const rows = Array.from({ length: 100 }, (_, i) => `(${i}, 'file_${i}.txt')`);
    const { stderr } = await psql(
      proxy.login,
      `INSERT INTO file_metadata (user_id, file_name) VALUES ${rows.join(', ')};`,
    );
    expect(stderr).toBe('');
  });

  afterAll(() => proxy.close());

  const run = async (input: string, args: readonly string[] = ['-At']): Promise<string> => {
    const { stdout, stderr } = await psql(proxy.login, input, { args });
    expect(stderr).toBe('');
    return stdout;
  };

  test('answers the queries of the tutorial', async () => {
    expect(await run('SELECT COUNT(*) FROM file_metadata;')).toBe('100\n');
    const counts = await run(
      'SELECT user_id, COUNT(*) AS file_count FROM file_metadata GROUP BY user_id ORDER BY user_id;',
    );
    expect(counts).toBe(Array.from({ length: 100 }, (_, i) => `${i}|1\n`).join(''));
    const newest = await run('SELECT * FROM file_metadata ORDER BY created_at DESC LIMIT 10;');
    expect(newest.trim().split('\n')).toHaveLength(10);
    const users = await run('SELECT DISTINCT user_id FROM file_metadata ORDER BY user_id;');
    expect(users).toBe(Array.from({ length: 100 }, (_, i) => `${i}\n`).join(''));
  });

  test('shows each half of the rows through the database of its shard', async () => {
    for (const [shard, remainder] of [0, 1].entries()) {
      const login = { ...proxy.login, database: `drive_shard_${shard}` };
      const sql = 'SELECT count(*), min(user_id % 2), max(user_id % 2) FROM file_metadata;';
      const { stdout } = await psql(login, sql, { args: ['-At'] });
      expect(stdout).toBe(`50|${remainder}|${remainder}\n`);
    }
  });

  test('routes by hand with SET and with a comment', async () => {
    const script = `
      SET drive.shard = 1;
      SELECT count(*) FROM file_metadata;
      SHOW drive.shard;
      RESET drive.shard;
      SELECT count(*) FROM file_metadata;
      SET drive.key = '42';
      SELECT drive.shard_id();
      RESET drive.key;
      /* drive.shard=1 */ SELECT drive.shard_id();
      /* drive.key=8 */ SELECT drive.shard_id();`;
    expect(await run(script)).toBe('SET\n50\n1\nRESET\n100\nSET\n0\nRESET\n1\n0\n');
  });

  test.each([
    ['\\dt', 'file_metadata'],
    ['\\d', 'file_metadata_id_seq'],
    ['\\d file_metadata', 'created_at'],
    ['\\d+ file_metadata', 'PRIMARY KEY'],
    ['\\di', 'file_metadata_pkey'],
    ['\\dn', 'drive'],
    ['\\df drive.*', 'shard_id'],
    ['\\du', 'shard_user'],
    ['\\dT', 'List of data types'],
    ['\\dp file_metadata', 'Access privileges'],
    ['\\conninfo', 'connected to database "drive"'],
    ['\\encoding', 'UTF8'],
    ['\\dx', 'plpgsql'],
  ])('%s works', async (command, expected) => {
    expect(await run(command, [])).toContain(expected);
  });

  test('\\gdesc, \\gset, \\watch variables and \\bind work', async () => {
    expect(await run('SELECT id, file_name FROM file_metadata \\gdesc')).toBe(
      'id|bigint\nfile_name|text\n',
    );
    expect(await run('SELECT count(*) AS n FROM file_metadata \\gset\n\\echo :n')).toBe('100\n');
  });

  test('keeps transactions, shows their state and rolls back', async () => {
    const script = `
      BEGIN;
      DELETE FROM file_metadata;
      SELECT count(*) FROM file_metadata;
      ROLLBACK;
      SELECT count(*) FROM file_metadata;`;
    expect(await run(script)).toBe('BEGIN\nDELETE 100\n0\nROLLBACK\n100\n');
  });

  test('points at the mistake in a statement', async () => {
    const { stderr } = await psql(proxy.login, 'SELECT nothing FROM file_metadata;');
    expect(stderr).toContain('ERROR:  column "nothing" does not exist');
    expect(stderr).toMatch(/LINE 1: SELECT nothing FROM file_metadata;\n\s+\^/);
  });

  test('reads and writes files of one shard with \\copy', async () => {
    const script = `
      SET drive.shard = 0;
      \\copy (SELECT user_id FROM file_metadata ORDER BY user_id LIMIT 2) TO STDOUT
      BEGIN;
      COPY file_metadata (user_id, file_name) FROM STDIN;
1000\tcopied
1002\tcopied
\\.
      SELECT count(*) FROM file_metadata WHERE file_name = 'copied';
      ROLLBACK;`;
    expect(await run(script, ['-At'])).toBe('SET\n0\n2\nBEGIN\nCOPY 2\n2\nROLLBACK\n');
  });

  test('cancels with Ctrl-C', async () => {
    const { promise: begun, resolve } = Promise.withResolvers<number>();
    const run = psql(proxy.login, "SELECT 'begun';\nSELECT pg_sleep(60);", { begun: resolve });
    const client = await RawClient.login(proxy.login);
    const sleeping = "SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60);'";
    const here = "state = 'active' AND datname = current_database()";
    const isRunning = () => client.rows(`${sleeping} AND ${here}`);
    await expect.poll(async () => (await isRunning()).length).toBe(1);
    process.kill(await begun, 'SIGINT');
    expect((await run).stderr).toContain('canceling statement due to user request');
    await client.close();
  });

  test.each([
    [{ password: 'wrong' }, 'password authentication failed for user "shard_user"'],
    [{ user: 'nobody' }, 'password authentication failed for user "nobody"'],
    [{ database: 'nowhere' }, 'database "nowhere" does not exist'],
  ])('is told what is wrong with %j', async (change, message) => {
    const { stderr, exitCode } = await psql({ ...proxy.login, ...change }, 'SELECT 1;');
    expect(stderr).toContain(message);
    expect(exitCode).toBe(2);
  });
});
