// Triggers of tables that foreign keys change along with a statement's: which of its writes they refuse.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

const trigger = (name: string, when: string, body: string): string => `
  CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $f$BEGIN ${body}; RETURN NULL; END$f$;
  CREATE TRIGGER ${name} AFTER ${when} FOR EACH ROW EXECUTE FUNCTION ${name}();`;

const SCHEMA = `
  CREATE TABLE plans (id int PRIMARY KEY, n int DEFAULT 0);
  CREATE TABLE marks (id int PRIMARY KEY, at timestamptz);
  CREATE TABLE kinds (id int PRIMARY KEY, name text);
  CREATE TABLE owners (id int PRIMARY KEY, name text);
  CREATE TABLE copied (id int PRIMARY KEY);
  CREATE TABLE folders (user_id int, id int, name text, PRIMARY KEY (user_id, id));
  CREATE TABLE files (user_id int, id int, folder int, kind int, PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, folder) REFERENCES folders ON DELETE CASCADE ON UPDATE CASCADE);
  CREATE TABLE parts (user_id int, file int,
    FOREIGN KEY (user_id, file) REFERENCES files ON DELETE SET NULL (file));
  CREATE TABLE notes (id int PRIMARY KEY, body text);
  CREATE TABLE lines (note int REFERENCES notes ON DELETE CASCADE);
  CREATE VIEW shown AS SELECT user_id, id AS number, name FROM folders`;

const REFERENCES = ['plans', 'marks', 'kinds', 'owners', 'copied'];

const TRIGGERS = `
  ALTER TABLE copied ADD FOREIGN KEY (id) REFERENCES owners ON DELETE CASCADE;
  ALTER TABLE files ADD FOREIGN KEY (kind) REFERENCES kinds ON DELETE CASCADE;
  ${trigger('files_go', 'DELETE ON files', 'UPDATE plans SET n = n - 1')}
  ${trigger('files_move', 'UPDATE ON files', 'UPDATE plans SET n = n + 1')}
  ${trigger('lines_go', 'DELETE ON lines', 'DELETE FROM parts WHERE user_id = OLD.note')}
  ${trigger('copied_go', 'DELETE ON copied', 'INSERT INTO marks VALUES (OLD.id, clock_timestamp())')}`;

let tested: TestProxy;
let client: Client;

beforeAll(async () => {
  tested = await startTestProxy({ shards: 2 });
  client = await connectAsText(tested.login);
  await client.query(SCHEMA);
  for (const table of REFERENCES) await client.query(`SELECT create_reference_table('${table}')`);
  await client.query(TRIGGERS);
  await client.query(`INSERT INTO kinds VALUES (1, 'a'); INSERT INTO owners VALUES (1, 'a');
    INSERT INTO copied VALUES (1); INSERT INTO folders VALUES (1, 1, 'a'), (2, 1, 'b')`);
});

afterAll(async () => {
  await client.end();
  await tested.close();
});

describe('A statement whose foreign keys fire a trigger that reaches beyond its shard', () => {
  it.each([
    ['DELETE FROM folders WHERE user_id = 1', 'writes a reference table'],
    ['DELETE FROM shown', 'writes a reference table'],
    ['UPDATE folders SET id = 2 WHERE user_id = 1', 'writes a reference table'],
    ['UPDATE shown SET number = 2', 'writes a reference table'],
    [
      `INSERT INTO folders VALUES (1, 1, 'a') ON CONFLICT (user_id, id) DO UPDATE SET id = 7`,
      'writes a reference table',
    ],
    [
      'MERGE INTO folders f USING kinds k ON f.id = k.id WHEN MATCHED THEN DELETE',
      'writes a reference table',
    ],
    ['DELETE FROM kinds', 'writes a reference table'],
    ['DELETE FROM notes', 'sharded tables'],
  ])('is refused: %s', async (sql, message) => {
    await expect(client.query(sql)).rejects.toMatchObject({
      code: '0A000',
      message: expect.stringContaining(message),
    });
  });

  it.each([
    `INSERT INTO folders VALUES (3, 1, 'c')`,
    `UPDATE folders SET name = 'd'`,
    `UPDATE shown SET name = 'e'`,
    `UPDATE kinds SET id = 2`,
    `INSERT INTO notes VALUES (1, 'a')`,
    `UPDATE notes SET id = 2`,
    // Another event.
    'DELETE FROM parts',
  ])('is taken where it fires none: %s', async (sql) => {
    await client.query('BEGIN');
    await client.query(sql);
    await client.query('ROLLBACK');
  });

  it('is found behind a second foreign key, and where a trigger may change what is referred to', async () => {
    await client.query('ALTER TABLE files DISABLE TRIGGER USER');
    await client.query('DELETE FROM folders WHERE user_id = 2');
    await client.query(trigger('parts_go', 'UPDATE ON parts', 'UPDATE plans SET n = OLD.user_id'));
    await expect(client.query('DELETE FROM folders')).rejects.toMatchObject({ code: '0A000' });
    await client.query(`UPDATE folders SET id = 3`);
    await client.query('DROP TRIGGER parts_go ON parts');
    await client.query('ALTER TABLE files ENABLE TRIGGER USER');
    await client.query(`CREATE FUNCTION counts() RETURNS trigger LANGUAGE plpgsql AS
      $f$BEGIN NEW.id := NEW.id + 1; RETURN NEW; END$f$;
      CREATE TRIGGER counts BEFORE UPDATE ON folders FOR EACH ROW EXECUTE FUNCTION counts()`);
    await expect(client.query(`UPDATE folders SET name = 'd'`)).rejects.toMatchObject({
      code: '0A000',
    });
    await client.query('DROP TRIGGER counts ON folders');
  });
});

it('what triggers of reference tables write, that foreign keys fire, is the same on all copies', async () => {
  await client.query('DELETE FROM owners');
  const [one, other] = await Promise.all(
    [0, 1].map((shard) => textRows(client, `/* drive.shard=${shard} */ SELECT * FROM marks`)),
  );
  expect(one).toHaveLength(1);
  expect(other).toEqual(one);
});
