// Statements over several shards that come again: every shard keeps its part of them.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';

let proxy: TestProxy;
let client: Client;

beforeAll(async () => {
  // One connection a shard: what it keeps, every statement meets.
  proxy = await startTestProxy({ shards: 2, config: { pool: { size: 1 } } });
  client = new Client(proxy.login);
  await client.connect();
  await client.query('CREATE TABLE notes (user_id int8, id int4, size int2, tag text)');
  await client.query(
    `INSERT INTO notes VALUES ${Array.from({ length: 20 }, (_, i) => `(${i}, ${i}, ${i}, 'n ${i}')`)}`,
  );
});

afterAll(async () => {
  await client.end();
  await proxy.close();
});

/** What each shard keeps that begins so, as it tells itself. */
async function kept(begin: string): Promise<string[][]> {
  const found: string[][] = [];
  for (const shard of [0, 1]) {
    const { rows } = await client.query(
      `/* drive.shard=${shard} */ SELECT statement FROM pg_prepared_statements`,
    );
    const texts = rows.map(({ statement }) => statement as string);
    found.push(texts.filter((text) => text.startsWith(begin)));
  }
  return found;
}

describe('A small read over several shards that comes again', () => {
  it('is read once by each shard', async () => {
    const ask = async () => {
      const { rows } = await client.query('SELECT id, size FROM notes ORDER BY id DESC LIMIT 3');
      expect(rows.map(({ id }) => id)).toEqual([19, 18, 17]);
      return (await kept('SELECT id, size, id')).map((texts) => texts.length);
    };
    await expect.poll(ask).toEqual([1, 1]);
  });

  it('is so with parameters, whatever their values', async () => {
    let least = 0;
    const ask = async () => {
      least = (least + 1) % 20;
      const sql = 'SELECT count(*) FROM notes WHERE size >= $1 AND tag <> $2';
      const { rows } = await client.query(sql, [least, 'n 19']);
      expect(rows).toEqual([{ count: String(Math.max(0, 19 - least)) }]);
      return (await kept('SELECT count(*)')).map((texts) => texts.length);
    };
    await expect.poll(ask).toEqual([1, 1]);
  });

  it('is not kept where its text differs each time', async () => {
    for (let id = 0; id < 10; id++) {
      await client.query(`SELECT tag FROM notes WHERE size = ${id} ORDER BY tag`);
    }
    expect(await kept('SELECT tag')).toEqual([[], []]);
  });

  it('survives a change of its table past the proxy', async () => {
    const sql = 'SELECT size FROM notes ORDER BY id LIMIT 2';
    for (let round = 0; round < 10; round++) await client.query(sql);
    expect((await kept('SELECT size')).map((texts) => texts.length)).toEqual([1, 1]);
    for (const shard of proxy.shards) {
      const direct = await RawClient.login(shard);
      await direct.rows('ALTER TABLE notes ALTER COLUMN size TYPE text');
      await direct.close();
    }
    // Described anew, while the servers keep a plan of the column as it was.
    for (let round = 0; round < 10; round++) {
      expect((await client.query(`${sql} `)).rows).toEqual([{ size: '0' }, { size: '1' }]);
    }
  });

  it('tells its errors as they are', async () => {
    for (let round = 0; round < 6; round++) {
      const failed = client.query('SELECT 1 / (id - id) FROM notes ORDER BY id');
      await expect(failed).rejects.toMatchObject({ code: '22012' });
      const missing = client.query('SELECT id FROM notes ORDER BY nothing');
      await expect(missing).rejects.toMatchObject({ code: '42703', position: '31' });
    }
  });
});
