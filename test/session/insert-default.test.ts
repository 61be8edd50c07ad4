// INSERT that leaves the sharding key to its default: evaluated once, then each row is on its shard.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';

const SHARDS = 2;

let proxy: TestProxy;
let client: RawClient;
let shards: RawClient[];

beforeAll(async () => {
  proxy = await startTestProxy({ shards: SHARDS });
  client = await RawClient.login(proxy.login);
  shards = await Promise.all(proxy.shards.map((shard) => RawClient.login(shard)));
  await client.rows(
    'CREATE TABLE docs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text)',
  );
  await client.rows(`SELECT create_distributed_table('docs', 'id')`);
});

afterAll(async () => {
  await Promise.all([client, ...shards].map((each) => each.close()));
  await proxy.close();
});

/** All rows, each of which is where its key belongs. */
async function stored(): Promise<Map<bigint, string>> {
  const rows = new Map<bigint, string>();
  for (const [shard, direct] of shards.entries()) {
    for (const [id, t] of await direct.rows('SELECT id, t FROM docs')) {
      expect(BigInt(id!) % BigInt(SHARDS)).toBe(BigInt(shard));
      expect(rows.has(BigInt(id!))).toBe(false);
      rows.set(BigInt(id!), t ?? '');
    }
  }
  return rows;
}

describe('A key that is an identity', () => {
  it('is given to single rows, by turns on every shard', async () => {
    const given = new Set<string>();
    for (let i = 0; i < 6; i++) {
      const [[id]] = (await client.rows(
        `INSERT INTO docs (t) VALUES ('single ${i}') RETURNING id`,
      )) as [[string]];
      given.add(id);
    }
    expect(given.size).toBe(6);
    expect(new Set([...given].map((id) => BigInt(id) % BigInt(SHARDS))).size).toBe(SHARDS);
    expect((await stored()).size).toBe(6);
  });

  it('is given to rows whose own value is not to be taken', async () => {
    const before = await stored();
    for (const rows of [
      `VALUES (-5, 'x')`,
      `VALUES (-4, 'y'), (DEFAULT, 'z'), (NULL, 'w')`,
      `VALUES (-4, (SELECT max(t) || ' most' FROM docs))`,
      `SELECT -g, 'q' FROM generate_series(1, 3) g`,
      `SELECT id - 1000, 'r' FROM docs WHERE t = 'q'`,
    ]) {
      await client.rows(`INSERT INTO docs OVERRIDING USER VALUE ${rows}`);
    }
    await client.rows(`INSERT INTO docs (t, id) OVERRIDING USER VALUE SELECT 's', -1`);
    await client.rows(
      `MERGE INTO docs d USING (VALUES (-1, 'm'), (-2, 'n')) v (k, t) ON d.id = v.k
       WHEN NOT MATCHED THEN INSERT (id, t) OVERRIDING USER VALUE VALUES (v.k, v.t)`,
    );
    const after = await stored();
    expect(after.size - before.size).toBe(14);
    expect([...after.keys()].filter((id) => id < 0n)).toEqual([]);
    const texts = [...after.values()].filter((t) => t.length === 1).sort();
    expect(texts).toEqual([...'mnqqqrrrswxyz']);
  });

  it('is given to many rows, to DEFAULT, to DEFAULT VALUES and to the rows of a query', async () => {
    const before = await stored();
    await client.rows(`INSERT INTO docs (t) VALUES ('a'), ('b')`);
    await client.rows(`INSERT INTO docs VALUES (DEFAULT, 'c'), (DEFAULT, 'd')`);
    await client.rows('INSERT INTO docs DEFAULT VALUES');
    await client.rows(`INSERT INTO docs (t) SELECT 'row ' || g FROM generate_series(1, 5) g`);
    await client.rows(`INSERT INTO docs (t) SELECT t || ' again' FROM docs WHERE t LIKE 'row%'`);
    const after = await stored();
    expect(after.size - before.size).toBe(15);
    expect([...after.values()].filter((t) => t.endsWith(' again'))).toHaveLength(5);
  });

  it('is given to rows that a MERGE inserts without it, also where others are asked for that', async () => {
    const before = await stored();
    await client.rows(
      `MERGE INTO docs d USING (VALUES (1, 'u'), (2, 'v')) v (k, t) ON d.id = -v.k
       WHEN NOT MATCHED AND v.k = 1 THEN INSERT (t) VALUES ('merged ' || v.t)
       WHEN NOT MATCHED THEN INSERT VALUES (DEFAULT, 'merged ' || v.t)`,
    );
    const [[done, id, t]] = (await client.rows(
      `MERGE INTO docs d USING (VALUES ('w')) v (t) ON d.t = 'merged' || v.t
       WHEN NOT MATCHED AND v.t > (SELECT min(t) FROM docs WHERE t LIKE 'merged%') THEN
         INSERT (t) VALUES ('merged ' || v.t)
       RETURNING merge_action(), d.*`,
    )) as [[string, string, string]];
    const after = await stored();
    expect([done, after.get(BigInt(id))]).toEqual(['INSERT', t]);
    expect(after.size - before.size).toBe(3);
    expect([...after.values()].filter((each) => each.startsWith('merged ')).sort()).toEqual([
      'merged u',
      'merged v',
      'merged w',
    ]);
  });

  it('cannot be given by hand, as on one PostgreSQL', async () => {
    expect(errorCode(await client.query(`INSERT INTO docs VALUES (1 + 1, 'x')`))).toBe('428C9');
    await client.rows(`INSERT INTO docs OVERRIDING SYSTEM VALUE VALUES (1000000 + 1, 'given')`);
    expect((await stored()).get(1_000_001n)).toBe('given');
  });
});

describe('A volatile key', () => {
  it('is evaluated once', async () => {
    const [[id, t]] = (await client.rows(
      `INSERT INTO docs (id, t) OVERRIDING SYSTEM VALUE
       VALUES ((random() * 1000000000)::bigint + 5000000, random()::text) RETURNING id, t`,
    )) as [[string, string]];
    expect((await stored()).get(BigInt(id))).toBe(t);
  });
});

describe('A SELECT with fewer columns than the table', () => {
  it('leaves the key to be NULL, which its server or the proxy refuses', async () => {
    await client.rows('CREATE TABLE strict (id int, user_id bigint NOT NULL, t text)');
    await client.rows('CREATE TABLE loose (id int, user_id bigint, t text)');
    const code = async (sql: string) => errorCode(await client.query(sql));
    expect(await code('INSERT INTO strict SELECT 1')).toBe('23502');
    expect(await code('INSERT INTO strict SELECT')).toBe('0A000');
    expect(await code('INSERT INTO loose SELECT 1')).toBe('0A000');
    expect(await code('INSERT INTO loose SELECT 1, 7')).toBe('');
    expect(await client.rows('SELECT id, user_id FROM loose')).toEqual([['1', '7']]);
  });
});
