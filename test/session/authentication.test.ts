// Authentication: SCRAM, md5, stored verifiers, trust by address, and what a stranger learns.

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePassword, encodeSaslInitialResponse } from '../../src/wire/authentication.ts';
import { formatVerifier, makeVerifier, md5Stored } from '../../src/wire/password.ts';
import { type Login, startTestProxy, type TestProxy } from '../support/proxy.ts';
import {
  fieldsOf,
  letters,
  RawClient,
  type RawMessage,
  rawMessage,
  startupPacket,
} from '../support/raw-client.ts';

const SCRAM = 10;
const MD5 = 5;

let scram: TestProxy;
let md5: TestProxy;

beforeAll(async () => {
  const verifier = formatVerifier(await makeVerifier('sesame', randomBytes(16)));
  const users = [
    { name: 'shard_user', password: 'shard_pass' },
    { name: 'plain', password: 'sesame' },
    { name: 'verified', password: verifier },
    { name: 'hashed', password: md5Stored('hashed', 'sesame') },
    { name: 'prepped', password: 'I\u00adX' },
  ];
  scram = await startTestProxy({ shards: 1, config: { proxy: { users } } });
  md5 = await startTestProxy({ shards: 1, config: { proxy: { users, auth: 'md5' } } });
});

afterAll(async () => {
  await scram.close();
  await md5.close();
});

async function attempt(proxy: TestProxy, login: Partial<Login>): Promise<RawMessage[]> {
  const client = await RawClient.open(proxy.login);
  try {
    return await client.logIn({ ...proxy.login, ...login });
  } finally {
    client.destroy();
  }
}

const methodOf = (messages: readonly RawMessage[]): number => messages[0]!.body.readInt32BE(0);

/** Everything but the salts and nonces of two refusals. */
const shapeOf = (messages: readonly RawMessage[], user: string): string[] =>
  messages.map(({ type, body }) =>
    type === 'E'
      ? [...fieldsOf({ type, body })].join().replaceAll(user, 'USER')
      : `${type} ${body.length}`,
  );

describe('With SCRAM-SHA-256', () => {
  it.each(['plain', 'verified'])('the user %s is let in by the right password', async (user) => {
    const messages = await attempt(scram, { user, password: 'sesame' });
    expect(letters(messages)).toMatch(/^RRRRS+KZ$/);
    expect(methodOf(messages)).toBe(SCRAM);
  });

  it('a user known by an md5 hash alone cannot be let in', async () => {
    const messages = await attempt(scram, { user: 'hashed', password: 'sesame' });
    expect(letters(messages)).toBe('RRE');
    expect(fieldsOf(messages.at(-1)!).get('C')).toBe('28P01');
  });

  it('a password is let in in any form that SASLprep makes the same', async () => {
    expect(letters(await attempt(scram, { user: 'prepped', password: 'IX' }))).toMatch(/Z$/);
  });

  it.each(['plain', 'verified'])('the user %s is kept out by a wrong password', async (user) => {
    const messages = await attempt(scram, { user, password: 'Sesame' });
    expect(letters(messages)).toBe('RRE');
    const fields = fieldsOf(messages.at(-1)!);
    expect(fields.get('C')).toBe('28P01');
    expect(fields.get('M')).toBe(`password authentication failed for user "${user}"`);
    expect(fields.get('V')).toBe('FATAL');
  });

  it('a stranger sees the same as a user with a wrong password', async () => {
    const stranger = await attempt(scram, { user: 'nobody', password: 'x' });
    const known = await attempt(scram, { user: 'plain', password: 'x' });
    expect(shapeOf(stranger, 'nobody')).toEqual(shapeOf(known, 'plain'));
  });

  it('a stranger is shown the same salt each time, as a user is', async () => {
    const saltOf = async (user: string) => {
      const messages = await attempt(scram, { user, password: 'x' });
      return /s=([^,]+)/.exec(messages[1]!.body.toString())![1]!;
    };
    expect(await saltOf('nobody')).toBe(await saltOf('nobody'));
    expect(await saltOf('nobody')).not.toBe(await saltOf('somebody'));
  });

  it('a database that does not exist is not told to a stranger', async () => {
    const messages = await attempt(scram, { user: 'nobody', database: 'nowhere', password: 'x' });
    expect(fieldsOf(messages.at(-1)!).get('C')).toBe('28P01');
  });

  it.each([
    ['another mechanism', encodeSaslInitialResponse('SCRAM-SHA-1', Buffer.from('n,,n=,r=abc'))],
    ['a malformed first message', encodeSaslInitialResponse('SCRAM-SHA-256', Buffer.from('hello'))],
    ['a cleartext password', encodePassword('sesame')],
    ['a Query', rawMessage('Q', Buffer.from('SELECT 1\0'))],
    ['an empty message', rawMessage('p')],
    ['a message of 100 kB', rawMessage('p', Buffer.alloc(100_000))],
  ])('%s instead of an answer is a protocol violation', async (_, bytes) => {
    const client = await RawClient.open(scram.login);
    client.send(startupPacket({ user: 'plain', database: scram.login.database }));
    await client.until('R');
    client.send(bytes);
    const messages = await client.untilEnd();
    expect(letters(messages)).toBe('E');
    expect(fieldsOf(messages[0]!).get('C')).toBe('08P01');
    client.destroy();
  });

  it('statements sent ahead of the login are not run', async () => {
    const client = await RawClient.open(scram.login);
    client.send(
      startupPacket({ user: 'plain', database: scram.login.database }),
      rawMessage('Q', Buffer.from('SELECT 1\0')),
    );
    const messages = await client.untilEnd();
    expect(letters(messages)).toBe('RE');
    expect(fieldsOf(messages.at(-1)!).get('C')).toBe('08P01');
    client.destroy();
  });
});

describe('With md5', () => {
  it.each(['plain', 'hashed'])('the user %s is let in by the right password', async (user) => {
    const messages = await attempt(md5, { user, password: 'sesame' });
    expect(letters(messages)).toMatch(/^RRS+KZ$/);
    expect(methodOf(messages)).toBe(MD5);
  });

  it('a user known by a SCRAM verifier is asked by SCRAM', async () => {
    const messages = await attempt(md5, { user: 'verified', password: 'sesame' });
    expect(letters(messages)).toMatch(/^RRRRS+KZ$/);
  });

  it('a wrong password and a stranger see the same', async () => {
    const stranger = await attempt(md5, { user: 'nobody', password: 'x' });
    const known = await attempt(md5, { user: 'plain', password: 'x' });
    expect(letters(known)).toBe('RE');
    expect(shapeOf(stranger, 'nobody')).toEqual(shapeOf(known, 'plain'));
  });

  it('the salt is another each time', async () => {
    const salts = new Set<string>();
    for (let i = 0; i < 3; i++) {
      const [request] = await attempt(md5, { user: 'plain', password: 'x' });
      salts.add(request!.body.toString('hex', 4));
    }
    expect(salts.size).toBe(3);
  });
});

describe('Trust', () => {
  it('lets known users of an address in without a password, and no strangers', async () => {
    for (const trust of [['127.0.0.1'], ['127.0.0.0/8'], ['0.0.0.0/0']]) {
      const proxy = await startTestProxy({ shards: 1, config: { proxy: { trust } } });
      expect(letters(await attempt(proxy, { password: 'x' }))).toMatch(/^RS+KZ$/);
      const stranger = await attempt(proxy, { user: 'nobody', password: 'x' });
      expect(fieldsOf(stranger.at(-1)!).get('C')).toBe('28P01');
      await proxy.close();
    }
  });

  it('asks everybody else', async () => {
    const proxy = await startTestProxy({
      shards: 1,
      config: { proxy: { trust: ['10.0.0.0/8', '::1'] } },
    });
    const messages = await attempt(proxy, { password: 'x' });
    expect(fieldsOf(messages.at(-1)!).get('C')).toBe('28P01');
    await proxy.close();
  });
});

describe('A login', () => {
  it('that takes too long is ended', async () => {
    const proxy = await startTestProxy({ shards: 1, config: { proxy: { authTimeoutMs: 150 } } });
    const silent = await RawClient.open(proxy.login);
    const half = await RawClient.open(proxy.login);
    half.send(startupPacket({ user: 'shard_user', database: 'drive' }).subarray(0, 7));
    const unsure = await RawClient.open(proxy.login);
    unsure.send(startupPacket({ user: 'shard_user', database: 'drive' }));
    for (const client of [silent, half, unsure]) {
      const messages = await client.untilEnd();
      expect(letters(messages)).toMatch(/^R?E$/);
      expect(fieldsOf(messages.at(-1)!).get('C')).toBe('57014');
    }
    const quick = await RawClient.login(proxy.login);
    expect(await quick.rows('SELECT 1')).toEqual([['1']]);
    await quick.close();
    await proxy.close();
  });

  it('of a client too many gets 53300, and a place once another has left', async () => {
    const proxy = await startTestProxy({ shards: 1, config: { proxy: { clientsMax: 2 } } });
    const first = await RawClient.login(proxy.login);
    const second = await RawClient.login(proxy.login);
    const refused = await attempt(proxy, {});
    expect(fieldsOf(refused.at(-1)!).get('C')).toBe('53300');
    expect(fieldsOf(refused.at(-1)!).get('V')).toBe('FATAL');
    await first.close();
    // Terminate is answered by the end of the connection, which frees the place.
    const third = await RawClient.login(proxy.login);
    await second.close();
    await third.close();
    await proxy.close();
  });
});
