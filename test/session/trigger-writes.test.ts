// Triggers that write tables of another kind than their own would write one copy, or a row on each shard: refused.

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

const SCHEMA = `
  CREATE TABLE plans (id int PRIMARY KEY, n int DEFAULT 0);
  CREATE TABLE notes (id int PRIMARY KEY, n int DEFAULT 0);
  CREATE TABLE files (user_id int, name text);
  CREATE TABLE audit (user_id int, name text);
  CREATE TABLE house (id int);
  CREATE VIEW shown AS SELECT user_id, name FROM files`;

const FUNCTIONS = `
  CREATE FUNCTION count_plan() RETURNS void LANGUAGE sql AS $$ UPDATE ONLY public."plans" SET n = n + 1 $$;
  CREATE FUNCTION to_reference() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE plans SET n = n + 1; RETURN NULL; END $$;
  CREATE FUNCTION by_call() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM count_plan(); RETURN NULL; END $$;
  CREATE FUNCTION by_text() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'delete from plans'; RETURN NULL; END $$;
  CREATE FUNCTION reads() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM n FROM plans, audit; RETURN NULL; END $$;
  CREATE FUNCTION beside() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES (NEW.user_id, NEW.name); RETURN NULL; END $$;
  CREATE FUNCTION notes_too() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE notes SET n = n + 1; RETURN NULL; END $$;
  CREATE FUNCTION run(sql text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE sql; END $$;
  CREATE FUNCTION by_runner() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM run('update plans set n = 1'); RETURN NULL; END $$;
  CREATE FUNCTION by_format() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('UPDATE public.%I SET n = 1', 'plans'); RETURN NULL; END $$;
  CREATE FUNCTION by_argument() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DELETE FROM ' || TG_ARGV[0]; RETURN NULL; END $$;
  CREATE FUNCTION by_block() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DO 'BEGIN DELETE FROM plans; END'; RETURN NULL; END $$;
  CREATE FUNCTION empties() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN TRUNCATE notes, plans; RETURN NULL; END $$;
  CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN -- UPDATE plans, count_plan()
    /* DELETE FROM plans /* UPDATE plans */ INSERT INTO plans */
    PERFORM pg_notify('log', $q$ insert into plans $q$ || 'update plans' || E'\\' delete from plans');
    INSERT INTO audit VALUES (NEW.user_id, 'UPDATE plans') ON CONFLICT DO NOTHING; RETURN NULL; END $$`;

let tested: TestProxy;
let client: Client;

beforeAll(async () => {
  tested = await startTestProxy({ shards: 3 });
  client = await connectAsText(tested.login);
  await client.query(SCHEMA);
  for (const table of ['plans', 'notes']) {
    await client.query(`SELECT create_reference_table('${table}')`);
  }
  await client.query(FUNCTIONS);
  await client.query('INSERT INTO plans VALUES (1); INSERT INTO notes VALUES (1)');
});

afterAll(async () => {
  await client.end();
  await tested.close();
});

/** `routine`: with its arguments, if it has some. */
async function withTrigger(
  events: string,
  table: string,
  routine: string,
  run: () => Promise<void>,
): Promise<void> {
  const call = routine.endsWith(')') ? routine : `${routine}()`;
  await client.query(
    `CREATE TRIGGER tested AFTER ${events} ON ${table} FOR EACH ROW EXECUTE FUNCTION ${call}`,
  );
  try {
    await run();
  } finally {
    await client.query('ROLLBACK');
    await client.query(`DROP TRIGGER tested ON ${table}`);
  }
}

it.each([
  ['files', 'to_reference', `INSERT INTO files VALUES (1, 'a')`],
  ['files', 'to_reference', `INSERT INTO files VALUES (1, 'a'), (2, 'b')`],
  ['files', 'to_reference', `INSERT INTO shown VALUES (1, 'a')`],
  ['files', 'to_reference', 'INSERT INTO files SELECT 1'],
  ['files', 'to_reference', 'COPY files FROM STDIN'],
  ['files', 'to_reference', `UPDATE files SET name = 'b'`],
  ['files', 'to_reference', 'DELETE FROM files WHERE user_id = 1'],
  [
    'files',
    'to_reference',
    'WITH w AS (DELETE FROM files WHERE user_id = 1 RETURNING 1) SELECT FROM w',
  ],
  [
    'files',
    'to_reference',
    'MERGE INTO files USING house ON user_id = id WHEN MATCHED THEN DELETE',
  ],
  ['files', 'by_call', `INSERT INTO files VALUES (1, 'a')`],
  ['files', 'by_text', `INSERT INTO files VALUES (1, 'a')`],
  ['files', 'by_runner', `INSERT INTO files VALUES (1, 'a')`],
  ['files', 'by_format', `INSERT INTO files VALUES (1, 'a')`],
  ['files', `by_argument('plans')`, `INSERT INTO files VALUES (1, 'a')`],
  ['files', 'by_block', `INSERT INTO files VALUES (1, 'a')`],
  ['files', 'empties', `INSERT INTO files VALUES (1, 'a')`],
  ['house', 'to_reference', 'INSERT INTO house SELECT 1'],
  ['house', 'to_reference', 'COPY house FROM STDIN'],
])('%s with %s: %s is refused', (table, routine, sql) =>
  withTrigger('INSERT OR UPDATE OR DELETE', table, routine, async () => {
    await expect(client.query(sql)).rejects.toMatchObject({
      code: '0A000',
      message: expect.stringContaining('trigger writes a reference table'),
    });
  }),
);

it.each([
  ['INSERT', 'files', 'reads', `INSERT INTO files VALUES (1, 'a'), (2, 'b')`],
  ['INSERT', 'files', 'beside', `INSERT INTO files VALUES (1, 'a'), (2, 'b')`],
  // Named in comments and strings only.
  ['INSERT', 'files', 'told', `INSERT INTO files VALUES (1, 'a'), (2, 'b')`],
  ['INSERT', 'files', `by_argument('audit')`, `INSERT INTO files VALUES (1, 'a')`],
  ['INSERT', 'plans', 'notes_too', 'INSERT INTO plans VALUES (2)'],
  // Another event.
  ['DELETE', 'files', 'to_reference', `INSERT INTO files VALUES (1, 'a')`],
  ['INSERT', 'files', 'to_reference', `UPDATE files SET name = 'a' WHERE user_id = 1`],
])('%s of %s with %s: %s is taken', (events, table, routine, sql) =>
  withTrigger(events, table, routine, async () => {
    await client.query('BEGIN');
    await client.query(sql);
  }),
);

it('a trigger that is disabled, or fires on a shard that is chosen by hand, is no business of ours', () =>
  withTrigger('INSERT', 'files', 'to_reference', async () => {
    await client.query(`/* drive.shard=1 */ INSERT INTO files VALUES (1, 'a')`);
    expect(await textRows(client, '/* drive.shard=1 */ SELECT n FROM plans')).toEqual([['1']]);
    await client.query('/* drive.shard=1 */ UPDATE plans SET n = 0');
    await client.query('ALTER TABLE files DISABLE TRIGGER tested');
    await client.query(`INSERT INTO files VALUES (1, 'a')`);
    expect(await textRows(client, 'SELECT n FROM plans')).toEqual([['0']]);
  }));

it.each(['SELECT count_plan()', 'SELECT count_plan() FROM house', 'CALL counts()'])(
  '%s, which writes a reference table, is refused',
  async (sql) => {
    await client.query(`CREATE OR REPLACE PROCEDURE counts() LANGUAGE plpgsql
      AS $$ BEGIN INSERT INTO plans VALUES (9); END $$`);
    await expect(client.query(sql)).rejects.toMatchObject({
      code: '0A000',
      message: expect.stringContaining('calling a routine'),
    });
    expect(await textRows(client, 'SELECT n FROM plans')).toEqual([['0']]);
  },
);

it('a trigger of a table that a trigger writes is found, too', () =>
  withTrigger('INSERT', 'files', 'beside', async () => {
    await client.query(
      'CREATE TRIGGER next AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION to_reference()',
    );
    await expect(client.query(`INSERT INTO files VALUES (1, 'a')`)).rejects.toMatchObject({
      code: '0A000',
    });
    await client.query('DROP TRIGGER next ON audit');
  }));
