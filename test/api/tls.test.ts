// The API behind a proxy that takes encrypted connections only.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Authority } from '../support/certificate.ts';
import { CertificateFiles } from '../support/certificate-files.ts';
import { type FreshDatabases, freshDatabases } from '../support/cluster.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { type RunningStack, startStack } from './running-api.ts';

const files = new CertificateFiles(temporaryDirectory());
const authority = new Authority();
const root = files.write('root.crt', authority.cert);
const strangeRoot = files.write('strange.crt', new Authority('a stranger').cert);
const server = files.pair('proxy', authority.issue({ commonName: 'proxy', names: ['127.0.0.1'] }));
const mine = files.pair('api', authority.issue({ commonName: 'shard_user' }));

let databases: FreshDatabases;
beforeAll(async () => {
  databases = await freshDatabases(1, { application: true });
});
afterAll(() => databases.drop());

async function isReady(proxy: object, api: object): Promise<boolean> {
  const stack: RunningStack = await startStack(databases.shards, { proxy, api });
  try {
    const { status } = await stack.call('GET', '/health/ready');
    return status === 200;
  } finally {
    await stack.close();
  }
}

describe('The API', () => {
  const tls = { ...server, required: true };

  it('encrypts by itself where the proxy requires it', async () => {
    expect(await isReady({ tls }, {})).toBe(true);
    expect(await isReady({ tls }, { sslmode: 'disable' })).toBe(false);
  });

  it('makes sure that it is the proxy', async () => {
    expect(await isReady({ tls }, { sslmode: 'verify-full', sslrootcert: root })).toBe(true);
    expect(await isReady({ tls }, { sslmode: 'verify-full', sslrootcert: strangeRoot })).toBe(
      false,
    );
  });

  it('logs in by a certificate', async () => {
    const proxy = {
      tls: { ...tls, clientCa: root },
      auth: 'cert',
      users: [{ name: 'shard_user' }],
    };
    expect(await isReady(proxy, { sslcert: mine.cert, sslkey: mine.key })).toBe(true);
    expect(await isReady(proxy, { password: 'shard_pass' })).toBe(false);
  });
});
