// Home tables whose triggers and defaults reach for sharded tables, of which shard 0 has but a part.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';

let tested: TestProxy;
let client: RawClient;

const triggerFunction = (name: string, body: string): string =>
  `CREATE OR REPLACE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $f$BEGIN ${body} END$f$`;

beforeAll(async () => {
  tested = await startTestProxy({ shards: 2 });
  client = await RawClient.login(tested.login);
  for (const sql of [
    'CREATE TABLE files (user_id bigint, id int)',
    'INSERT INTO files VALUES (1, 1), (2, 2), (3, 3)',
    'CREATE TABLE notes (id int, body text)',
    'CREATE TABLE quiet (id int, body text)',
    'CREATE TABLE counted (id int, n bigint)',
    'CREATE VIEW shown AS SELECT id, body FROM notes',
    triggerFunction('logs', 'INSERT INTO files VALUES (NEW.id, 0); RETURN NULL;'),
    triggerFunction('cleans', 'NEW.body := trim(NEW.body); RETURN NEW;'),
    'CREATE FUNCTION files_now() RETURNS bigint LANGUAGE sql STABLE RETURN (SELECT count(*) FROM files)',
    'CREATE TRIGGER cleans BEFORE INSERT ON quiet FOR EACH ROW EXECUTE FUNCTION cleans()',
    'CREATE TRIGGER logs AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION logs()',
    'ALTER TABLE counted ALTER n SET DEFAULT files_now()',
  ]) {
    await client.rows(sql);
  }
});

afterAll(async () => {
  await client.close();
  await tested.close();
});

describe('Writing a home table whose triggers or defaults reach for sharded tables', () => {
  it.each([
    "INSERT INTO notes VALUES (1, 'a')",
    "INSERT INTO shown VALUES (1, 'a')",
    'INSERT INTO notes SELECT user_id, NULL FROM files',
    "UPDATE notes SET body = 'b'",
    "WITH n AS (INSERT INTO notes VALUES (1, 'a') RETURNING id) SELECT id FROM n",
    'MERGE INTO notes n USING files f ON n.id = f.id WHEN NOT MATCHED THEN INSERT VALUES (f.id)',
    'COPY notes FROM STDIN',
    'INSERT INTO counted VALUES (1)',
  ])('is refused: %s', async (sql) => {
    expect(errorCode(await client.query(sql))).toBe('0A000');
    expect(await client.rows('SELECT count(*) FROM files')).toEqual([['3']]);
  });

  it('is refused of a reference table, too, whose trigger would insert on every shard', async () => {
    await client.rows('CREATE TABLE kinds (id int PRIMARY KEY, note text)');
    await client.rows("SELECT create_reference_table('kinds')");
    await client.rows("INSERT INTO kinds VALUES (1, 'a')");
    await client.rows(
      triggerFunction('clears', 'DELETE FROM files WHERE id = OLD.id; RETURN NULL;'),
    );
    await client.rows(
      'CREATE TRIGGER clears AFTER DELETE ON kinds FOR EACH ROW EXECUTE FUNCTION clears()',
    );
    await client.rows('INSERT INTO files VALUES (8, 77), (9, 77)');
    await client.rows("INSERT INTO kinds VALUES (77, 'b')");
    await client.rows('DELETE FROM kinds WHERE id = 77');
    expect(await client.rows('SELECT count(*) FROM files')).toEqual([['3']]);
    await client.rows(
      'CREATE TRIGGER logs AFTER INSERT ON kinds FOR EACH ROW EXECUTE FUNCTION logs()',
    );
    for (const sql of ["INSERT INTO kinds VALUES (2, 'b')", 'COPY kinds FROM STDIN']) {
      expect(errorCode(await client.query(sql))).toBe('0A000');
    }
  });

  it('goes where the shard is chosen by hand', async () => {
    await client.rows("/* drive.shard=0 */ INSERT INTO notes VALUES (4, 'a')");
    expect(await client.rows('DELETE FROM files WHERE user_id = 4 RETURNING id')).toEqual([['0']]);
  });

  it('is refused as long as they do', async () => {
    await client.rows("INSERT INTO quiet VALUES (1, ' a ')");
    await client.rows(triggerFunction('cleans', 'NEW.body := files_now(); RETURN NEW;'));
    expect(errorCode(await client.query("INSERT INTO quiet VALUES (2, ' b ')"))).toBe('0A000');
    await client.rows('ALTER TABLE quiet DISABLE TRIGGER cleans');
    await client.rows("INSERT INTO quiet VALUES (3, ' c ')");
    expect(await client.rows('SELECT body FROM quiet ORDER BY id')).toEqual([['a'], [' c ']]);
  });
});

describe('Writing a sharded table whose trigger has a statement on rows of other shards', () => {
  beforeAll(async () => {
    for (const sql of [
      'CREATE TABLE users (user_id bigint PRIMARY KEY, files bigint)',
      'INSERT INTO users VALUES (1, 0), (2, 0)',
      'CREATE TABLE uploads (user_id bigint REFERENCES users ON DELETE CASCADE, size int)',
      triggerFunction(
        'counts',
        'UPDATE users SET files = files + 1 WHERE user_id = 1; RETURN NEW;',
      ),
      triggerFunction(
        'tied',
        'UPDATE users SET files = files + 1 WHERE user_id = NEW.user_id; RETURN NEW;',
      ),
      'CREATE TRIGGER counts AFTER INSERT OR DELETE ON uploads FOR EACH ROW EXECUTE FUNCTION counts()',
      'CREATE TRIGGER tied AFTER UPDATE ON uploads FOR EACH ROW EXECUTE FUNCTION tied()',
    ]) {
      await client.rows(sql);
    }
  });

  it.each([
    'INSERT INTO uploads VALUES (2, 1)',
    'INSERT INTO uploads SELECT user_id FROM users',
    'DELETE FROM uploads WHERE user_id = 2',
    'DELETE FROM users',
    'COPY uploads FROM STDIN',
  ])('is refused: %s', async (sql) => {
    expect(errorCode(await client.query(sql))).toBe('0A000');
    expect(await client.rows('SELECT sum(files) FROM users')).toEqual([['0']]);
  });

  it('is refused where a default, or a function that the trigger calls, has one', async () => {
    for (const sql of [
      `CREATE FUNCTION all_users() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM users'`,
      'CREATE TABLE numbered (user_id bigint, n bigint DEFAULT all_users(), of_all bigint)',
      'CREATE TABLE called (user_id bigint, n bigint)',
      'CREATE TABLE checked (user_id bigint, n bigint CHECK (all_users() < 9))',
      triggerFunction('calls', 'NEW.n := all_users(); RETURN NEW;'),
      'CREATE TRIGGER calls BEFORE INSERT ON called FOR EACH ROW EXECUTE FUNCTION calls()',
    ]) {
      await client.rows(sql);
    }
    for (const table of ['numbered', 'called']) {
      expect(errorCode(await client.query(`INSERT INTO ${table} (user_id) VALUES (1)`))).toBe(
        '0A000',
      );
      await client.rows(`UPDATE ${table} SET n = 1`);
      await client.rows(`DELETE FROM ${table}`);
    }
    for (const sql of ['INSERT INTO checked VALUES (1, 1)', 'UPDATE checked SET n = 1']) {
      expect(errorCode(await client.query(sql))).toBe('0A000');
    }
    await client.rows('DELETE FROM checked');
    await client.rows('ALTER TABLE numbered ALTER n DROP DEFAULT');
    await client.rows('INSERT INTO numbered (user_id) VALUES (1)');
  });

  it('is not refused where the statement is tied to the key, or by hand', async () => {
    await client.rows('/* drive.key=1 */ INSERT INTO uploads VALUES (1, 1)');
    await client.rows('UPDATE uploads SET size = 2');
    expect(await client.rows('SELECT * FROM users ORDER BY 1')).toEqual([
      ['1', '2'],
      ['2', '0'],
    ]);
  });
});
