// TLS: asked for, begun at once, required, and bytes injected ahead of it.

import { connect as connectTcp } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeSslRequest } from '../../src/wire/startup.ts';
import { Authority } from '../support/certificate.ts';
import { CertificateFiles } from '../support/certificate-files.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { fieldsOf, letters, RawClient, startupPacket } from '../support/raw-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const files = new CertificateFiles(temporaryDirectory());
let proxy: TestProxy;
let strict: TestProxy;

beforeAll(async () => {
  const tls = files.pair('server', new Authority().issue({ commonName: 'localhost' }));
  proxy = await startTestProxy({ shards: 1, config: { proxy: { tls } } });
  const required = { proxy: { tls: { ...tls, required: true } } };
  strict = await startTestProxy({ shards: 1, config: required });
});

afterAll(async () => {
  await proxy.close();
  await strict.close();
});

interface Upgrade {
  readonly alpn: readonly string[];
  /** SSLRequest first, and its answer S. */
  readonly ask: boolean;
}

async function secure({ login }: TestProxy, { alpn, ask }: Upgrade): Promise<TLSSocket> {
  const socket = connectTcp({ host: login.host, port: login.port });
  if (ask) {
    socket.write(encodeSslRequest());
    const answer = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
    expect(answer.toString()).toBe('S');
  }
  const tls = connect({ socket, rejectUnauthorized: false, ALPNProtocols: [...alpn] });
  await new Promise<void>((resolve, reject) => {
    tls.once('secureConnect', resolve);
    tls.once('error', reject);
    tls.once('close', () => reject(new Error('closed')));
  });
  return tls;
}

async function expectSession(socket: TLSSocket): Promise<void> {
  const client = new RawClient(socket);
  expect(letters(await client.logIn(proxy.login))).toMatch(/^RRRRS+KZ$/);
  expect(await client.rows('SELECT 1')).toEqual([['1']]);
  await client.close();
}

describe('TLS', () => {
  it('is agreed on by SSLRequest, with and without ALPN', async () => {
    await expectSession(await secure(proxy, { ask: true, alpn: ['postgresql'] }));
    await expectSession(await secure(proxy, { ask: true, alpn: [] }));
    await expectSession(await secure(strict, { ask: true, alpn: [] }));
  });

  it('may begin at once, with the ALPN protocol postgresql', async () => {
    const socket = await secure(proxy, { ask: false, alpn: ['postgresql'] });
    expect(socket.alpnProtocol).toBe('postgresql');
    await expectSession(socket);
  });

  it('that begins at once without ALPN is cut off', async () => {
    const socket = await secure(proxy, { ask: false, alpn: [] }).catch(() => null);
    if (socket === null) return;
    const client = new RawClient(socket);
    client.send(startupPacket({ user: 'shard_user', database: 'drive' }));
    expect(await client.untilEnd()).toEqual([]);
    client.destroy();
  });

  it('with the ALPN of another protocol is refused', async () => {
    await expect(secure(proxy, { ask: false, alpn: ['h2'] })).rejects.toThrow();
  });

  it('carries results larger than its records', async () => {
    const client = new RawClient(await secure(proxy, { ask: true, alpn: [] }));
    await client.logIn(proxy.login);
    const [row] = await client.rows("SELECT repeat('x', 3000000)");
    expect(row![0]).toHaveLength(3_000_000);
    await client.close();
  });

  it('is not asked of clients where it is not required', async () => {
    const client = await RawClient.login(proxy.login);
    expect(await client.rows('SELECT 1')).toEqual([['1']]);
    await client.close();
  });

  it('that is required turns clients in clear away before they say a password', async () => {
    const client = await RawClient.open(strict.login);
    const messages = await client.logIn(strict.login);
    expect(letters(messages)).toBe('E');
    expect(fieldsOf(messages[0]!).get('C')).toBe('28000');
    expect(fieldsOf(messages[0]!).get('V')).toBe('FATAL');
    client.destroy();
  });

  it('refuses what was sent in the clear behind SSLRequest', async () => {
    const client = await RawClient.open(proxy.login);
    const injected = startupPacket({ user: 'shard_user', database: 'drive' });
    client.send(encodeSslRequest(), injected);
    const messages = await client.untilEnd();
    expect(letters(messages)).toBe('E');
    expect(fieldsOf(messages[0]!).get('M')).toContain('unencrypted data');
    client.destroy();
  });

  it('is not negotiated inside TLS', async () => {
    const socket = await secure(proxy, { ask: true, alpn: [] });
    const client = new RawClient(socket);
    client.send(encodeSslRequest());
    expect((await client.bytes(1)).toString()).toBe('N');
    expect(letters(await client.logIn(proxy.login))).toMatch(/^RRRRS+KZ$/);
    await client.close();
  });

  it('that fails in the handshake leaves the proxy serving others', async () => {
    const client = await RawClient.open(proxy.login);
    client.send(encodeSslRequest());
    expect((await client.bytes(1)).toString()).toBe('S');
    client.send(Buffer.from('this is no ClientHello'));
    client.destroy();
    const half = await RawClient.open(proxy.login);
    half.send(Buffer.from([0x16, 3, 1]));
    half.destroy();
    await expectSession(await secure(proxy, { ask: true, alpn: [] }));
  });

  it('broken off right after it was agreed on leaves the proxy serving others', async () => {
    for (let i = 0; i < 10; i++) {
      const socket = connectTcp({ host: proxy.login.host, port: proxy.login.port });
      const tls = connect({ socket, rejectUnauthorized: false, ALPNProtocols: ['postgresql'] });
      await new Promise((resolve) => tls.once('secureConnect', resolve));
      tls.on('error', () => undefined);
      tls.write(startupPacket({ user: 'shard_user', database: 'drive' }));
      socket.resetAndDestroy();
    }
    await expectSession(await secure(proxy, { ask: true, alpn: [] }));
  });
});
