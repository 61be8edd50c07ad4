// Parity of cursors whose rows are streamed from several shards, wherever they go.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { encodeCancelRequest } from '../../src/wire/startup.ts';
import { Random, seedFromEnvironment } from '../support/random.ts';
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

const ORDERED = 'SELECT id, name, size FROM files ORDER BY size NULLS FIRST, id DESC';

describe('A cursor whose rows are streamed', () => {
  const seed = seedFromEnvironment('CURSOR_SEED');
  let random: Random;
  beforeEach(() => {
    random = new Random(seed);
  });

  const count = () => random.pick(['', '0', '1', '2', '3', '7', '-1', '-4', 'ALL']);
  const place = () => random.pick(['0', '1', '2', '9', '30', '59', '60', '61', '-1', '-3', '-70']);
  const way = () =>
    random.pick([
      () => `FORWARD ${count()}`,
      () => `BACKWARD ${count()}`,
      () => `ABSOLUTE ${place()}`,
      () => `RELATIVE ${random.pick(['0', '1', '2', '-1', '-5', '20'])}`,
      () => random.pick(['NEXT', 'PRIOR', 'FIRST', 'LAST']),
    ])();

  test.each([
    ORDERED,
    `${ORDERED} LIMIT 11`,
    `${ORDERED} LIMIT 20 OFFSET 7`,
    `${ORDERED} OFFSET 100`,
    'SELECT size, user_id, count(*) FROM files GROUP BY user_id, size ORDER BY 2 DESC, 1',
    'SELECT now() - now() AS none, f.id FROM files f WHERE f.id > 50 ORDER BY f.id',
  ])(`goes wherever it is told to: %s (seed ${seed})`, async (query) => {
    for (const scroll of ['SCROLL', '', 'NO SCROLL']) {
      const steps = Array.from({ length: 25 }, () => {
        const sql = `${random.pick(['FETCH', 'FETCH', 'MOVE'])} ${way()} FROM c`;
        // What fails ends the transaction, but not what is to be told next.
        return ['SAVEPOINT s', sql, 'ROLLBACK TO s'];
      });
      // Without a word about it, it depends on the plan whether it goes back.
      const statements = scroll === '' ? steps.filter(([, sql]) => isForward(sql!)) : steps;
      await same(
        'BEGIN',
        `DECLARE c ${scroll} CURSOR FOR ${query}`,
        ...statements.flat(),
        'ROLLBACK',
      );
    }
  });

  const isForward = (sql: string) => /FORWARD( \d+| ALL)? {1,2}FROM|NEXT|RELATIVE [1-9]/.test(sql);

  test('goes back by no row where it may not', () =>
    same(
      'BEGIN',
      `DECLARE c NO SCROLL CURSOR FOR ${ORDERED} OFFSET 100`,
      'FETCH BACKWARD -1 FROM c',
      'MOVE BACKWARD 0 IN c',
      'FETCH 0 FROM c',
      'FETCH BACKWARD 0 FROM c',
    ));

  test('is fetched from in binary and in text by turns', async () => {
    const fetch = (sql: string, results: readonly number[]) =>
      step([
        say.parse(sql),
        say.bind([], '', '', { results }),
        say.describe('portal'),
        say.execute(),
        say.sync,
      ]);
    const steps = [
      step(say.query('BEGIN')),
      step(say.query(`DECLARE c SCROLL CURSOR FOR ${ORDERED}`)),
      fetch('FETCH 3 FROM c', [1]),
      fetch('FETCH 3 FROM c', [0, 1, 0]),
      fetch('MOVE 2 IN c', []),
      fetch('FETCH BACKWARD 4 FROM c', []),
      step(say.query('FETCH 2 FROM c')),
      step(say.query(`DECLARE d BINARY CURSOR FOR ${ORDERED}`)),
      step(say.query('FETCH 2 FROM d')),
      fetch('FETCH 2 FROM d', []),
    ];
    expect(await transcript(stand.proxy, steps)).toBe(await transcript(stand.plain, steps));
  });

  test('gives the rows of a FETCH in parts', async () => {
    const steps = [
      step(say.query('BEGIN')),
      step(say.query(`DECLARE c CURSOR FOR ${ORDERED}`)),
      step([
        say.parse('FETCH 5 FROM c'),
        say.bind(),
        say.execute('', 2),
        say.execute('', 2),
        say.sync,
      ]),
      step(say.query('FETCH 1 FROM c')),
    ];
    expect(await transcript(stand.proxy, steps)).toBe(await transcript(stand.plain, steps));
  });

  test('does not show what is written after its declaration', () =>
    same(
      'BEGIN',
      `DECLARE c SCROLL CURSOR FOR ${ORDERED}`,
      'FETCH 2 FROM c',
      'UPDATE files SET size = 100 WHERE id < 30',
      'DELETE FROM files WHERE id > 50',
      'FETCH ALL FROM c',
      'FETCH FIRST FROM c',
      `DECLARE d CURSOR FOR ${ORDERED}`,
      'FETCH 3 FROM d',
    ));

  test('is not closed by what others commit meanwhile, and does not show it', async () => {
    await stand.proxy.query('BEGIN');
    await stand.proxy.rows(`DECLARE c CURSOR FOR SELECT id FROM files WHERE id > 55 ORDER BY id`);
    await stand.second.rows(
      "INSERT INTO files VALUES (1, 1000, 'new'), (2, 1001, 'new'), (3, 1002, 'new')",
    );
    expect((await stand.proxy.rows('FETCH ALL FROM c')).flat()).toEqual(['56', '57', '58', '59']);
    await stand.second.rows('DELETE FROM files WHERE id >= 1000');
  });

  test('that is closed stays closed when a savepoint is taken back', () =>
    same(
      'BEGIN',
      `DECLARE c CURSOR FOR ${ORDERED}`,
      'SAVEPOINT s',
      'CLOSE c',
      'ROLLBACK TO s',
      'FETCH c',
      'ROLLBACK TO s',
      `DECLARE c CURSOR FOR SELECT id FROM files ORDER BY id`,
      'FETCH 2 FROM c',
      'ROLLBACK TO s',
      'FETCH 2 FROM c',
    ));

  test('is read no further than it is fetched from', async () => {
    await stand.proxy.query('BEGIN');
    await stand.proxy.rows('DECLARE c CURSOR FOR SELECT 1 / (id - 59) FROM files');
    expect(await stand.proxy.rows('FETCH 3 FROM c')).toHaveLength(3);
    expect(errorCode(await stand.proxy.query('FETCH ALL FROM c'))).toBe('22012');
  });

  test('of many rows is left half read, and ends with its transaction', async () => {
    await stand.proxy.query('BEGIN');
    await stand.proxy.rows(
      `DECLARE c CURSOR FOR SELECT f.id, repeat('x', 1000) FROM files f, generate_series(1, 2000) g
        ORDER BY f.id`,
    );
    expect(await stand.proxy.rows('FETCH 70000 FROM c')).toHaveLength(70_000);
    expect(await stand.proxy.rows('SELECT count(*) FROM files')).toEqual([['60']]);
    await stand.proxy.query('COMMIT');
    expect(errorCode(await stand.proxy.query('FETCH c'))).toBe('34000');
  });

  test('is cancelled, and then cannot be run', async () => {
    await stand.proxy.query('BEGIN');
    await stand.proxy.rows('DECLARE c CURSOR FOR SELECT id, pg_sleep(id) FROM files');
    await stand.proxy.rows('SAVEPOINT s');
    const answer = stand.proxy.query('FETCH ALL FROM c');
    const other = await RawClient.open(stand.tested.login);
    other.send(encodeCancelRequest(stand.proxy.key.processId, stand.proxy.key.secret));
    await other.untilEnd();
    other.destroy();
    expect(errorCode(await answer)).toBe('57014');
    await stand.proxy.query('ROLLBACK TO s');
    expect(errorCode(await stand.proxy.query('FETCH c'))).toBe('55000');
    await stand.proxy.rows('ROLLBACK TO s');
    expect(await stand.proxy.rows('SELECT count(*) FROM files')).toEqual([['60']]);
  });

  test('is one of many', async () => {
    await stand.proxy.query('BEGIN');
    for (let i = 0; i < 64; i += 1) {
      await stand.proxy.rows(
        `DECLARE c${i} CURSOR FOR SELECT id FROM files WHERE id >= ${i % 50} ORDER BY id`,
      );
    }
    for (let i = 63; i >= 0; i -= 1) {
      expect(await stand.proxy.rows(`FETCH c${i}`)).toEqual([[`${i % 50}`]]);
    }
    // This one is over copies, of which there may be none here.
    expect(errorCode(await stand.proxy.query(`DECLARE d CURSOR FOR ${ORDERED}`))).toBe('53400');
  });
});
