// TLS as psql and pg use it: sslmode, channel binding, client certificates.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../../src/base/pg.ts';
import { Authority, type Certificate } from '../support/certificate.ts';
import { CertificateFiles } from '../support/certificate-files.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { hasPsql, type PsqlRun, psql } from './psql.ts';

const files = new CertificateFiles(temporaryDirectory());
const authority = new Authority();
const root = files.write('root.crt', authority.cert);
const server = files.pair('server', authority.issue({ commonName: 'proxy', names: ['localhost'] }));
const mine = authority.issue({ commonName: 'shard_user' });
const alias = authority.issue({ commonName: 'CI job 7' });
const strange = new Authority('a stranger').issue({ commonName: 'shard_user' });
const expired = authority.issue({
  commonName: 'shard_user',
  validTo: new Date(Date.now() - 60_000),
});

const user = {
  name: 'shard_user',
  password: 'shard_pass',
  commonNames: ['shard_user', 'CI job 7'],
};
const open: TestProxy[] = [];

async function start(proxy: object): Promise<TestProxy> {
  const started = await startTestProxy({ shards: 1, config: { proxy } });
  open.push(started);
  return started;
}

let plain: TestProxy;
let byCertificate: TestProxy;
let anyCertificate: TestProxy;
let ownCertificate: TestProxy;

beforeAll(async () => {
  plain = await start({ tls: server, users: [user] });
  const tls = { ...server, clientCa: root };
  byCertificate = await start({ tls, users: [user, { name: 'other' }], auth: 'cert' });
  anyCertificate = await start({ tls: { ...tls, clientCert: 'verify-ca' } });
  ownCertificate = await start({ tls: { ...tls, clientCert: 'verify-full' } });
});

afterAll(async () => {
  for (const proxy of open) await proxy.close();
});

/** `options`: of libpq's connection string, beyond the login. */
function run({ login }: TestProxy, options: string, part: object = {}): Promise<PsqlRun> {
  const { host, port, ...rest } = { ...login, ...part };
  const database = `dbname=${rest.database} ${options}`;
  return psql({ host, port, ...rest, database }, 'SELECT 42', { args: ['-At'] });
}

const withCertificate = (certificate: Certificate): string => {
  const { cert, key } = files.pair('client', certificate);
  return `sslmode=require sslcert=${cert} sslkey=${key}`;
};

describe.runIf(hasPsql)('psql', () => {
  it.each([
    'sslmode=require',
    'sslmode=require channel_binding=require',
    'sslmode=require channel_binding=disable',
    `sslmode=verify-ca sslrootcert=${root} channel_binding=require`,
    `host=localhost sslmode=verify-full sslrootcert=${root} channel_binding=require`,
    'sslmode=disable',
  ])('logs in with %s', async (options) => {
    expect(await run(plain, options)).toMatchObject({ stdout: '42\n', exitCode: 0 });
  });

  it('finds a certificate of another name out', async () => {
    const { stderr } = await run(plain, `sslmode=verify-full sslrootcert=${root}`);
    expect(stderr).toContain('does not match host name');
  });

  it('does not get channel binding where the certificate has no hash to bind to', async () => {
    const pair = new Authority('authority', 'ed25519').issue({ commonName: 'proxy' });
    const proxy = await start({ tls: files.pair('ed25519', pair) });
    expect((await run(proxy, 'sslmode=require channel_binding=disable')).stdout).toBe('42\n');
    const refused = await run(proxy, 'sslmode=require channel_binding=require');
    expect(refused.exitCode).not.toBe(0);
  });

  it('is let in by a certificate alone', async () => {
    for (const certificate of [mine, alias]) {
      const options = withCertificate(certificate);
      expect(await run(byCertificate, options, { password: '' })).toMatchObject({ stdout: '42\n' });
    }
  });
});

interface Attempt {
  readonly certificate?: Certificate;
  readonly user?: string;
  readonly password?: string;
  readonly ssl?: false;
  readonly enableChannelBinding?: boolean;
}

/** The error's SQLSTATE and text; null: let in. */
async function refusal({ login }: TestProxy, attempt: Attempt): Promise<string | null> {
  const { certificate, ...part } = attempt;
  const ssl = { rejectUnauthorized: false, ...certificate };
  const client = new Client({ ...login, ssl, ...part });
  // An end that comes with the refusal is no news.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
    return null;
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    return `${code} ${message}`;
  } finally {
    await client.end();
  }
}

it('pg logs in bound to the certificate, and keeps a wrong password out', async () => {
  expect(await refusal(plain, { enableChannelBinding: true })).toBeNull();
  const wrong = { enableChannelBinding: true, password: 'wrong' };
  expect(await refusal(plain, wrong)).toMatch(/^28P01/);
});

describe('With a certificate alone', () => {
  it.each<[string, Attempt]>([
    ['of the user’s own name', { certificate: mine }],
    ['of a name that is given to the user', { certificate: alias }],
  ])('the one %s lets it in', async (_, attempt) => {
    expect(await refusal(byCertificate, attempt)).toBeNull();
  });

  it.each<[string, Attempt, string]>([
    ['without one', {}, '28000 connection requires a valid client certificate'],
    ['without TLS', { ssl: false }, '28000 connection requires a valid client certificate'],
    ['of another authority', { certificate: strange }, '28000 the client certificate is not valid'],
    ['past its time', { certificate: expired }, '28000 the client certificate is not valid'],
    [
      'of somebody else',
      { certificate: mine, user: 'other' },
      '28000 certificate authentication failed for user "other"',
    ],
    [
      'of a name that is no user',
      { certificate: alias, user: 'CI job 7' },
      '28000 certificate authentication failed for user "CI job 7"',
    ],
  ])('one %s is refused', async (_, attempt, message) => {
    expect(await refusal(byCertificate, attempt)).toBe(message);
  });
});

describe('A certificate besides a password', () => {
  it('may be anybody’s with verify-ca', async () => {
    expect(await refusal(anyCertificate, { certificate: mine })).toBeNull();
    expect(await refusal(anyCertificate, { certificate: alias })).toBeNull();
    expect(await refusal(anyCertificate, {})).toMatch(/^28000 connection requires/);
    expect(await refusal(anyCertificate, { certificate: strange })).toMatch(/^28000 .*not valid/);
  });

  it('must be the user’s own with verify-full', async () => {
    expect(await refusal(ownCertificate, { certificate: mine })).toBeNull();
    expect(await refusal(ownCertificate, { certificate: alias })).toMatch(
      /^28000 certificate auth/,
    );
    expect(await refusal(ownCertificate, {})).toMatch(/^28000 connection requires/);
  });

  it('does not stand for the password', async () => {
    const attempt = { certificate: mine, password: 'wrong' };
    expect(await refusal(ownCertificate, attempt)).toMatch(/^28P01/);
    expect(await refusal(anyCertificate, attempt)).toMatch(/^28P01/);
  });

  it('that is not valid is refused even where none is needed', async () => {
    const proxy = await start({ tls: { ...server, clientCa: root } });
    expect(await refusal(proxy, {})).toBeNull();
    expect(await refusal(proxy, { certificate: strange })).toMatch(/^28000 .*not valid/);
  });
});
