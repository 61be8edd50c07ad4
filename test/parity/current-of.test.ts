// Parity of WHERE CURRENT OF a cursor whose rows are streamed from several shards.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { errorCode, RawClient } from '../support/raw-client.ts';
import { say, step, transcript } from '../support/transcript.ts';
import { type CursorStand, startCursorStand } from './cursor-stand.ts';

let stand: CursorStand;

beforeAll(async () => {
  stand = await startCursorStand();
});

afterEach(() => stand.rollBack());
afterAll(() => stand.close());

const same = (...statements: readonly string[]) => stand.same(...statements);

describe('WHERE CURRENT OF a cursor over several shards', () => {
  const ALL = 'SELECT user_id, id, name, size FROM files ORDER BY user_id, id';

  test.each(['', 'ORDER BY id'])('writes the row it is on: FOR UPDATE %s', async (order) => {
    for (const client of [stand.plain, stand.proxy]) {
      await client.query('BEGIN');
      await client.rows(`DECLARE c CURSOR FOR SELECT id FROM files ${order} FOR UPDATE`);
      for (;;) {
        const [row] = await client.rows('FETCH c');
        if (row === undefined) break;
        const id = Number(row[0]);
        if (id % 3 === 0) await client.rows('DELETE FROM files WHERE CURRENT OF c');
        else await client.rows(`UPDATE files SET size = ${id} * 2 WHERE CURRENT OF c`);
      }
    }
    await same('FETCH c', ALL);
  });

  test('does so where rows have been read ahead, too, in any direction', () =>
    same(
      'BEGIN',
      'SET LOCAL enable_seqscan = off',
      'SET LOCAL enable_bitmapscan = off',
      'DECLARE c SCROLL CURSOR FOR SELECT * FROM files ORDER BY user_id, id',
      'FETCH 5 FROM c',
      "UPDATE files SET name = 'fifth' WHERE CURRENT OF c RETURNING *",
      'FETCH 3 FROM c',
      'DELETE FROM files WHERE CURRENT OF c RETURNING id',
      'FETCH BACKWARD 2 FROM c',
      "UPDATE files SET name = name || ', before' WHERE CURRENT OF c RETURNING *",
      "UPDATE files SET name = name || ', twice' WHERE CURRENT OF c RETURNING *",
      'FETCH 4 FROM c',
      'MOVE ABSOLUTE 40 IN c',
      'UPDATE files SET size = 40 WHERE CURRENT OF c RETURNING *',
      'FETCH 2 FROM c',
      ALL,
      'ROLLBACK',
      ALL,
    ));

  test('is told what PostgreSQL tells of one that is on no such row', () =>
    same(
      'BEGIN',
      'DECLARE c CURSOR FOR SELECT id FROM files ORDER BY id FOR UPDATE',
      'SAVEPOINT s',
      'DELETE FROM files WHERE CURRENT OF c',
      'ROLLBACK TO s',
      'FETCH 1 FROM c',
      'DELETE FROM other WHERE CURRENT OF c',
      'ROLLBACK TO s',
      'DELETE FROM files WHERE CURRENT OF d',
      'ROLLBACK TO s',
      'MOVE ALL IN c',
      'DELETE FROM files WHERE CURRENT OF c',
      'ROLLBACK TO s',
      'DECLARE e CURSOR FOR SELECT id FROM files ORDER BY name COLLATE "C", id',
      'FETCH 2 FROM e',
      'DELETE FROM files WHERE CURRENT OF e',
    ));

  test('by the extended protocol', async () => {
    const update = 'UPDATE files SET size = $1 WHERE CURRENT OF c RETURNING id, size';
    const steps = [
      step(say.query('BEGIN')),
      step([
        say.run('DECLARE c CURSOR FOR SELECT id FROM files WHERE id > $1 ORDER BY id FOR UPDATE', [
          '40',
        ]),
        say.sync,
      ]),
      step([say.run('FETCH 3 FROM c'), say.sync]),
      step([say.parse(update, 'u'), say.describe('statement', 'u'), say.sync]),
      step([say.bind(['7'], 'u'), say.describe('portal'), say.execute(), say.sync]),
      step([say.run('FETCH 1 FROM c'), say.bind(['8'], 'u'), say.execute(), say.sync]),
      step(say.query('FETCH 2 FROM c; UPDATE files SET size = 9 WHERE CURRENT OF c')),
      step(say.query(ALL)),
      step(say.query('ROLLBACK')),
    ];
    expect(await transcript(stand.proxy, steps)).toBe(await transcript(stand.plain, steps));
  });

  test('is explained', async () => {
    const update = 'UPDATE files SET size = 99 WHERE CURRENT OF c';
    await stand.proxy.query('BEGIN');
    await stand.proxy.rows('DECLARE c CURSOR FOR SELECT id FROM files ORDER BY id FOR UPDATE');
    expect((await stand.proxy.rows(`EXPLAIN ${update}`)).flat().join()).toContain(
      'Update on files',
    );
    await stand.proxy.rows('FETCH 2 FROM c');
    expect((await stand.proxy.rows(`EXPLAIN ANALYZE ${update}`)).flat().join()).toContain('actual');
    expect(await stand.proxy.rows('SELECT id FROM files WHERE size = 99')).toEqual([['1']]);
  });

  test('is prepared', () =>
    same(
      'BEGIN',
      'DECLARE c CURSOR FOR SELECT id FROM files ORDER BY id FOR UPDATE',
      'FETCH 2 FROM c',
      'PREPARE p(int) AS UPDATE files SET size = $1 WHERE CURRENT OF c RETURNING id, size',
      'FETCH 2 FROM c',
      'EXECUTE p(98)',
      'FETCH 1 FROM c',
      'EXECUTE p(97)',
      'DEALLOCATE p',
      'SELECT id, size FROM files WHERE size > 90 ORDER BY id',
    ));

  test('of a row whose shard nobody knows touches no other row', async () => {
    const all = await stand.proxy.rows(ALL);
    const rest = 'DELETE FROM files WHERE CURRENT OF c RETURNING id';
    for (const [sql, code] of [
      [`WITH gone AS (${rest}) SELECT * FROM gone`, '0A000'],
      [`COPY (${rest}) TO STDOUT`, '34000'],
      [`/* drive.shard=1 */ ${rest}`, '34000'],
      [`UPDATE files SET user_id = 4 WHERE CURRENT OF c`, '0A000'],
    ] as const) {
      await stand.proxy.query('BEGIN');
      await stand.proxy.rows('DECLARE c CURSOR FOR SELECT id FROM files ORDER BY id FOR UPDATE');
      await stand.proxy.rows('FETCH 5 FROM c');
      expect([sql, errorCode(await stand.proxy.query(sql))]).toEqual([sql, code]);
      await stand.proxy.query('COMMIT');
    }
    expect(await stand.proxy.rows(ALL)).toEqual(all);
  });

  test('of a cursor over copies is refused', async () => {
    const beside = await stand.tested.beside({ config: { merge: { spillBytesMax: 1 << 20 } } });
    const client = await RawClient.login(beside.login);
    await client.query('BEGIN');
    await client.rows('DECLARE c CURSOR FOR SELECT DISTINCT size FROM files');
    await client.rows('FETCH c');
    expect(errorCode(await client.query('DELETE FROM files WHERE CURRENT OF c'))).toBe('0A000');
    await client.close();
    await beside.close();
  });

  test('of a home table is refused where the cursor is elsewhere', async () => {
    const { proxy } = stand;
    await proxy.rows('CREATE TABLE kept_home (id int)');
    for (const query of ['SELECT FROM files', 'SELECT FROM files WHERE user_id IN (1, 2, 3)']) {
      await proxy.query('BEGIN');
      await proxy.rows(`DECLARE c CURSOR FOR ${query}`);
      await proxy.rows('FETCH c');
      const deleted = await proxy.query('DELETE FROM kept_home WHERE CURRENT OF c');
      expect(errorCode(deleted)).toBe('0A000');
      await proxy.query('ROLLBACK');
    }
    const codes = new Set<string | null>();
    for (const key of [1, 2, 3]) {
      await proxy.query('BEGIN');
      await proxy.rows(`DECLARE c CURSOR FOR SELECT FROM files WHERE user_id = ${key}`);
      codes.add(errorCode(await proxy.query('DELETE FROM kept_home WHERE CURRENT OF c')));
      await proxy.query('ROLLBACK');
    }
    // Of the home shard's own cursor the server says that it is not over that table.
    expect([...codes].sort()).toEqual(['0A000', '24000']);
    await proxy.rows('DROP TABLE kept_home');
  });

  test('is committed on all shards', async () => {
    for (const client of [stand.plain, stand.proxy]) {
      await client.query('BEGIN');
      await client.rows('DECLARE c CURSOR FOR SELECT FROM files FOR NO KEY UPDATE');
      for (let i = 0; i < 60; i += 1) {
        await client.rows('FETCH c');
        await client.rows("UPDATE files SET name = 'all' WHERE CURRENT OF c");
      }
      await client.query('COMMIT');
    }
    await same(ALL);
  });

  test('locks no more rows than have been fetched', async () => {
    await stand.proxy.query('BEGIN');
    await stand.proxy.rows('DECLARE c CURSOR FOR SELECT id FROM files FOR UPDATE');
    const fetched = (await stand.proxy.rows('FETCH 23 FROM c')).flat();
    const free = (await stand.second.rows('SELECT id FROM files FOR UPDATE SKIP LOCKED')).flat();
    expect([fetched.length, free.length]).toEqual([23, 37]);
    expect(new Set([...fetched, ...free]).size).toBe(60);
  });
});
