// Startup: versions, options, databases, refusals, and settings that become the session's defaults.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MessageWriter } from '../../src/wire/bytes.ts';
import { PROTOCOL_3_2 } from '../../src/wire/startup.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import {
  errorCode,
  fieldsOf,
  letters,
  RawClient,
  type RawMessage,
  rawMessage,
  startupPacket,
} from '../support/raw-client.ts';

let proxy: TestProxy;

beforeAll(async () => {
  proxy = await startTestProxy({ config: { proxy: { trust: ['127.0.0.1'] } } });
});

afterAll(() => proxy.close());

/** Everything a stranger is answered until the proxy hangs up. */
async function refusal(...bytes: readonly Buffer[]): Promise<RawMessage[]> {
  const client = await RawClient.open(proxy.login);
  client.send(...bytes);
  const messages = await client.untilEnd();
  client.destroy();
  return messages;
}

function expectFatal(messages: readonly RawMessage[], code: string): ReadonlyMap<string, string> {
  expect(letters(messages)).toMatch(/^[vRN]*E$/);
  const fields = fieldsOf(messages.at(-1)!);
  expect(fields.get('C')).toBe(code);
  expect(fields.get('V')).toBe('FATAL');
  return fields;
}

const who = () => ({ user: proxy.login.user, database: proxy.login.database });

describe('A startup packet', () => {
  it('of version 3.0 is answered with the server parameters and a key of 4 bytes', async () => {
    const client = await RawClient.open(proxy.login);
    const messages = await client.logIn(proxy.login);
    expect(letters(messages)).toMatch(/^RS+KZ$/);
    expect(client.key.secret).toHaveLength(4);
    expect(client.parameters.get('server_version')).toMatch(/^18/);
    expect(client.parameters.get('client_encoding')).toBe('UTF8');
    await client.close();
  });

  it('reports the same parameters as a server', async () => {
    const clients = [await RawClient.login(proxy.login), await RawClient.login(proxy.plain)];
    const [here, there] = clients.map(({ parameters }) => [...parameters.keys()].sort());
    expect(here).toEqual(there);
    for (const client of clients) await client.close();
  });

  it('of version 3.2 gets a long cancel key', async () => {
    const client = await RawClient.login(proxy.login, { version: PROTOCOL_3_2 });
    expect(client.key.secret).toHaveLength(32);
    await client.close();
  });

  it.each([0x30003, 0x39999])('of the future version %i is offered 3.2', async (version) => {
    const client = await RawClient.open(proxy.login);
    const messages = await client.logIn(proxy.login, { version });
    expect(letters(messages)).toMatch(/^vRS+KZ$/);
    expect(messages[0]!.body.readInt32BE(0)).toBe(PROTOCOL_3_2);
    expect(messages[0]!.body.readInt32BE(4)).toBe(0);
    expect(client.key.secret).toHaveLength(32);
    await client.close();
  });

  it('is told which of its protocol options are unknown', async () => {
    const client = await RawClient.open(proxy.login);
    const parameters = { '_pq_.one': 'on', '_pq_.two': '' };
    const [negotiation] = await client.logIn(proxy.login, { parameters });
    expect(negotiation!.type).toBe('v');
    expect(negotiation!.body.readInt32BE(4)).toBe(2);
    expect(negotiation!.body.toString('utf8', 8)).toBe('_pq_.one\0_pq_.two\0');
    await client.close();
  });

  it('of protocol 2.0 is refused', async () => {
    const fields = expectFatal(await refusal(startupPacket(who(), 0x20000)), '0A000');
    expect(fields.get('M')).toContain('unsupported frontend protocol 2.0');
  });

  it('without a user is refused', async () => {
    expectFatal(await refusal(startupPacket({ database: 'drive' })), '28000');
  });

  it('for a database that does not exist is refused with 3D000', async () => {
    const fields = expectFatal(
      await refusal(startupPacket({ ...who(), database: 'nowhere' })),
      '3D000',
    );
    expect(fields.get('M')).toBe('database "nowhere" does not exist');
  });

  it('for replication is refused', async () => {
    expectFatal(await refusal(startupPacket({ ...who(), replication: 'database' })), '0A000');
    expectFatal(await refusal(startupPacket({ ...who(), replication: 'true' })), '0A000');
    const client = await RawClient.login(proxy.login, { parameters: { replication: 'off' } });
    await client.close();
  });

  it('with bytes behind its end, or without one, is refused', async () => {
    const packet = startupPacket(who());
    const long = Buffer.concat([packet, Buffer.of(0)]);
    long.writeInt32BE(long.length, 0);
    expectFatal(await refusal(long), '08P01');
    const short = Buffer.from(packet.subarray(0, -1));
    short.writeInt32BE(short.length, 0);
    expectFatal(await refusal(short), '08P01');
  });

  it('of garbage is refused', async () => {
    expectFatal(await refusal(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')), '08P01');
    expectFatal(await refusal(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0])), '08P01');
    expectFatal(await refusal(Buffer.from([0, 0, 0x27, 0x11, 0, 3, 0, 0])), '08P01');
    expectFatal(await refusal(Buffer.from([0xff, 0xff, 0xff, 0xff])), '08P01');
  });
});

describe('Requests before startup', () => {
  const SSL = new MessageWriter(null).int32(80877103).finish();
  const GSS = new MessageWriter(null).int32(80877104).finish();

  it('for encryption are answered N when there is none, and the session goes on', async () => {
    const client = await RawClient.open(proxy.login);
    client.send(GSS);
    expect((await client.bytes(1)).toString()).toBe('N');
    client.send(SSL);
    expect((await client.bytes(1)).toString()).toBe('N');
    expect(letters(await client.logIn(proxy.login))).toMatch(/^RS+KZ$/);
    await client.close();
  });

  it('again and again are refused', async () => {
    const client = await RawClient.open(proxy.login);
    client.send(GSS, SSL, SSL);
    expect((await client.bytes(2)).toString()).toBe('NN');
    expectFatal(await client.untilEnd(), '08P01');
  });
});

describe('Startup settings', () => {
  const loginWith = (parameters: Record<string, string>) =>
    RawClient.login(proxy.login, { parameters });

  it('are in force and are what RESET returns to', async () => {
    const client = await loginWith({
      timezone: 'Asia/Tokyo',
      application_name: 'mine',
      work_mem: '123kB',
    });
    expect(client.parameters.get('TimeZone')).toBe('Asia/Tokyo');
    expect(client.parameters.get('application_name')).toBe('mine');
    for (const reset of ['RESET TimeZone', 'RESET ALL', 'SET TimeZone TO DEFAULT', 'DISCARD ALL']) {
      await client.rows("SET TimeZone = 'Asia/Seoul'");
      expect(await client.rows('SHOW TimeZone')).toEqual([['Asia/Seoul']]);
      await client.rows(reset);
      expect(await client.rows('SHOW TimeZone')).toEqual([['Asia/Tokyo']]);
      expect(client.parameters.get('TimeZone')).toBe('Asia/Tokyo');
    }
    expect(await client.rows('SHOW work_mem')).toEqual([['123kB']]);
    await client.close();
  });

  it('in options are in force on every shard', async () => {
    const client = await loginWith({ options: '-c work_mem=456kB --search-path=a\\ b,public' });
    for (const shard of [0, 1]) {
      const show = (name: string) => client.rows(`/* drive.shard=${shard} */ SHOW ${name}`);
      expect(await show('work_mem')).toEqual([['456kB']]);
      expect(await show('search_path')).toEqual([['"a b", public']]);
    }
    await client.close();
  });

  it('of one client do not reach another', async () => {
    const tokyo = await loginWith({ timezone: 'Asia/Tokyo' });
    const plain = await RawClient.login(proxy.login);
    const utc = plain.parameters.get('TimeZone')!;
    for (let i = 0; i < 3; i++) {
      expect(await tokyo.rows('SHOW TimeZone')).toEqual([['Asia/Tokyo']]);
      expect(await plain.rows('SHOW TimeZone')).toEqual([[utc]]);
    }
    await tokyo.close();
    await plain.close();
  });

  it('that a server refuses end the login with its error', async () => {
    const invalid = await refusal(startupPacket({ ...who(), timezone: 'Nowhere/City' }));
    expectFatal(invalid, '22023');
    expectFatal(await refusal(startupPacket({ ...who(), no_such_setting: '1' })), '42704');
    expectFatal(await refusal(startupPacket({ ...who(), options: '-x' })), '42601');
    const client = await RawClient.login(proxy.login);
    expect(await client.rows('SELECT 1')).toEqual([['1']]);
    await client.close();
  });

  it('ask for UTF8 in any spelling, and for no other encoding', async () => {
    for (const encoding of ['UTF8', 'utf-8', 'UNICODE', 'SQL_ASCII']) {
      const client = await loginWith({ client_encoding: encoding });
      await client.close();
    }
    expectFatal(await refusal(startupPacket({ ...who(), client_encoding: 'LATIN1' })), '0A000');
  });

  it('may be empty', async () => {
    const client = await loginWith({ application_name: '' });
    expect(await client.rows('SHOW application_name')).toEqual([['']]);
    await client.close();
  });
});

describe('A session', () => {
  it('ends with 08P01 on an unknown message type, as on a bad length', async () => {
    for (const bytes of [
      rawMessage('~'),
      Buffer.from([0x51, 0, 0, 0, 3]),
      Buffer.from([0x51, 0xff, 0xff, 0xff, 0xff]),
      Buffer.from([0x51, 0x7f, 0xff, 0xff, 0xff]),
      rawMessage('Q', Buffer.from('no zero byte')),
      rawMessage('Q', Buffer.from('two\0strings\0')),
      rawMessage('Q'),
    ]) {
      const client = await RawClient.login(proxy.login);
      client.send(bytes);
      expectFatal(await client.untilEnd(), '08P01');
      client.destroy();
    }
  });

  it('ends without a word on Terminate', async () => {
    const client = await RawClient.login(proxy.login);
    client.send(rawMessage('X'));
    expect(await client.untilEnd()).toEqual([]);
  });

  it('takes random bytes without harm to others', async () => {
    const other = await RawClient.login(proxy.login);
    let seed = 1;
    const next = () => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      return (seed >> 8) & 0xff;
    };
    for (let i = 0; i < 30; i++) {
      const client =
        i % 2 === 0 ? await RawClient.login(proxy.login) : await RawClient.open(proxy.login);
      client.send(Buffer.from(Array.from({ length: 200 }, next)));
      client.socket.end();
      await client.untilEnd();
      client.destroy();
    }
    expect(errorCode(await other.query('SELECT 1'))).toBe('');
    await other.close();
  });
});
