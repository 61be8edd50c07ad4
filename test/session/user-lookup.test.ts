// Users looked up on the home shard: who is let in, what strangers learn, how often is asked.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../../src/base/pg.ts';
import type { Shard } from '../../src/topology/shard.ts';
import { superusers } from '../support/cluster.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, fieldsOf, letters, RawClient, type RawMessage } from '../support/raw-client.ts';

const tag = randomBytes(4).toString('hex');
const ann = `ann_${tag}`;
const bob = `bob_${tag}`;
const late = `late_${tag}`;
const group = `group_${tag}`;

/** As docs/config.md has it; the sequence counts how often it is asked. */
const FUNCTION = `
  CREATE SEQUENCE drive.asked;
  CREATE FUNCTION drive.user_password(wanted name) RETURNS TABLE (name name, password text)
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
      SELECT nextval('drive.asked');
      SELECT rolname, CASE WHEN rolcanlogin AND (rolvaliduntil IS NULL OR rolvaliduntil > now())
        THEN rolpassword END
      FROM pg_authid WHERE rolname = wanted $$;
  REVOKE ALL ON FUNCTION drive.user_password FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION drive.user_password TO shard_user;
  GRANT USAGE, SELECT ON SEQUENCE drive.asked TO shard_user;`;
const QUERY = 'SELECT name, password FROM drive.user_password($1)';

const proxies: TestProxy[] = [];
const roles = [ann, bob, late, group];

async function asSuperuser(shard: Shard, sql: string): Promise<void> {
  const { host, port, database } = shard;
  const client = new Client({ host, port, database, ...superusers().shards });
  await client.connect();
  await client.query(sql);
  await client.end();
}

async function start(authQuery: object, proxy: object = {}): Promise<TestProxy> {
  const started = await startTestProxy({
    shards: 1,
    config: { proxy: { authQuery, ...proxy } },
    prepare: ({ shards }) => asSuperuser(shards[0]!, FUNCTION),
  });
  proxies.push(started);
  return started;
}

async function attempt(
  { login }: TestProxy,
  user: string,
  password: string,
): Promise<readonly RawMessage[]> {
  const client = await RawClient.open(login);
  const messages = await client.logIn({ ...login, user, password });
  client.destroy();
  return messages;
}

const asked = async ({ shards }: TestProxy): Promise<number> => {
  const direct = await RawClient.login(shards[0]!);
  const [row] = await direct.rows('SELECT last_value * is_called::int FROM drive.asked');
  await direct.close();
  return Number(row![0]);
};

let proxy: TestProxy;
beforeAll(async () => {
  proxy = await start({ query: QUERY });
  await asSuperuser(
    proxy.shards[0]!,
    `CREATE ROLE ${ann} LOGIN PASSWORD 'sesame'; CREATE ROLE ${group} PASSWORD 'sesame';
     CREATE ROLE ${late} LOGIN PASSWORD 'sesame' VALID UNTIL '2001-01-01';
     SET password_encryption = md5; CREATE ROLE ${bob} LOGIN PASSWORD 'sesame'`,
  );
});

afterAll(async () => {
  const { shards } = proxy;
  for (const each of proxies) await each.close();
  // Once nothing of theirs is left: in the databases of the proxies they had rights.
  await asSuperuser({ ...shards[0]!, database: 'postgres' }, `DROP ROLE ${roles.join(', ')}`);
});

describe('A user of the home shard', () => {
  it('is let in by its password there, and its statements run as the user of the shards', async () => {
    const client = await RawClient.login({ ...proxy.login, user: ann, password: 'sesame' });
    expect(await client.rows('SELECT current_user')).toEqual([['shard_user']]);
    await client.close();
  });

  it('is kept out by a wrong password', async () => {
    const messages = await attempt(proxy, ann, 'wrong');
    expect(letters(messages)).toBe('RRE');
    expect(errorCode(messages)).toBe('28P01');
  });

  it.each([
    ['whose time is over', late],
    ['that may not log in', group],
    ['that does not exist', `nobody_${tag}`],
    ['whose name is cut off to that of another', `${ann}${' '.repeat(80)}`],
  ])('%s sees what a wrong password shows', async (_, user) => {
    const shape = (messages: readonly RawMessage[], name: string): string[] =>
      messages.map(({ type, body }) =>
        type === 'E' ? [...fieldsOf({ type, body })].join().replace(name, '') : `${body.length}`,
      );
    const wrong = shape(await attempt(proxy, ann, 'wrong'), ann);
    expect(shape(await attempt(proxy, user, 'sesame'), user)).toEqual(wrong);
  });

  it('with an md5 verifier is let in where md5 is asked for', async () => {
    const md5 = await start({ query: QUERY }, { auth: 'md5' });
    expect(letters(await attempt(md5, bob, 'sesame'))).toMatch(/^RRS+KZ$/);
    expect(letters(await attempt(md5, ann, 'sesame'))).toMatch(/^RRRRS+KZ$/);
    expect(errorCode(await attempt(proxy, bob, 'sesame'))).toBe('28P01');
  });

  it('is not asked for where the configuration knows it', async () => {
    const before = await asked(proxy);
    expect(errorCode(await attempt(proxy, 'shard_user', 'shard_pass'))).toBe('');
    expect(await asked(proxy)).toBe(before);
  });
});

it('The function of docs/security.md lets its users in, and no superuser', async () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'security.md'), 'utf8');
  const [, sql = ''] = /```sql\n(.*?)```/s.exec(page) ?? [];
  const [, query = ''] = /query: (SELECT .*)/.exec(page) ?? [];
  const lookup = { user: `lookup_${tag}`, password: 'change this' };
  roles.push(lookup.user);
  const documented = await startTestProxy({
    shards: 1,
    config: { proxy: { authQuery: { query, ...lookup } } },
    prepare: ({ shards }) => asSuperuser(shards[0]!, sql.replaceAll('drive_lookup', lookup.user)),
  });
  proxies.push(documented);
  expect(errorCode(await attempt(documented, ann, 'sesame'))).toBe('');
  for (const user of [late, group]) {
    expect(errorCode(await attempt(documented, user, 'sesame'))).toBe('28P01');
  }
  const client = await RawClient.login({ ...documented.login, user: ann, password: 'sesame' });
  expect(errorCode(await client.query(query.replace('$1', `'${ann}'`)))).toBe('42501');
  await client.close();
  const { user, password } = superusers().shards;
  expect(errorCode(await attempt(documented, user, password))).toBe('28P01');
});

describe('An answer', () => {
  it('is used again, a missing user’s as well', async () => {
    const fresh = await start({ query: QUERY });
    for (let i = 0; i < 3; i++) {
      await attempt(fresh, ann, 'sesame');
      await attempt(fresh, 'nobody', 'sesame');
    }
    expect(await asked(fresh)).toBe(2);
  });

  it('serves all who ask at the same time', async () => {
    const fresh = await start({ query: QUERY });
    const all = await Promise.all(Array.from({ length: 20 }, () => attempt(fresh, ann, 'sesame')));
    expect(all.map(errorCode)).toEqual(Array(20).fill(''));
    expect(await asked(fresh)).toBe(1);
  });

  it('is asked for anew each time without a cache', async () => {
    const fresh = await start({ query: QUERY, cacheMs: 0 });
    for (let i = 0; i < 3; i++) await attempt(fresh, ann, 'sesame');
    expect(await asked(fresh)).toBe(3);
  });

  it('is given to more users at once than are asked for at a time', async () => {
    const fresh = await start({ query: QUERY });
    const strangers = Array.from({ length: 30 }, (_, i) => attempt(fresh, `s${i}`, 'x'));
    const [known, ...others] = await Promise.all([attempt(fresh, ann, 'sesame'), ...strangers]);
    expect(errorCode(known!)).toBe('');
    expect(others.map(errorCode)).toEqual(Array(30).fill('28P01'));
  });
});

describe('A query that fails', () => {
  it.each([
    ['for want of rights, as the built-in one', {}],
    ['by too many rows', { query: "SELECT $1::text, 'x' UNION ALL SELECT $1, 'y'" }],
    ['by its columns', { query: 'SELECT $1::text' }],
    ['by its syntax', { query: 'SELEKT $1' }],
  ])('%s lets nobody in and tells strangers nothing', async (_, authQuery) => {
    const failing = await start(authQuery);
    const messages = await attempt(failing, ann, 'sesame');
    const fields = fieldsOf(messages.at(-1)!);
    expect(fields.get('C')).toBe('57P03');
    expect(fields.get('M')).toBe('the user cannot be looked up now');
    expect(errorCode(await attempt(failing, 'shard_user', 'shard_pass'))).toBe('');
  });
});

it('Without a query a user of the shard is a stranger', async () => {
  const without = await startTestProxy({ shards: 1 });
  proxies.push(without);
  expect(errorCode(await attempt(without, ann, 'sesame'))).toBe('28P01');
});
