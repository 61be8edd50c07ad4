// UPDATE that moves rows of tables with triggers, by roles that may keep these from firing and roles that may not.

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { superusers } from '../support/cluster.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

const ROLE = `moving_${randomBytes(4).toString('hex')}`;

const TABLES = `
  CREATE EXTENSION moddatetime;
  CREATE TABLE owners (user_id int8 PRIMARY KEY);
  CREATE TABLE files (user_id int8 NOT NULL REFERENCES owners, id int, changed timestamptz DEFAULT '2020-01-01Z', PRIMARY KEY (user_id, id));
  CREATE TABLE audit (user_id int8, what text);
  CREATE TRIGGER stamps BEFORE UPDATE ON files FOR EACH ROW EXECUTE FUNCTION moddatetime(changed);
  CREATE FUNCTION notes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN
    IF TG_OP = 'DELETE' THEN INSERT INTO audit VALUES (OLD.user_id, TG_OP); RETURN OLD; END IF;
    INSERT INTO audit VALUES (NEW.user_id, TG_OP); RETURN NEW; END$$;
  GRANT SELECT, INSERT, UPDATE, DELETE ON owners, files, audit TO ${ROLE};`;

const NOTES = `CREATE TRIGGER notes AFTER INSERT OR UPDATE OR DELETE ON files FOR EACH ROW EXECUTE FUNCTION notes()`;

let tested: TestProxy;
let client: Client;
let direct: readonly Client[];
/** As many as there are servers: the shards of the run may share one. */
let isShared: boolean;

beforeAll(async () => {
  tested = await startTestProxy({
    shards: 2,
    superuser: true,
    prepare: async ({ shards }) => {
      direct = await Promise.all(
        shards.map((place) => connectAsText({ ...place, ...superusers().shards })),
      );
      isShared = new Set(shards.map(({ port }) => port)).size === 1;
      for (const each of isShared ? direct.slice(0, 1) : direct)
        await each.query(`CREATE ROLE ${ROLE}`);
      for (const each of direct) await each.query(TABLES);
    },
  });
  client = await connectAsText(tested.login);
});

afterAll(async () => {
  await client.end();
  for (const each of direct) await each.query(`DROP OWNED BY ${ROLE} CASCADE`);
  for (const each of isShared ? direct.slice(0, 1) : direct) await each.query(`DROP ROLE ${ROLE}`);
  await Promise.all(direct.map((each) => each.end()));
  await tested.close();
});

beforeEach(async () => {
  await client.query(`RESET ROLE; DELETE FROM files; DELETE FROM owners;
    INSERT INTO owners VALUES (1), (2); INSERT INTO files VALUES (1, 1), (1, 2); DELETE FROM audit`);
  await client.query(`SET ROLE ${ROLE}`);
});

const MOVE = `UPDATE files SET user_id = 2 WHERE user_id = 1 AND id = 1 RETURNING changed > '2020-02-02'`;

it('a trigger for UPDATE of an extension needs no more rights', async () => {
  expect(await textRows(client, MOVE)).toEqual([['t']]);
  expect(await textRows(client, 'SELECT user_id, id FROM files ORDER BY 1')).toEqual([
    ['1', '2'],
    ['2', '1'],
  ]);
});

it('triggers for INSERT and DELETE are kept from firing by who may', async () => {
  for (const each of direct) await each.query(NOTES);
  await expect(client.query(MOVE)).rejects.toMatchObject({
    code: '0A000',
    hint: expect.stringContaining('GRANT SET ON PARAMETER session_replication_role'),
  });
  const grant = `GRANT SET ON PARAMETER session_replication_role TO ${ROLE}`;
  for (const each of isShared ? direct.slice(0, 1) : direct) await each.query(grant);
  expect(await textRows(client, MOVE)).toEqual([['t']]);
  expect(await textRows(client, 'SELECT * FROM audit')).toEqual([['2', 'UPDATE']]);
  for (const each of direct) await each.query('DROP TRIGGER notes ON files');
});
