// sql/ on shards: as often as one likes, and never with the shards mixed up.

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { installSchema } from '../../src/local/schema.ts';
import type { Shard } from '../../src/topology/shard.ts';
import { type FreshDatabases, freshDatabases } from '../support/cluster.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

let databases: FreshDatabases;
let shard: Shard;
let client: Client;
beforeAll(async () => {
  databases = await freshDatabases(2, { application: true });
  shard = databases.shards[1]!;
  client = await connectAsText(shard);
});
afterAll(async () => {
  await client?.end();
  await databases?.drop();
});

it('installing again changes nothing', async () => {
  await client.query("INSERT INTO file_metadata (user_id, file_name) VALUES (1, 'a')");
  await installSchema(databases.shards);
  expect(await textRows(client, 'SELECT id, file_name FROM file_metadata')).toEqual([['1', 'a']]);
  await client.query("INSERT INTO file_metadata (user_id, file_name) VALUES (1, 'b')");
  expect(await textRows(client, 'SELECT max(id) FROM file_metadata')).toEqual([['1025']]);
});

it('a shard cannot be installed as another one', async () => {
  await expect(installSchema([{ ...shard, id: 0 }])).rejects.toThrow(
    `shard 0 (${shard.database} on 127.0.0.1:${shard.port}): database ${shard.database} is shard 1 ` +
      'and cannot become shard 0',
  );
  expect(await textRows(client, 'SELECT drive.shard_id()')).toEqual([['1']]);
});

it('a shard cannot be installed as one of another number of shards', async () => {
  const { length } = databases.shards;
  await expect(installSchema([shard])).rejects.toThrow(
    `database ${shard.database} is one of ${length} shards and cannot become one of 1`,
  );
  expect(await textRows(client, 'SELECT drive.shard_count()')).toEqual([[String(length)]]);
});

it('a shard number beyond the stride of ids is refused', async () => {
  await expect(installSchema([{ ...shard, id: 1024 }])).rejects.toThrow('0 to 1023, not 1024');
});

it('a shard that does not answer is named', async () => {
  await expect(installSchema([{ ...shard, port: 1 }])).rejects.toThrow(
    /^shard 1 \(.* on 127\.0\.0\.1:1\): connect ECONNREFUSED/,
  );
});

it('the log of two-phase commits takes the two decisions and no other', async () => {
  await client.query("INSERT INTO drive.txlog (gid, state) VALUES ('a', 'commit'), ('b', 'abort')");
  await expect(
    client.query("INSERT INTO drive.txlog (gid, state) VALUES ('c', 'maybe')"),
  ).rejects.toThrow('txlog_state_check');
});

it('the primary key begins with the sharding key, and the newest files have an index', async () => {
  const indexes = await textRows(
    client,
    `SELECT pg_get_indexdef(indexrelid, 1, true), pg_get_indexdef(indexrelid, 2, true), indisprimary
       FROM pg_index WHERE indrelid = 'file_metadata'::regclass ORDER BY indexrelid`,
  );
  expect(indexes).toEqual([
    ['user_id', 'id', 't'],
    ['user_id', 'created_at', 'f'],
    ['created_at', '', 'f'],
  ]);
});
