// Merge engine: statements that one server computes over the rows of all, in a session's life.

import { describe, expect, it } from 'vitest';
import { encodeCancelRequest } from '../../src/wire/startup.ts';
import { errorCode, fieldsOf, RawClient } from '../support/raw-client.ts';
import { say, step, transcript } from '../support/transcript.ts';
import { engineStand } from './engine-stand.ts';

/** Rows may be copied as parameters of the statement, or into temporary tables only. */
describe.each([2_000, 0])('With at most %i rows as parameters', (inlineRowsMax) => {
  /** What a shard is sent for its rows of a table. */
  const READS = inlineRowsMax === 0 ? 'COPY (SELECT%' : 'SELECT % LIMIT 2001';

  const stand = engineStand(inlineRowsMax);

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
      expect(await transcript(stand.client, steps)).toBe(await transcript(stand.plain, steps));
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
      expect(await transcript(stand.client, steps)).toBe(await transcript(stand.plain, steps));
    });

    it('to errors of the statement and of its rows', async () => {
      for (const sql of [
        'SELECT id, rank() OVER (ORDER BY nothing) FROM files',
        'SELECT count(DISTINCT name), 1 / (count(*) - 40) FROM files',
        'SELECT id, name, count(DISTINCT size) FROM files GROUP BY id',
      ]) {
        const [one, all] = [await stand.plain.query(sql), await stand.client.query(sql)];
        expect(errorCode(all), sql).toBe(errorCode(one));
        expect(errorCode(all), sql).not.toBe('');
      }
      expect(await stand.client.rows('SELECT count(DISTINCT name) FROM files')).toEqual([['5']]);
    });

    it('for types that have other oids on every server', async () => {
      await stand.same('SELECT feels, felt, at, rank() OVER (ORDER BY id) FROM files ORDER BY id');
      await stand.same(
        'SELECT max(feels), mode() WITHIN GROUP (ORDER BY felt), max((at).tag) FROM files',
      );
      await stand.same(
        'SELECT doc, raw, made, lag(size) OVER (ORDER BY id) FROM files ORDER BY id',
      );
    });

    it('for types that a streamed merge cannot combine', async () => {
      await stand.same('SELECT max(feels), min(felt) FROM files');
      await stand.same("SELECT sum(made - '2026-01-01') FROM files");
      await stand.same('SELECT id FROM files ORDER BY at, id');
    });
  });

  describe('A statement of the merge engine that is stopped', () => {
    const SELECT = 'SELECT count(DISTINCT name) FROM files';

    async function cancel(): Promise<void> {
      const other = await RawClient.open(stand.proxy.login);
      other.send(encodeCancelRequest(stand.client.key.processId, stand.client.key.secret));
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
      const lock = await RawClient.login(stand.proxy.shards[1]!);
      await lock.rows('BEGIN; LOCK TABLE files');
      return [lock, await RawClient.login(stand.proxy.shards[1]!)];
    }

    /** Nothing is left of it: the pools' connections are free, no copy is on the engine. */
    async function nothingLeft(): Promise<void> {
      for (let i = 0; i < 6; i++) expect(errorCode(await stand.client.query(SELECT))).toBe('');
      const home = await RawClient.login(stand.proxy.shards[0]!);
      const left = await home.rows(
        "SELECT count(*) FROM pg_class WHERE relname LIKE 'drive_leaf%'",
      );
      await home.close();
      expect(left).toEqual([['0']]);
    }

    it('while the rows are copied ends with 57014', async () => {
      const [lock, direct] = await lockedShard();
      stand.client.send(say.query(SELECT));
      await running(direct, READS);
      await cancel();
      expect(errorCode(await stand.client.untilReady())).toBe('57014');
      await lock.close();
      await direct.close();
      await nothingLeft();
    });

    it('while it is computed ends with 57014, in a transaction, too', async () => {
      const direct = await RawClient.login(stand.proxy.shards[0]!);
      // Between the statements that a server is sent for it, too: a cancel then meets none.
      for (const begin of ['BEGIN', ...Array.from({ length: 20 }, () => 'ROLLBACK')]) {
        await stand.client.rows(begin);
        stand.client.send(say.query(`${SELECT}, pg_sleep(600)`));
        await running(direct, '%pg_sleep(600)%');
        await cancel();
        expect(errorCode(await stand.client.untilReady())).toBe('57014');
      }
      await stand.client.rows('ROLLBACK');
      await direct.close();
      await nothingLeft();
    });

    it('by the loss of a shard says so', async () => {
      const [lock, direct] = await lockedShard();
      stand.client.send(say.query(SELECT));
      const pids = await running(direct, READS);
      for (const pid of pids) await direct.rows(`SELECT pg_terminate_backend(${pid})`);
      expect(errorCode(await stand.client.untilReady())).toBe('57P01');
      await lock.close();
      await direct.close();
      await nothingLeft();
    });

    it('by the limit on copied bytes gets 53400', async () => {
      await stand.client.rows(
        `INSERT INTO files (user_id, id, raw) VALUES ${[1, 2, 4, 5]
          .map((user) => `(${user}, 300, decode(repeat('ab', 40000), 'hex'))`)
          .join(', ')}`,
      );
      const messages = await stand.client.query(
        'SELECT id, raw, rank() OVER (ORDER BY id) FROM files',
      );
      expect(errorCode(messages)).toBe('53400');
      expect(fieldsOf(messages.find(({ type }) => type === 'E')!).get('H')).toContain(
        'spillBytesMax',
      );
      await nothingLeft();
      await stand.client.rows('DELETE FROM files WHERE id = 300');
    });

    it('by its client gives everything back', async () => {
      const direct = await RawClient.login(stand.proxy.shards[0]!);
      const gone = await RawClient.login(stand.proxy.login);
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
    const beside = await stand.proxy.beside({ config: { merge: { inlineRowsMax: 3 } } });
    const other = await RawClient.login(beside.login);
    for (const limit of [2, 100, 100, 2]) {
      const sql = `SELECT count(DISTINCT name) FROM files WHERE id < ${limit}`;
      expect(await other.rows(sql)).toEqual(await stand.plain.rows(sql));
    }
    await other.close();
    await beside.close();
  });
});
