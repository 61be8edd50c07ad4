// Portals read in parts over several shards: their transaction goes on meanwhile, as on one server.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { type Step, say, step, transcript } from '../support/transcript.ts';

const DDL = 'CREATE TABLE files (user_id bigint, id int, body text)';
/** More than sockets and queues hold, so that a shard that is not read from would wait. */
const ROWS = `SELECT id % 4, id, repeat('x', 2000) FROM generate_series(1, 6000) AS id`;

let tested: TestProxy;
let plain: RawClient;

beforeAll(async () => {
  tested = await startTestProxy({
    shards: 2,
    config: { pool: { size: 2 } },
    prepare: async ({ plain: one, shards }) => {
      for (const place of [one, ...shards]) {
        const direct = await RawClient.login(place);
        await direct.rows(DDL);
        const own = place === one ? 'true' : `user_id % 2 = ${place.id}`;
        await direct.rows(
          `INSERT INTO files SELECT * FROM (${ROWS}) AS f (user_id, id, body) WHERE ${own}`,
        );
        await direct.close();
      }
    },
  });
  plain = await RawClient.login(tested.plain);
});

afterAll(async () => {
  await plain.close();
  await tested.close();
});

const ORDERED = 'SELECT id, body FROM files ORDER BY id';
const query = (sql: string) => step(say.query(sql));
const portal = (sql: string, name: string, maxRows: number) =>
  step([say.parse(sql), say.bind([], '', name), say.execute(name, maxRows), say.sync]);
const more = (name: string, maxRows: number) => step([say.execute(name, maxRows), say.sync]);

const SCRIPTS: Readonly<Record<string, readonly Step[]>> = {
  'other statements run on the same shards': [
    query('BEGIN'),
    portal(ORDERED, 'p', 2),
    query('SELECT count(*) FROM files'),
    query('SELECT id FROM files WHERE user_id = 1 ORDER BY id LIMIT 2'),
    more('p', 3),
    query('COMMIT'),
    more('p', 3),
  ],
  'a table that it has read to its end may be changed': [
    ...[
      'SELECT id FROM files WHERE id < 5 ORDER BY id',
      'SELECT id FROM files ORDER BY id LIMIT 3',
      'SELECT user_id, count(*) FROM files GROUP BY user_id ORDER BY user_id',
    ].flatMap((sql) => [
      query('BEGIN'),
      portal(sql, '', 2),
      more('', 0),
      query('ALTER TABLE files ADD COLUMN note text'),
      query('ROLLBACK'),
      query('BEGIN'),
      portal(sql, 'p', 1),
      step([say.close('portal', 'p'), say.sync]),
      query('TRUNCATE files'),
      query('ROLLBACK'),
    ]),
  ],
  'what the transaction changes meanwhile is not in its rows': [
    query('BEGIN'),
    portal(ORDERED, 'p', 1),
    query("UPDATE files SET body = 'changed' WHERE id < 10"),
    query('DELETE FROM files WHERE id = 5'),
    more('p', 6),
    query('SELECT count(*) FROM files'),
    query('ROLLBACK'),
  ],
  'two of them in turns, and one of the merge engine': [
    query('BEGIN'),
    portal(ORDERED, 'p', 2),
    portal('SELECT id, rank() OVER (ORDER BY id DESC) FROM files ORDER BY id', 'e', 2),
    portal('SELECT user_id, count(*) FROM files GROUP BY user_id ORDER BY 1', 'g', 1),
    more('e', 2),
    more('p', 1),
    more('g', 2),
    more('e', 1),
    more('g', 5),
    step([say.close('portal', 'p'), say.sync]),
    query('SELECT max(id) FROM files'),
    query('COMMIT'),
  ],
  'what a write returns, which is done at once': [
    query('BEGIN'),
    portal("UPDATE files SET body = 'y' WHERE id < 10 RETURNING 1", 'w', 4),
    query("SELECT count(*) FROM files WHERE body = 'y'"),
    more('w', 4),
    more('w', 4),
    portal('DELETE FROM files WHERE id < 3 RETURNING 1', 'd', 2),
    more('d', 2),
    portal('DELETE FROM files WHERE id < 6', 'n', 2),
    portal("UPDATE files SET body = 'z' WHERE id < 10 RETURNING 1", 'a', 0),
    query('ROLLBACK'),
    portal(
      "INSERT INTO files SELECT g, 9000 + g, 'z' FROM generate_series(1, 5) g RETURNING 1",
      'i',
      2,
    ),
    more('i', 2),
    query('DELETE FROM files WHERE id > 9000'),
  ],
  'a FETCH in parts': [
    query('BEGIN'),
    query('DECLARE c CURSOR FOR SELECT id FROM files ORDER BY id'),
    portal('FETCH 5 FROM c', 'f', 2),
    more('f', 2),
    more('f', 2),
    query('FETCH 1 FROM c'),
    query('COMMIT'),
  ],
  'a savepoint that is rolled back takes it along, an earlier one does not': [
    query('BEGIN'),
    portal(ORDERED, 'p', 2),
    query('SAVEPOINT s'),
    portal(ORDERED, 'q', 2),
    query('SELECT nothing FROM files'),
    query('ROLLBACK TO s'),
    more('p', 2),
    query('COMMIT'),
  ],
  'one that is read to its end and one that is left are no matter': [
    query('BEGIN'),
    portal('SELECT id FROM files WHERE id <= 5 ORDER BY id', 'p', 4),
    more('p', 4),
    portal(ORDERED, 'q', 1),
    query('ROLLBACK'),
    query('SELECT count(*) FROM files'),
  ],
  'within one implicit transaction': [
    step([
      ...[say.parse(ORDERED), say.bind([], '', 'p'), say.execute('p', 2)],
      ...[say.parse('SELECT count(*) FROM files'), say.bind(), say.execute()],
      ...[say.execute('p', 2), say.sync],
    ]),
  ],
};

describe('While a portal is suspended', () => {
  it.each(Object.entries(SCRIPTS))('%s', async (_, steps) => {
    const client = await RawClient.login(tested.login);
    const ours = await transcript(client, steps);
    expect(ours).toBe(await transcript(plain, steps));
    await client.close();
  });

  it('a client that goes away leaves its connections to others', async () => {
    for (let i = 0; i < 3; i++) {
      const client = await RawClient.login(tested.login);
      await transcript(client, [query('BEGIN'), portal(ORDERED, 'p', 2)]);
      client.destroy();
    }
    const next = await RawClient.login(tested.login);
    expect(await next.rows('SELECT count(*) FROM files')).toEqual([['6000']]);
    await next.close();
  });
});
