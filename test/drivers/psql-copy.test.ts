// psql's \copy through the proxy: files in and out, and a reference table with its copies.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { hasPsql, psql } from './psql.ts';

const TABLES = [
  'CREATE TABLE files (user_id int8 NOT NULL, name text)',
  'CREATE TABLE country (code text PRIMARY KEY, name text)',
  'CREATE TABLE stamped (code text, made timestamptz DEFAULT now())',
];

describe.runIf(hasPsql)('psql', () => {
  let proxy: TestProxy;
  let folder: string;
  const rules = { country: { kind: 'reference' }, stamped: { kind: 'reference' } } as const;

  beforeAll(async () => {
    folder = temporaryDirectory();
    proxy = await startTestProxy({
      config: { sharding: { tables: rules } },
      prepare: async ({ shards }) => {
        for (const shard of shards) {
          const direct = await RawClient.login(shard);
          for (const sql of TABLES) await direct.rows(sql);
          await direct.close();
        }
      },
    });
  });

  afterAll(() => proxy.close());

  beforeEach(async () => {
    await psql(proxy.login, 'DELETE FROM files;');
  });

  const run = (input: string) => psql(proxy.login, input, { args: ['-At'] });

  /** The answer of each shard to a query. */
  const onShards = (sql: string) =>
    Promise.all(
      proxy.shards.map(async (shard) => {
        const direct = await RawClient.login(shard);
        const rows = await direct.rows(sql);
        await direct.close();
        return rows;
      }),
    );

  test('\\copy from a file puts each row on its shard, \\copy to writes them all', async () => {
    const from = join(folder, 'in.csv');
    const to = join(folder, 'out.csv');
    const rows = Array.from({ length: 20_000 }, (_, i) => `${i},"name, ${i}"`);
    writeFileSync(from, `user_id,name\n${rows.join('\n')}\n`);
    const { stdout, stderr } = await run(`
      \\copy files FROM '${from}' WITH (FORMAT csv, HEADER match)
      \\copy files TO '${to}' WITH (FORMAT csv, HEADER, FORCE_QUOTE (name))`);
    expect(stderr).toBe('');
    expect(stdout).toBe('COPY 20000\nCOPY 20000\n');
    const [header, ...written] = readFileSync(to, 'utf8').trimEnd().split('\n');
    expect(header).toBe('user_id,name');
    expect(written.sort()).toEqual(rows.sort());
    const counts = await onShards('SELECT count(*), min(user_id % 2), max(user_id % 2) FROM files');
    expect(counts).toEqual([[['10000', '0', '0']], [['10000', '1', '1']]]);
  });

  test('\\copy from stdin ends at the marker of an old client', async () => {
    const { stdout, stderr } = await run(
      '\\copy files FROM stdin\n1\tone\n2\ttwo\n\\.\nSELECT count(*) FROM files;\n',
    );
    expect(stderr).toBe('');
    expect(stdout).toBe('COPY 2\n2\n');
  });

  test('\\copy names the line of a bad row', async () => {
    const { stderr } = await run('\\copy files FROM stdin\n1\tone\n2\ttwo\nx\tbad\n\\.\n');
    expect(stderr).toContain('invalid input syntax for type bigint: "x"');
    expect(stderr).toContain('COPY files, line 3, column user_id: "x"');
    expect((await run('SELECT count(*) FROM files;')).stdout).toBe('0\n');
  });

  test('\\copy of a reference table fills the copy on every shard', async () => {
    const { stdout } = await run('\\copy country FROM stdin\nde\tGermany\nfr\tFrance\n\\.\n');
    expect(stdout).toBe('COPY 2\n');
    const all = [
      ['de', 'Germany'],
      ['fr', 'France'],
    ];
    expect(await onShards('SELECT * FROM country ORDER BY code')).toEqual([all, all]);
    const again = await run('\\copy country FROM stdin\nus\tUSA\nde\ttwice\n\\.\n');
    expect(again.stderr).toContain('duplicate key');
    expect(await onShards('SELECT * FROM country ORDER BY code')).toEqual([all, all]);
  });

  test('a reference table whose servers would each take their own default is refused', async () => {
    const { stderr } = await run('\\copy stamped (code) FROM stdin\na\n\\.\n');
    expect(stderr).toContain('leaves a value to each server');
  });
});
