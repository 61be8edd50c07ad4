// Row locks over several shards: taken in shard order, and on no more rows than are put out.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { encodeCancelRequest } from '../../src/wire/startup.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, letters, RawClient, rowsOf } from '../support/raw-client.ts';
import { say } from '../support/transcript.ts';

let proxy: TestProxy;
let first: RawClient;
let second: RawClient;
/** Past the proxy, one a shard. */
const directs: RawClient[] = [];

beforeAll(async () => {
  proxy = await startTestProxy({
    shards: 3,
    prepare: async ({ shards }) => {
      for (const place of shards) {
        const direct = await RawClient.login(place);
        await direct.rows('CREATE TABLE jobs (user_id bigint, id int PRIMARY KEY, body text)');
        await direct.rows('CREATE TABLE loose (user_id bigint, x int)');
        directs.push(direct);
      }
    },
  });
  first = await RawClient.login(proxy.login);
  second = await RawClient.login(proxy.login);
  const rows = Array.from({ length: 12 }, (_, i) => `(${i}, ${i}, 'job')`);
  await first.rows(`INSERT INTO jobs VALUES ${rows.join(', ')}`);
  await first.rows(
    `INSERT INTO loose VALUES ${rows.map((_, i) => `(${i}, ${i % 10})`).join(', ')}`,
  );
});

afterAll(async () => {
  await first.close();
  await second.close();
  for (const direct of directs) await direct.close();
  await proxy.close();
});

it('a queue: workers take different rows, each as many as it asks for', async () => {
  const take = 'SELECT id FROM jobs LIMIT 5 FOR UPDATE SKIP LOCKED';
  await first.query('BEGIN');
  await second.query('BEGIN');
  const one = (await first.rows(take)).flat();
  const two = (await second.rows(take)).flat();
  const left = await second.rows('SELECT id FROM jobs ORDER BY id FOR UPDATE SKIP LOCKED');
  await first.query('COMMIT');
  await second.query('COMMIT');
  expect([one.length, two.length]).toEqual([5, 5]);
  expect(new Set([...one, ...two]).size).toBe(10);
  // Nothing but what the first has taken is locked for the second.
  expect(left).toHaveLength(7);
});

it('NOWAIT says which row cannot be had, and rows without a lock stay free', async () => {
  await first.query('BEGIN');
  await first.rows('SELECT id FROM jobs WHERE id = 8 FOR UPDATE');
  const answer = await second.query('SELECT id FROM jobs FOR UPDATE NOWAIT');
  expect(errorCode(answer)).toBe('55P03');
  expect(await second.rows('SELECT count(*) FROM jobs')).toEqual([['12']]);
  await first.query('ROLLBACK');
  expect(
    await second.rows('SELECT id FROM jobs WHERE id < 2 ORDER BY id FOR UPDATE NOWAIT'),
  ).toEqual([['0'], ['1']]);
});

it('two that lock all rows wait for each other and both end', async () => {
  const rounds = Array.from({ length: 10 }, async () => {
    const client = await RawClient.login(proxy.login);
    for (let i = 0; i < 5; i++) {
      await client.query('BEGIN');
      expect(await client.rows('SELECT id FROM jobs FOR UPDATE')).toHaveLength(12);
      await client.query('COMMIT');
    }
    await client.close();
  });
  await Promise.all(rounds);
});

/** The merge engine does what streams cannot, and in this way also what they can. */
describe.each(['streams', 'the merge engine'])('Under ORDER BY and LIMIT, by %s,', (how) => {
  let tested: Pick<TestProxy, 'login' | 'close'>;
  let first: RawClient;
  let second: RawClient;

  beforeAll(async () => {
    tested = await proxy.beside({ forceEngine: how !== 'streams' });
    first = await RawClient.login(tested.login);
    second = await RawClient.login(tested.login);
  });

  afterAll(async () => {
    await first.close();
    await second.close();
    await tested.close();
  });

  const take = (rows: number, rest = 'SKIP LOCKED') =>
    `SELECT id FROM jobs WHERE body = 'job' ORDER BY id LIMIT ${rows} FOR UPDATE ${rest}`;

  afterEach(async () => {
    await first.query('ROLLBACK');
    await second.query('ROLLBACK');
    await first.query("UPDATE jobs SET body = 'job' WHERE body <> 'job'");
  });

  it('workers take the first rows that are free, and lock no others', async () => {
    await first.query('BEGIN');
    await second.query('BEGIN');
    expect(await first.rows(take(2))).toEqual([['0'], ['1']]);
    expect(await second.rows(take(3))).toEqual([['2'], ['3'], ['4']]);
    // Its own rows are free for it; those that OFFSET passes over are locked, too.
    expect(await first.rows(take(2).replace('FOR', 'OFFSET 1 FOR'))).toEqual([['1'], ['5']]);
    expect(await second.rows(take(100))).toHaveLength(9);
  });

  it('the first free row is found behind many that are not', async () => {
    const rows = Array.from({ length: 200 }, (_, i) => `(${(i * 7) % 11}, ${i + 1000}, 'busy')`);
    await first.rows(`INSERT INTO jobs VALUES ${rows.join(', ')}`);
    const busy = "SELECT id FROM jobs WHERE body = 'busy' ORDER BY id LIMIT";
    await first.query('BEGIN');
    expect(await first.rows(`${busy} 150 FOR UPDATE`)).toHaveLength(150);
    await first.rows('SELECT id FROM jobs WHERE id = 1160 FOR UPDATE');
    await second.query('BEGIN');
    const skipping = `${busy} 15 OFFSET 1 FOR UPDATE SKIP LOCKED`;
    const expected = Array.from({ length: 17 }, (_, i) => `${1150 + i}`).filter(
      (id) => id !== '1160',
    );
    expect((await second.rows(skipping)).flat()).toEqual(expected.slice(1));
    expect(await first.rows(`${busy} 100 FOR UPDATE SKIP LOCKED`)).toHaveLength(100);
    await first.query('ROLLBACK');
    await second.query('ROLLBACK');
    await first.query("DELETE FROM jobs WHERE body = 'busy'");
  });

  it('many workers empty the queue, each job once', async () => {
    const taken: string[] = [];
    const workers = Array.from({ length: 6 }, async () => {
      const client = await RawClient.login(tested.login);
      for (;;) {
        await client.query('BEGIN');
        const [row] = await client.rows(`SELECT user_id, ${take(1).slice('SELECT '.length)}`);
        if (row === undefined) break;
        await client.rows(
          `UPDATE jobs SET body = 'done' WHERE user_id = ${row[0]} AND id = ${row[1]}`,
        );
        await client.query('COMMIT');
        taken.push(row[1]!);
      }
      await client.query('COMMIT');
      await client.close();
    });
    await Promise.all(workers);
    expect(taken.map(Number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 12 }, (_, i) => i),
    );
  });

  /** What `second` answers to a statement for which it waits until `first` commits. */
  async function afterCommit(sql: string): Promise<readonly (string | null)[][]> {
    const answer = second.query(sql);
    await waiting();
    await first.query('COMMIT');
    return rowsOf(await answer);
  }

  /** Resolves when a server has somebody wait for a row. */
  async function waiting(): Promise<void> {
    const waits = `SELECT 1 FROM pg_stat_activity
      WHERE wait_event_type = 'Lock' AND datname = current_database()`;
    for (;;) {
      for (const direct of directs) if ((await direct.rows(waits)).length > 0) return;
    }
  }

  it('a row that has changed while it was waited for is judged as it is now', async () => {
    await first.query('BEGIN');
    await first.query("UPDATE jobs SET body = 'done' WHERE id = 0");
    expect(await afterCommit(take(2, ''))).toEqual([['1'], ['2']]);
    await first.query('BEGIN');
    await first.query("UPDATE jobs SET body = 'new' WHERE id = 1");
    const sql = "SELECT id, body FROM jobs WHERE body <> 'done' ORDER BY id LIMIT 1 FOR UPDATE";
    expect(await afterCommit(sql)).toEqual([['1', 'new']]);
    await first.query('BEGIN');
    await first.query('DELETE FROM jobs WHERE id = 2');
    expect(await afterCommit(take(1, ''))).toEqual([['3']]);
    await first.query("INSERT INTO jobs VALUES (2, 2, 'job')");
  });

  it('one that waits can be cancelled, and leaves nothing locked', async () => {
    await first.query('BEGIN');
    await first.rows('SELECT id FROM jobs WHERE id = 1 FOR UPDATE');
    const answer = second.query(take(3, ''));
    await waiting();
    const other = await RawClient.open(tested.login);
    other.send(encodeCancelRequest(second.key.processId, second.key.secret));
    await other.untilEnd();
    other.destroy();
    expect(errorCode(await answer)).toBe('57014');
    expect(await first.rows(take(3, 'NOWAIT'))).toEqual([['0'], ['1'], ['2']]);
    await first.query('ROLLBACK');
    expect(await second.rows(take(1, ''))).toEqual([['0']]);
  });

  it('REPEATABLE READ cannot have a row that has changed since', async () => {
    await second.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await second.rows('SELECT count(*) FROM jobs');
    await first.query("UPDATE jobs SET body = 'done' WHERE id = 0");
    expect(errorCode(await second.query(take(1, '')))).toBe('40001');
  });

  it('NOWAIT fails on the first row that is not free; a read-only transaction on any', async () => {
    await first.query('BEGIN');
    await first.rows(take(1));
    expect(errorCode(await second.query(take(1, 'NOWAIT')))).toBe('55P03');
    await second.query('BEGIN READ ONLY');
    const none = take(1).replace("'job'", "'nobody'");
    expect(errorCode(await second.query(none))).toBe('25006');
  });

  it('whole rows over copies, which have more columns, are refused', async () => {
    const of = (item: string) =>
      `SELECT ${item} FROM jobs j JOIN loose l ON l.x = j.id WHERE j.id < 2 ORDER BY j.id FOR UPDATE OF j`;
    for (const item of ['to_json(j)', 'j', 'row_to_json(j.*)', 'j IS NULL']) {
      expect(errorCode(await first.query(of(item))), item).toBe('0A000');
    }
    expect((await first.rows(of('j.id, to_json(l)')))[0]).toHaveLength(2);
    expect((await first.rows(of('j.*')))[0]).toHaveLength(3);
  });

  it('without a primary key, with parameters, suspended', async () => {
    const loose = 'SELECT x FROM loose ORDER BY x DESC LIMIT $1 OFFSET $2 FOR UPDATE SKIP LOCKED';
    await first.query('BEGIN');
    expect(await first.rows(loose.replace('$1', '3').replace('$2', '0'))).toEqual([
      ['9'],
      ['8'],
      ['7'],
    ]);
    second.send(
      say.parse(loose),
      say.bind(['4', '1']),
      say.execute('', 3),
      say.execute(),
      say.sync,
    );
    const answer = await second.untilReady();
    expect(rowsOf(answer)).toEqual([['5'], ['4'], ['3'], ['2']]);
    expect(letters(answer)).toBe('12DDDsDCZ');
  });
});
