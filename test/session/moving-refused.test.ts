// UPDATE that would move rows of tables with triggers, policies or foreign keys, and cannot: refused with a reason.

import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

const fn = (name: string, body: string): string =>
  `CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $f$${body}$f$;`;

const TABLES = `
  CREATE TABLE country (code text PRIMARY KEY, n int);
  CREATE TABLE owners (user_id int8 PRIMARY KEY, n int);
  CREATE TABLE files (user_id int8 NOT NULL, id int, n int, PRIMARY KEY (user_id, id));
  CREATE TABLE audit (user_id int8, n int);
  CREATE VIEW shown AS SELECT user_id, id, n FROM files;
  ${fn('noted', 'BEGIN NEW.n := NEW.n + 1; RETURN NEW; END')}
  ${fn('pushed', 'BEGIN NEW.user_id := NEW.user_id + 1; RETURN NEW; END')}
  ${fn('counted', 'BEGIN NEW.n := (SELECT count(*) FROM audit WHERE user_id = NEW.user_id); RETURN NEW; END')}
  ${fn('elsewhere', 'BEGIN INSERT INTO audit VALUES (NEW.user_id + 1, 1); RETURN NEW; END')}
  ${fn('copied', `BEGIN INSERT INTO country VALUES ('c' || NEW.user_id, 1); RETURN NEW; END`)}
  ${fn('keyed', 'BEGIN NEW.user_id := NEW.user_id + 1; INSERT INTO audit VALUES (NEW.user_id, 1); RETURN NEW; END')}
  ${fn('audited', 'BEGIN INSERT INTO audit VALUES (NEW.user_id, 1); RETURN NEW; END')}
  ${fn('pathed', 'BEGIN INSERT INTO audit VALUES (NEW.user_id, 1); RETURN NEW; END')}
  ALTER FUNCTION pathed() SET search_path = other, public;
  CREATE FUNCTION is_odd(int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN $1 % 2 = 1; END';`;

let tested: TestProxy;
let direct: readonly Client[];
let client: Client;

beforeAll(async () => {
  tested = await startTestProxy({
    shards: 2,
    config: { sharding: { tables: { country: { kind: 'reference' } } } },
    prepare: async ({ shards }) => {
      for (const place of shards) {
        const made = await connectAsText(place);
        await made.query(TABLES);
        await made.end();
      }
    },
  });
  client = await connectAsText(tested.login);
  direct = await Promise.all(tested.shards.map(connectAsText));
});

afterAll(async () => {
  await Promise.all([client, ...direct].map((each) => each.end()));
  await tested.close();
});

beforeEach(async () => {
  await client.query(`DELETE FROM files; DELETE FROM owners; DELETE FROM audit;
    INSERT INTO owners VALUES (1, 1), (2, 1); INSERT INTO files VALUES (1, 1, 1)`);
});

const before = (table: string, routine: string, when = ''): string =>
  `CREATE TRIGGER acts BEFORE UPDATE ON ${table} FOR EACH ROW ${when} EXECUTE FUNCTION ${routine}()`;

it.each([
  ['a trigger that reads a table', [before('files', 'counted')], 'trigger acts of files'],
  ['a trigger that inserts by another key', [before('files', 'elsewhere')], 'trigger acts'],
  [
    'a trigger that inserts into a reference table',
    [before('files', 'copied')],
    'country, which is not sharded',
  ],
  [
    'a trigger that inserts by the key, which it changes',
    [before('files', 'keyed')],
    'trigger acts',
  ],
  [
    'a trigger whose function has a search path of its own',
    [before('files', 'pathed')],
    'trigger acts',
  ],
  [
    'a trigger whose condition calls a function',
    [before('files', 'noted', 'WHEN (is_odd(NEW.n))')],
    'trigger acts',
  ],
  [
    'a trigger that inserts when the transaction commits',
    [
      `CREATE CONSTRAINT TRIGGER acts AFTER UPDATE ON files DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION audited()`,
    ],
    'trigger acts',
  ],
  [
    'a trigger that inserts where another does',
    [
      before('files', 'audited'),
      `CREATE TRIGGER more BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audited()`,
    ],
    'trigger more of audit',
  ],
  [
    'a trigger that fires always',
    [
      `CREATE TRIGGER acts BEFORE INSERT ON files FOR EACH ROW EXECUTE FUNCTION noted()`,
      `ALTER TABLE files ENABLE ALWAYS TRIGGER acts`,
    ],
    'fires ALWAYS',
  ],
  [
    'row level security',
    ['ALTER TABLE files ENABLE ROW LEVEL SECURITY'],
    'Row level security of files',
  ],
  [
    'a table that inherits',
    ['CREATE TABLE heirs () INHERITS (files)'],
    'Tables inherit from files',
  ],
  [
    'a foreign key by the key, which a trigger changes',
    [
      before('files', 'pushed'),
      'ALTER TABLE files ADD CONSTRAINT own FOREIGN KEY (user_id) REFERENCES owners',
    ],
    'trigger acts',
  ],
  [
    'a foreign key that sets columns',
    [
      `CREATE TABLE links (user_id int8, id int, PRIMARY KEY (user_id, id),
      FOREIGN KEY (user_id, id) REFERENCES files ON UPDATE SET NULL)`,
    ],
    'foreign key links_user_id_id_fkey of links',
  ],
])('%s', async (_, ddl, detail) => {
  for (const each of direct) {
    await each.query('BEGIN');
    for (const sql of ddl) await each.query(sql);
    await each.query('COMMIT');
  }
  const move = client.query('UPDATE files SET user_id = 2 WHERE user_id = 1');
  await expect(move).rejects.toMatchObject({
    code: '0A000',
    message: 'not supported: UPDATE that moves rows of files to other shards',
    detail: expect.stringContaining(detail),
    hint: expect.stringMatching(/\.$/),
  });
  for (const each of direct) {
    await each.query(`DROP TRIGGER IF EXISTS acts ON files; DROP TRIGGER IF EXISTS more ON audit;
      DROP TABLE IF EXISTS heirs, links;
      ALTER TABLE files DISABLE ROW LEVEL SECURITY, DROP CONSTRAINT IF EXISTS own`);
  }
  await client.query('UPDATE files SET user_id = 2 WHERE user_id = 1');
  expect(await textRows(client, 'SELECT user_id FROM files')).toEqual([['2']]);
});

it('a view of a table with a trigger', async () => {
  for (const each of direct) await each.query(before('files', 'noted'));
  const move = client.query('UPDATE shown SET user_id = 2 WHERE user_id = 1');
  await expect(move).rejects.toMatchObject({ code: '0A000', hint: 'Write the table itself.' });
  for (const each of direct) await each.query('DROP TRIGGER acts ON files');
});

it('in a session that fires the triggers of a replica', async () => {
  const places = tested.beside({ superuser: true });
  const privileged = await places;
  const own = await connectAsText(privileged.login);
  for (const each of direct) await each.query(before('files', 'noted'));
  await own.query('SET session_replication_role = replica');
  const move = own.query('UPDATE files SET user_id = 2 WHERE user_id = 1');
  await expect(move).rejects.toMatchObject({
    code: '0A000',
    detail: expect.stringContaining('replica'),
  });
  for (const each of direct) await each.query('DROP TRIGGER acts ON files');
  await own.end();
  await privileged.close();
});
