// Merge engine in transactions: it sees their changes and has their time.

import { describe, expect, it } from 'vitest';
import { errorCode, RawClient, rowsOf, statusOf } from '../support/raw-client.ts';
import { say, step, transcript } from '../support/transcript.ts';
import { engineStand } from './engine-stand.ts';

/** Rows may be copied as parameters of the statement, or into temporary tables only. */
describe.each([2_000, 0])('With at most %i rows as parameters', (inlineRowsMax) => {
  const stand = engineStand(inlineRowsMax);

  describe('In a transaction the merge engine', () => {
    const COUNT = 'SELECT count(DISTINCT name), count(DISTINCT n.body) FROM files, notes n';

    it('sees the changes of the transaction, which stays atomic', async () => {
      for (const each of [stand.client, stand.plain]) {
        await each.rows('BEGIN');
        await each.rows(
          "INSERT INTO files (user_id, id, name) VALUES (0, 100, 'new'), (1, 101, 'x')",
        );
        await each.rows("UPDATE notes SET body = 'changed'");
        await each.rows('SAVEPOINT s');
        await each.rows('DELETE FROM files WHERE id = 101');
      }
      await stand.same(COUNT);
      for (const each of [stand.client, stand.plain]) await each.rows('ROLLBACK TO s');
      await stand.same(COUNT);
      for (const each of [stand.client, stand.plain]) await each.rows('COMMIT');
      await stand.same(COUNT);
      await stand.same('SELECT count(DISTINCT name) FROM files');
    });

    it('has the settings of the transaction and keeps it read-only', async () => {
      const sql =
        'SELECT made::text, rank() OVER (ORDER BY id) FROM files WHERE id < 40 ORDER BY id';
      const readOnly =
        "SELECT count(DISTINCT name), current_setting('transaction_read_only') FROM files";
      for (const begin of ['BEGIN READ ONLY', 'BEGIN ISOLATION LEVEL REPEATABLE READ -- so']) {
        for (const each of [stand.client, stand.plain]) {
          await each.rows(begin);
          await each.rows("SET LOCAL TimeZone TO 'Asia/Tokyo'");
          await each.rows('SAVEPOINT s');
        }
        await stand.same(sql);
        await stand.same(readOnly);
        for (const each of [stand.client, stand.plain]) await each.rows('ROLLBACK');
      }
      for (const each of [stand.client, stand.plain])
        await each.rows('SET default_transaction_read_only TO on');
      await stand.same(readOnly);
      for (const each of [stand.client, stand.plain])
        await each.rows('RESET default_transaction_read_only');
    });

    it('has what set_config() has set in one that only reads', async () => {
      const sql =
        'SELECT feels, made::text, rank() OVER (ORDER BY feels, id) FROM files ORDER BY id';
      for (const each of [stand.client, stand.plain]) await each.rows('BEGIN READ ONLY');
      await stand.same("SELECT set_config('TimeZone', 'Asia/Kolkata', true)");
      await stand.same(sql);
      await stand.same("SELECT set_config('search_path', 'pg_catalog, public', false)");
      await stand.same(sql);
      for (const each of [stand.client, stand.plain]) await each.rows('ROLLBACK');
    });

    it('tells what only the connection of the transaction can', async () => {
      for (const each of [stand.client, stand.plain]) {
        await each.rows('BEGIN');
        await each.rows("SET LOCAL TimeZone TO 'Asia/Tokyo'");
        await each.rows('CREATE TABLE made_here (x int)');
        await each.rows("INSERT INTO files (user_id, id, name) VALUES (3, 400, 'within')");
      }
      for (const sql of [
        'SELECT max(age(made)), count(DISTINCT name) FROM files',
        "SELECT count(DISTINCT name) FROM files WHERE made < 'yesterday'::timestamptz",
        'SELECT count(DISTINCT name), statement_timestamp() > now() FROM files',
        "SELECT count(DISTINCT f.id), relname FROM pg_class, files f WHERE relname = 'made_here' GROUP BY 2",
        'SELECT count(DISTINCT name), my_function(count(*)::int) FROM files, notes',
        'SELECT doc, raw, lag(doc) OVER (ORDER BY id), my_function(id) FROM files ORDER BY id',
      ]) {
        await stand.same(sql);
      }
      for (const each of [stand.client, stand.plain]) await each.rows('ROLLBACK');
    });

    it('gives suspended portals, between which the transaction goes on', async () => {
      const sql = 'SELECT id, my_function(id), lag(name) OVER (ORDER BY id) FROM files ORDER BY id';
      const steps = [
        step(say.query('BEGIN')),
        step([say.parse(sql), say.bind([], '', 'p'), say.execute('p', 3), say.sync]),
        step(say.query('SELECT count(*) FROM files')),
        step([say.execute('p', 30), say.execute('p'), say.sync]),
        step(say.query('ROLLBACK')),
      ];
      expect(await transcript(stand.client, steps)).toBe(await transcript(stand.plain, steps));
    });

    it('refuses there what is not given to it as parameters', async () => {
      const beside = await stand.proxy.beside({ config: { merge: { bytesMax: 500 } } });
      const other = await RawClient.login(beside.login);
      for (const [each, sql] of [
        [stand.client, 'SELECT count(DISTINCT feels), my_function(1) FROM files'],
        [
          stand.client,
          'SELECT id, name, max(my_function(1)), count(DISTINCT size) FROM files GROUP BY user_id, id',
        ],
        [other, 'SELECT count(DISTINCT name), my_function(1) FROM files'],
      ] as const) {
        await each.rows('BEGIN');
        const messages = await each.query(sql);
        expect([sql, errorCode(messages)]).toEqual([sql, '0A000']);
        expect(statusOf(messages)).toBe('E');
        await each.rows('ROLLBACK');
        expect(errorCode(await each.query(sql))).toBe('');
      }
      await other.close();
      await beside.close();
    });

    it('sees temporary tables of the session, in a transaction and outside', async () => {
      const sql =
        'SELECT t.id, count(f.id) FROM mine t LEFT JOIN files f ON f.id < t.id GROUP BY t.id';
      for (const each of [stand.client, stand.plain]) {
        await each.rows('CREATE TEMP TABLE mine AS SELECT 5 AS id UNION SELECT 9');
      }
      await stand.same(`${sql} ORDER BY 1`);
      for (const each of [stand.client, stand.plain]) {
        await each.rows('BEGIN');
        await each.rows('INSERT INTO mine VALUES (20)');
      }
      await stand.same(`${sql} ORDER BY 1`);
      for (const each of [stand.client, stand.plain]) await each.rows('COMMIT');
      await stand.plain.rows('DROP TABLE mine');
    });

    it('sees a temporary table in place of a home table of that name', async () => {
      const sql = 'SELECT count(DISTINCT f.name), max(n.body) FROM files f, notes n WHERE n.id > 0';
      for (const each of [stand.client, stand.plain]) {
        await each.rows("CREATE TEMP TABLE notes AS SELECT 5 AS id, 'mine'::text AS body");
      }
      await stand.same(sql);
      for (const each of [stand.client, stand.plain]) await each.rows('BEGIN');
      await stand.same(sql);
      for (const each of [stand.client, stand.plain])
        await each.rows('COMMIT; DROP TABLE pg_temp.notes');
      await stand.same(sql);
    });

    it('runs after statements of the stand.same Query', async () => {
      const sql =
        'INSERT INTO files (user_id, id) VALUES (5, 200); SELECT count(DISTINCT id) FROM files';
      const [one, all] = [await stand.plain.query(sql), await stand.client.query(sql)];
      expect(rowsOf(all)).toEqual(rowsOf(one));
    });
  });

  describe('The current time', () => {
    it('is that of the transaction’s first server on every shard and over copies', async () => {
      await stand.client.query('BEGIN');
      // Shard 1 is the first; the others join with a clock of their own.
      const [[begun]] = (await stand.client.rows(
        'SELECT now() FROM files WHERE user_id = 1 LIMIT 1',
      )) as [[string]];
      for (const sql of [
        'SELECT DISTINCT now() FROM files',
        'SELECT min(now()) FROM files',
        'SELECT max(now) FROM (SELECT now(), rank() OVER (ORDER BY id) FROM files) x',
        'SELECT current_timestamp FROM files a JOIN files b ON a.id = b.id + 1 LIMIT 1',
        'SELECT t FROM (SELECT transaction_timestamp() AS t FROM files ORDER BY 1 LIMIT 1) x',
      ]) {
        expect(await stand.client.rows(sql), sql).toEqual([[begun]]);
      }
      const dated = 'SELECT count(DISTINCT name), $1::int, current_date = now()::date FROM files';
      const answer = await transcript(stand.client, [step([say.run(dated, ['7']), say.sync])]);
      expect(answer).toContain('\\u00017\\u0000\\u0000\\u0000\\u0001t');
      await stand.client.query('ROLLBACK');
    });
  });
});
