// "$user" in the search path is the schema of whoever the session has become.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';

let proxy: TestProxy;
let client: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 2, superuser: true });
  client = await RawClient.login(proxy.login);
  await client.rows('CREATE ROLE own_schema; CREATE SCHEMA own_schema AUTHORIZATION own_schema');
  await client.rows('CREATE TABLE things (user_id int8, a text)');
  // Of the home shard alone, where the other one has rows everywhere.
  await client.rows('CREATE TABLE own_schema.things (id int8, a text)');
  await client.rows('GRANT ALL ON things, own_schema.things TO own_schema');
});

beforeEach(async () => {
  await client.rows('DISCARD ALL');
  await client.rows('TRUNCATE things; TRUNCATE own_schema.things');
});

afterAll(async () => {
  await client.rows('DISCARD ALL');
  await client.rows('DROP SCHEMA own_schema CASCADE; DROP TABLE things; DROP ROLE own_schema');
  await client.close();
  await proxy.close();
});

const ROWS = "INSERT INTO things VALUES (1, 'x'); INSERT INTO things VALUES (2, 'y')";

const counts = () =>
  client.rows('SELECT (SELECT count(*) FROM things), (SELECT count(*) FROM own_schema.things)');

describe('A table in the own schema is meant before one of that name in another', () => {
  it.each([
    ['SET ROLE own_schema', 'RESET ROLE'],
    ["SELECT set_config('role', 'own_schema', false)", 'SET ROLE NONE'],
    ['SET SESSION AUTHORIZATION "own_schema"', 'RESET SESSION AUTHORIZATION'],
    ["BEGIN; SET LOCAL ROLE 'own_schema'", 'COMMIT'],
    ["BEGIN; SELECT set_config('role', 'own_schema', true)", 'COMMIT'],
    [
      'SET search_path = public, "$user"; SET search_path = "$user", public; SET ROLE own_schema',
      '',
    ],
    ['BEGIN; SET LOCAL search_path TO "$user", public; SET ROLE own_schema', 'COMMIT; RESET ROLE'],
  ])('%s', async (become, end) => {
    await client.rows(become);
    await client.rows(ROWS);
    await client.rows(`${end}; RESET ROLE; RESET search_path`);
    expect(await counts()).toEqual([['0', '2']]);
  });

  /** Sets the path for the transaction, for the session, and through another. */
  const makeRoutines = () =>
    client.rows(`CREATE OR REPLACE FUNCTION public.own_path(is_local bool) RETURNS void LANGUAGE plpgsql
        AS $$ BEGIN IF is_local THEN SET LOCAL search_path = own_schema;
          ELSE PERFORM set_config('search_path', 'own_schema', false); END IF; END $$;
      CREATE OR REPLACE FUNCTION public.given_path(is_local bool) RETURNS text LANGUAGE sql
        AS $$ SELECT set_config('search_path', 'own_schema', is_local) $$;
      CREATE OR REPLACE PROCEDURE public.own_path_too() LANGUAGE plpgsql
        AS $$ BEGIN PERFORM public.own_path(false); END $$`);

  it.each([
    ['SELECT own_path(false)', 'COMMIT'],
    ['BEGIN; SELECT own_path(true)', 'COMMIT'],
    ['BEGIN; SELECT own_path(false); COMMIT', ''],
    ['BEGIN; SELECT given_path(false); COMMIT', ''],
    ['BEGIN; SELECT given_path(true)', 'COMMIT'],
    ['BEGIN; DO $$ BEGIN SET LOCAL search_path = own_schema; END $$', 'COMMIT'],
    ['DO $$ BEGIN PERFORM own_path(false); END $$', ''],
    ['CALL own_path_too()', ''],
  ])('also where a routine has set the path: %s', async (become, end) => {
    await makeRoutines();
    await client.rows(become);
    await client.rows(ROWS);
    await client.rows(`${end}; RESET search_path`);
    expect(await counts()).toEqual([['0', '2']]);
  });

  it.each([
    'BEGIN; SELECT own_path(true); COMMIT',
    'BEGIN; SELECT given_path(true); COMMIT',
    'BEGIN; SELECT own_path(false); ROLLBACK',
    'SELECT given_path(true)',
    'BEGIN; SAVEPOINT a; SELECT given_path(false); ROLLBACK TO a; COMMIT',
  ])('but not where it was set for what is over: %s', async (become) => {
    await makeRoutines();
    await client.rows(become);
    await client.rows(ROWS);
    await client.rows('RESET search_path');
    expect(await counts()).toEqual([['2', '0']]);
  });

  it.each([
    ['where the role is who it was again', 'SET ROLE own_schema; SET ROLE NONE', ''],
    ['where the path says so', 'SET search_path = public, "$user"; SET ROLE own_schema', ''],
    [
      'behind the savepoint',
      'BEGIN; SAVEPOINT a; SET LOCAL ROLE own_schema; ROLLBACK TO a',
      'COMMIT',
    ],
  ])('but not %s', async (_, become, end) => {
    await client.rows(become);
    await client.rows(ROWS);
    await client.rows(`${end}; RESET ROLE; RESET search_path`);
    expect(await counts()).toEqual([['2', '0']]);
  });
});
