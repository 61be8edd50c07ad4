// Merge engine: statements that one server computes over the rows of all, in a session's life.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encodeCancelRequest } from '../../src/wire/startup.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, fieldsOf, RawClient, rowsOf, statusOf } from '../support/raw-client.ts';
import { say, step, transcript } from '../support/transcript.ts';

const DDL = `
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
  CREATE TYPE place AS (x int, tag mood);
  CREATE TABLE files (
    user_id bigint NOT NULL, id int NOT NULL, name varchar(20), size numeric(9,2),
    feels mood, felt mood[], at place, made timestamptz, doc jsonb, raw bytea,
    PRIMARY KEY (user_id, id));`;
const HOME_DDL = 'CREATE TABLE notes (id int PRIMARY KEY, body text);';
const ROWS = Array.from(
  { length: 40 },
  (_, i) =>
    `(${i % 7}, ${i}, 'file ${i % 5}', ${i}.25, '${['sad', 'ok', 'happy'][i % 3]}', '{ok,sad}',
      '(${i},happy)', '2026-01-01T00:00:${10 + i}Z', '{"n": ${i}}', '\\x0${i % 10}')`,
).join(', ');
const INSERT = `INSERT INTO files VALUES ${ROWS}; INSERT INTO notes VALUES (1, 'one'), (2, 'two')`;

/** Rows may be copied as parameters of the statement, or into temporary tables only. */
describe.each([2_000, 0])('With at most %i rows as parameters', (inlineRowsMax) => {
  /** What a shard is sent for its rows of a table. */
  const READS = inlineRowsMax === 0 ? 'COPY (SELECT%' : 'SELECT % LIMIT 2001';

  let proxy: TestProxy;
  let client: RawClient;
  let plain: RawClient;

  beforeAll(async () => {
    proxy = await startTestProxy({
      shards: 3,
      config: { pool: { size: 4 }, merge: { spillBytesMax: 60_000, inlineRowsMax } },
      prepare: async ({ plain: one, shards }) => {
        for (const place of [one, ...shards]) {
          const direct = await RawClient.login(place);
          // Other servers give other oids to types made by users.
          if (place !== one) await direct.rows(`CREATE TYPE filler_${place.id} AS (x int)`);
          await direct.rows(DDL);
          if (place === one || place.id === 0) await direct.rows(HOME_DDL);
          await direct.close();
        }
      },
    });
    plain = await RawClient.login(proxy.plain);
    await plain.rows(INSERT);
    const first = await RawClient.login(proxy.login);
    for (const sql of INSERT.split('; ')) await first.rows(sql);
    await first.close();
  });

  afterAll(async () => {
    await plain.close();
    await proxy.close();
  });

  beforeEach(async () => {
    client = await RawClient.login(proxy.login);
  });

  afterEach(() => client.close());

  /** The same on both servers. */
  async function same(sql: string): Promise<void> {
    const answer = rowsOf(await client.query(sql));
    expect(answer, sql).toEqual(await plain.rows(sql));
    expect(answer.length, sql).toBeGreaterThan(0);
  }

  describe('The merge engine answers as one server', () => {
    const PARAMETERS = 'SELECT count(DISTINCT name), $2::text FROM files WHERE id > $1';
    const RANKED = 'SELECT id, name, size, rank() OVER (ORDER BY id) AS r FROM files ORDER BY id';

    it('to Parse, Bind, Describe and Execute with parameters in both formats', async () => {
      const binary = { formats: [1, 0], results: [1] };
      const steps = [
        step([say.parse(PARAMETERS), say.describe('statement'), say.sync]),
        step([
          say.parse(PARAMETERS),
          say.bind(['7', 'x']),
          say.describe('portal'),
          say.execute(),
          say.sync,
        ]),
        step([
          say.parse(PARAMETERS, '', [23, 25]),
          say.bind([Buffer.from([0, 0, 0, 7]), 'x'], '', '', binary),
          say.describe('portal'),
          say.execute(),
          say.sync,
        ]),
        step([
          say.parse(RANKED),
          say.bind([], '', '', { results: [0, 0, 1, 1] }),
          say.execute(),
          say.sync,
        ]),
        step(say.query(RANKED)),
      ];
      expect(await transcript(client, steps)).toBe(await transcript(plain, steps));
    });

    it('to Execute with row limits, and to a portal closed before its end', async () => {
      const steps = [
        step([
          ...[say.parse(RANKED), say.bind(), say.execute('', 7), say.execute('', 7)],
          ...[say.execute(), say.sync],
        ]),
        step([
          say.parse(RANKED, 's'),
          say.bind([], 's', 'p'),
          say.execute('p', 3),
          say.close('portal', 'p'),
          say.sync,
        ]),
        step([say.bind([], 's', 'p'), say.execute('p', 2), say.sync]),
        step(say.query('SELECT 1')),
      ];
      expect(await transcript(client, steps)).toBe(await transcript(plain, steps));
    });

    it('to errors of the statement and of its rows', async () => {
      for (const sql of [
        'SELECT id, rank() OVER (ORDER BY nothing) FROM files',
        'SELECT count(DISTINCT name), 1 / (count(*) - 40) FROM files',
        'SELECT id, name, count(DISTINCT size) FROM files GROUP BY id',
      ]) {
        const [one, all] = [await plain.query(sql), await client.query(sql)];
        expect(errorCode(all), sql).toBe(errorCode(one));
        expect(errorCode(all), sql).not.toBe('');
      }
      expect(await client.rows('SELECT count(DISTINCT name) FROM files')).toEqual([['5']]);
    });

    it('for types that have other oids on every server', async () => {
      await same('SELECT feels, felt, at, rank() OVER (ORDER BY id) FROM files ORDER BY id');
      await same(
        'SELECT max(feels), mode() WITHIN GROUP (ORDER BY felt), max((at).tag) FROM files',
      );
      await same('SELECT doc, raw, made, lag(size) OVER (ORDER BY id) FROM files ORDER BY id');
    });

    it('for types that a streamed merge cannot combine', async () => {
      await same('SELECT max(feels), min(felt) FROM files');
      await same("SELECT sum(made - '2026-01-01') FROM files");
      await same('SELECT id FROM files ORDER BY at, id');
    });
  });

  describe('In a transaction the merge engine', () => {
    const COUNT = 'SELECT count(DISTINCT name), count(DISTINCT n.body) FROM files, notes n';

    it('sees the changes of the transaction, which stays atomic', async () => {
      for (const each of [client, plain]) {
        await each.rows('BEGIN');
        await each.rows(
          "INSERT INTO files (user_id, id, name) VALUES (0, 100, 'new'), (1, 101, 'x')",
        );
        await each.rows("UPDATE notes SET body = 'changed'");
        await each.rows('SAVEPOINT s');
        await each.rows('DELETE FROM files WHERE id = 101');
      }
      await same(COUNT);
      for (const each of [client, plain]) await each.rows('ROLLBACK TO s');
      await same(COUNT);
      for (const each of [client, plain]) await each.rows('COMMIT');
      await same(COUNT);
      await same('SELECT count(DISTINCT name) FROM files');
    });

    it('has the settings of the transaction and keeps it read-only', async () => {
      const sql =
        'SELECT made::text, rank() OVER (ORDER BY id) FROM files WHERE id < 40 ORDER BY id';
      const readOnly =
        "SELECT count(DISTINCT name), current_setting('transaction_read_only') FROM files";
      for (const begin of ['BEGIN READ ONLY', 'BEGIN ISOLATION LEVEL REPEATABLE READ -- so']) {
        for (const each of [client, plain]) {
          await each.rows(begin);
          await each.rows("SET LOCAL TimeZone TO 'Asia/Tokyo'");
          await each.rows('SAVEPOINT s');
        }
        await same(sql);
        await same(readOnly);
        for (const each of [client, plain]) await each.rows('ROLLBACK');
      }
      for (const each of [client, plain])
        await each.rows('SET default_transaction_read_only TO on');
      await same(readOnly);
      for (const each of [client, plain]) await each.rows('RESET default_transaction_read_only');
    });

    it('refuses what only the connection of the transaction can tell', async () => {
      for (const sql of [
        'SELECT max(age(made)), count(DISTINCT name) FROM files',
        "SELECT count(DISTINCT name) FROM files WHERE made < 'yesterday'::timestamptz",
        'SELECT count(DISTINCT relname) FROM pg_class, files',
        'SELECT count(DISTINCT name), my_function(1) FROM files',
      ]) {
        await client.rows('BEGIN');
        const messages = await client.query(sql);
        expect([sql, errorCode(messages)]).toEqual([sql, sql.includes('my_') ? '42883' : '0A000']);
        expect(statusOf(messages)).toBe('E');
        await client.rows('ROLLBACK');
      }
      expect(errorCode(await client.query('SELECT max(age(made)) FROM files'))).toBe('');
    });

    it('sees temporary tables of the session, in a transaction and outside', async () => {
      const sql =
        'SELECT t.id, count(f.id) FROM mine t LEFT JOIN files f ON f.id < t.id GROUP BY t.id';
      for (const each of [client, plain]) {
        await each.rows('CREATE TEMP TABLE mine AS SELECT 5 AS id UNION SELECT 9');
      }
      await same(`${sql} ORDER BY 1`);
      for (const each of [client, plain]) {
        await each.rows('BEGIN');
        await each.rows('INSERT INTO mine VALUES (20)');
      }
      await same(`${sql} ORDER BY 1`);
      for (const each of [client, plain]) await each.rows('COMMIT');
      await plain.rows('DROP TABLE mine');
    });

    it('runs after statements of the same Query', async () => {
      const sql =
        'INSERT INTO files (user_id, id) VALUES (5, 200); SELECT count(DISTINCT id) FROM files';
      const [one, all] = [await plain.query(sql), await client.query(sql)];
      expect(rowsOf(all)).toEqual(rowsOf(one));
    });
  });

  describe('A statement of the merge engine that is stopped', () => {
    const SELECT = 'SELECT count(DISTINCT name) FROM files';

    async function cancel(): Promise<void> {
      const other = await RawClient.open(proxy.login);
      other.send(encodeCancelRequest(client.key.processId, client.key.secret));
      await other.untilEnd();
      other.destroy();
    }

    /** Resolves with the process ids once a statement like this runs, or waits, on the server. */
    async function running(direct: RawClient, like: string): Promise<string[]> {
      const sql = `SELECT pid FROM pg_stat_activity WHERE datname = current_database()
      AND pid <> pg_backend_pid() AND state = 'active' AND query LIKE '${like}'`;
      for (;;) {
        const rows = await direct.rows(sql);
        if (rows.length > 0) return rows.map(([pid]) => pid!);
      }
    }

    /** Who keeps the table of shard 1 locked, and another connection to that shard. */
    async function lockedShard(): Promise<readonly [RawClient, RawClient]> {
      const lock = await RawClient.login(proxy.shards[1]!);
      await lock.rows('BEGIN; LOCK TABLE files');
      return [lock, await RawClient.login(proxy.shards[1]!)];
    }

    /** Nothing is left of it: the pools' connections are free, no copy is on the engine. */
    async function nothingLeft(): Promise<void> {
      for (let i = 0; i < 6; i++) expect(errorCode(await client.query(SELECT))).toBe('');
      const home = await RawClient.login(proxy.shards[0]!);
      const left = await home.rows(
        "SELECT count(*) FROM pg_class WHERE relname LIKE 'drive_leaf%'",
      );
      await home.close();
      expect(left).toEqual([['0']]);
    }

    it('while the rows are copied ends with 57014', async () => {
      const [lock, direct] = await lockedShard();
      client.send(say.query(SELECT));
      await running(direct, READS);
      await cancel();
      expect(errorCode(await client.untilReady())).toBe('57014');
      await lock.close();
      await direct.close();
      await nothingLeft();
    });

    it('while it is computed ends with 57014, in a transaction, too', async () => {
      const direct = await RawClient.login(proxy.shards[0]!);
      for (const begin of ['SELECT 1', 'BEGIN']) {
        await client.rows(begin);
        client.send(say.query(`${SELECT}, pg_sleep(600)`));
        await running(direct, '%pg_sleep(600)%');
        await cancel();
        expect(errorCode(await client.untilReady())).toBe('57014');
      }
      await client.rows('ROLLBACK');
      await direct.close();
      await nothingLeft();
    });

    it('by the loss of a shard says so', async () => {
      const [lock, direct] = await lockedShard();
      client.send(say.query(SELECT));
      const pids = await running(direct, READS);
      for (const pid of pids) await direct.rows(`SELECT pg_terminate_backend(${pid})`);
      expect(errorCode(await client.untilReady())).toBe('57P01');
      await lock.close();
      await direct.close();
      await nothingLeft();
    });

    it('by the limit on copied bytes gets 53400', async () => {
      await client.rows(
        `INSERT INTO files (user_id, id, raw) VALUES ${[1, 2, 4, 5]
          .map((user) => `(${user}, 300, decode(repeat('ab', 40000), 'hex'))`)
          .join(', ')}`,
      );
      const messages = await client.query('SELECT id, raw, rank() OVER (ORDER BY id) FROM files');
      expect(errorCode(messages)).toBe('53400');
      expect(fieldsOf(messages.find(({ type }) => type === 'E')!).get('H')).toContain(
        'spillBytesMax',
      );
      await nothingLeft();
      await client.rows('DELETE FROM files WHERE id = 300');
    });

    it('by its client gives everything back', async () => {
      const direct = await RawClient.login(proxy.shards[0]!);
      const gone = await RawClient.login(proxy.login);
      gone.send(say.query(`${SELECT}, pg_sleep(600)`));
      await running(direct, '%pg_sleep(600)%');
      gone.destroy();
      while (
        (await direct.rows("SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock'")).length > 0
      );
      await direct.close();
      await nothingLeft();
    });
  });

  it('more rows than may be parameters go into tables, each time', async () => {
    const beside = await proxy.beside({ config: { merge: { inlineRowsMax: 3 } } });
    const other = await RawClient.login(beside.login);
    for (const limit of [2, 100, 100, 2]) {
      const sql = `SELECT count(DISTINCT name) FROM files WHERE id < ${limit}`;
      expect(await other.rows(sql)).toEqual(await plain.rows(sql));
    }
    await other.close();
    await beside.close();
  });

  describe('The current time', () => {
    it('is that of the transaction’s first server on every shard and over copies', async () => {
      await client.query('BEGIN');
      // Shard 1 is the first; the others join with a clock of their own.
      const [[begun]] = (await client.rows(
        'SELECT now() FROM files WHERE user_id = 1 LIMIT 1',
      )) as [[string]];
      for (const sql of [
        'SELECT DISTINCT now() FROM files',
        'SELECT min(now()) FROM files',
        'SELECT max(now) FROM (SELECT now(), rank() OVER (ORDER BY id) FROM files) x',
        'SELECT current_timestamp FROM files a JOIN files b ON a.id = b.id + 1 LIMIT 1',
        'SELECT t FROM (SELECT transaction_timestamp() AS t FROM files ORDER BY 1 LIMIT 1) x',
      ]) {
        expect(await client.rows(sql), sql).toEqual([[begun]]);
      }
      const dated = 'SELECT count(DISTINCT name), $1::int, current_date = now()::date FROM files';
      const answer = await transcript(client, [step([say.run(dated, ['7']), say.sync])]);
      expect(answer).toContain('\\u00017\\u0000\\u0000\\u0000\\u0001t');
      await client.query('ROLLBACK');
    });
  });
});
