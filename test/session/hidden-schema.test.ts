// A schema of the search path that the role may not use is passed over, as servers do.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';

const ROLES = ['hidden_owner', 'hidden_user', 'hidden_member', 'hidden_stranger', 'hidden_super'];

let proxy: TestProxy;
let client: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 2, superuser: true });
  client = await RawClient.login(proxy.login);
  for (const role of ROLES) await client.rows(`CREATE ROLE ${role}`);
  await client.rows('ALTER ROLE hidden_super SUPERUSER');
  await client.rows('GRANT hidden_user TO hidden_member');
  await client.rows('CREATE SCHEMA hidden AUTHORIZATION hidden_owner');
  await client.rows('GRANT USAGE ON SCHEMA hidden TO hidden_user');
  await client.rows('CREATE TABLE items (user_id int8, a text)');
  // Of the home shard alone, where the other one has rows everywhere.
  await client.rows('CREATE TABLE hidden.items (id int8, a text)');
  await client.rows("INSERT INTO hidden.items VALUES (1, 'a'), (2, 'b'), (3, 'c')");
  await client.rows("INSERT INTO items VALUES (1, 'x'), (2, 'y')");
  await client.rows(`GRANT ALL ON items, hidden.items TO ${ROLES.join(', ')}`);
});

afterAll(async () => {
  await client.rows('DISCARD ALL');
  await client.rows('DROP SCHEMA hidden CASCADE; DROP TABLE items');
  await client.rows(`DROP ROLE ${ROLES.join(', ')}`);
  await client.close();
  await proxy.close();
});

async function countAs(...settings: readonly string[]): Promise<string> {
  for (const sql of settings) await client.rows(sql);
  const [[count]] = (await client.rows('SELECT count(*) FROM items')) as [[string]];
  await client.rows('DISCARD ALL');
  return count;
}

const PATH = 'SET search_path = hidden, public';

describe('An unqualified name behind a schema', () => {
  it.each([
    ['hidden_owner', '3'],
    ['hidden_user', '3'],
    ['hidden_member', '3'],
    ['hidden_super', '3'],
    ['hidden_stranger', '2'],
  ])('means for %s what it may see', async (role, count) => {
    expect(await countAs(PATH, `SET ROLE ${role}`)).toBe(count);
    expect(await countAs(`SET ROLE ${role}`, PATH)).toBe(count);
    expect(await countAs(PATH, `SET SESSION AUTHORIZATION ${role}`)).toBe(count);
  });

  it('means the same as before where the role is who it was', async () => {
    expect(await countAs(PATH, 'SET ROLE hidden_stranger', 'RESET ROLE')).toBe('3');
  });

  it.each(['constructor', '__proto__'])('may be called %s', async (name) => {
    await client.rows(`CREATE SCHEMA "${name}"; GRANT USAGE ON SCHEMA "${name}" TO PUBLIC`);
    await client.rows(`CREATE TABLE "${name}".items (id int8, a text)`);
    await client.rows(`GRANT SELECT ON "${name}".items TO PUBLIC`);
    const path = `SET search_path = "${name}", public`;
    try {
      expect(await countAs(path)).toBe('0');
      await client.rows(`INSERT INTO "${name}".items VALUES (1, 'a'), (2, 'b'), (3, 'c')`);
      expect(await countAs(path)).toBe('3');
      expect(await countAs(path, 'SET ROLE hidden_stranger')).toBe('3');
    } finally {
      await client.rows(`RESET ROLE; DROP SCHEMA "${name}" CASCADE`);
    }
  });

  it('follows what is granted and taken', async () => {
    await client.rows('GRANT USAGE ON SCHEMA hidden TO hidden_stranger');
    expect(await countAs(PATH, 'SET ROLE hidden_stranger')).toBe('3');
    await client.rows('REVOKE USAGE ON SCHEMA hidden FROM hidden_stranger');
    expect(await countAs(PATH, 'SET ROLE hidden_stranger')).toBe('2');
    await client.rows('GRANT hidden_owner TO hidden_stranger');
    expect(await countAs(PATH, 'SET ROLE hidden_stranger')).toBe('3');
    await client.rows('REVOKE hidden_owner FROM hidden_stranger');
  });
});
