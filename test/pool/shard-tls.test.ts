// TLS to shards: what each sslmode takes and refuses, certificates of the proxy, and who listens in.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { installSchema } from '../../src/local/schema.ts';
import { cancelStatement } from '../../src/pool/cancel.ts';
import { login } from '../../src/pool/login.ts';
import { query } from '../../src/pool/query.ts';
import type { ServerConnection } from '../../src/pool/server-connection.ts';
import type { Shard, SslMode } from '../../src/topology/shard.ts';
import { TERMINATE } from '../../src/wire/terminate.ts';
import { Authority } from '../support/certificate.ts';
import { shards } from '../support/cluster.ts';
import { type Interception, Interceptor } from '../support/interceptor.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startTlsServer, type TlsServer } from '../support/tls-server.ts';

const directory = temporaryDirectory();
const open: ServerConnection[] = [];
const interceptors: Interceptor[] = [];
let server: TlsServer;
/** Of an authority that has nothing to do with the server. */
let strangeRoot: string;

beforeAll(async () => {
  server = await startTlsServer(directory, [
    'hostssl all by_certificate all cert',
    'hostnossl all only_encrypted all reject',
  ]);
  strangeRoot = server.files.write('strange.crt', new Authority('a stranger').cert);
  await server.run(
    "CREATE ROLE by_certificate LOGIN; CREATE ROLE only_encrypted LOGIN PASSWORD 'pw'",
  );
});

afterEach(async () => {
  for (const connection of open.splice(0)) connection.close(TERMINATE);
  for (const interceptor of interceptors.splice(0)) await interceptor.close();
});

afterAll(() => server.close());

async function enter(part: Partial<Shard>, shard: Shard = server.shard): Promise<ServerConnection> {
  const options = { timeoutMs: 10_000, nowMs: () => performance.now() };
  const connection = await login({ ...shard, ...part }, options);
  open.push(connection);
  return connection;
}

async function isEncrypted(part: Partial<Shard>): Promise<boolean> {
  const sql = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';
  const { rows } = await query(await enter(part), sql);
  return rows[0]![0] === 't';
}

async function intercepted(how: Interception): Promise<{ shard: Shard; interceptor: Interceptor }> {
  const interceptor = new Interceptor(server.shard, how);
  interceptors.push(interceptor);
  return { shard: await interceptor.start(), interceptor };
}

describe('A connection to a shard', () => {
  it('is plain with disable, and encrypted with every other sslmode', async () => {
    const sslrootcert = server.root;
    expect(await isEncrypted({})).toBe(false);
    expect(await isEncrypted({ sslmode: 'disable' })).toBe(false);
    expect(await isEncrypted({ sslmode: 'prefer' })).toBe(true);
    expect(await isEncrypted({ sslmode: 'require' })).toBe(true);
    expect(await isEncrypted({ sslmode: 'require', sslrootcert })).toBe(true);
    expect(await isEncrypted({ sslmode: 'verify-ca', sslrootcert })).toBe(true);
    expect(await isEncrypted({ sslmode: 'verify-full', sslrootcert, host: 'localhost' })).toBe(
      true,
    );
  });

  it('with verify-full is refused where the certificate has another name', async () => {
    const refused = enter({ sslmode: 'verify-full', sslrootcert: server.root });
    await expect(refused).rejects.toMatchObject({
      code: '08001',
      message: expect.stringMatching(/^shard 0 .*sslmode verify-full.*127\.0\.0\.1/),
    });
  });

  it.each(['require', 'verify-ca', 'verify-full'] as const)(
    'with %s is refused where the certificate is from another authority',
    async (sslmode) => {
      const refused = enter({ sslmode, sslrootcert: strangeRoot, host: 'localhost' });
      await expect(refused).rejects.toMatchObject({ code: '08001' });
    },
  );

  it('with prefer does not look at the authority', async () => {
    expect(await isEncrypted({ sslmode: 'prefer', sslrootcert: strangeRoot })).toBe(true);
  });

  it('is refused where a certificate is past its time', async () => {
    const validTo = new Date(Date.now() - 60_000);
    const certificate = server.authority.issue({ commonName: 'old', validTo });
    const { shard } = await intercepted({ certificate });
    const refused = enter({ sslmode: 'verify-ca', sslrootcert: server.root }, shard);
    await expect(refused).rejects.toThrow('certificate has expired');
  });

  it('uses a renewed file from the next connection on', async () => {
    const sslrootcert = server.files.write('renewed.crt', new Authority('before').cert);
    await expect(enter({ sslmode: 'verify-ca', sslrootcert })).rejects.toThrow('sslmode verify-ca');
    server.files.write('renewed.crt', server.authority.cert);
    expect(await isEncrypted({ sslmode: 'verify-ca', sslrootcert })).toBe(true);
  });

  it('carries answers larger than the records of TLS', async () => {
    const connection = await enter({ sslmode: 'require' });
    const { rows } = await query(connection, "SELECT repeat('x', 3000000)");
    expect(rows[0]![0]).toHaveLength(3_000_000);
  });
});

describe('The installer', () => {
  const user = { user: 'only_encrypted', password: 'pw' };

  it('trusts a shard as the proxy does', async () => {
    const good = { sslmode: 'verify-full', sslrootcert: server.root, host: 'localhost' } as const;
    await installSchema([{ ...server.shard, ...good }], { only: 'drive' });
    const wrong = { ...server.shard, ...good, sslrootcert: strangeRoot };
    await expect(installSchema([wrong], { only: 'drive' })).rejects.toThrow('certificate');
    const otherName = { ...server.shard, ...good, host: '127.0.0.1' };
    await expect(installSchema([otherName], { only: 'drive' })).rejects.toThrow('127.0.0.1');
  });

  it('with prefer takes what it gets', async () => {
    await installSchema([{ ...server.shard, sslmode: 'prefer' }], { only: 'drive' });
    const unencrypted = shards(3).map((shard) => ({ ...shard, sslmode: 'prefer' as const }));
    await installSchema(unencrypted, { only: 'drive' });
  });

  it('is let in where only encrypted connections are', async () => {
    const install = (sslmode: SslMode) =>
      installSchema([{ ...server.shard, ...user, sslmode }], { only: 'drive' });
    await expect(install('disable')).rejects.toThrow('pg_hba.conf rejects');
    // It may log in, and has no right to more.
    await expect(install('prefer')).rejects.toThrow('permission denied');
  });
});

describe('A shard that does not support TLS', () => {
  it('is refused, but with prefer', async () => {
    const { shard } = await intercepted({ answer: 'N' });
    await expect(enter({ sslmode: 'require' }, shard)).rejects.toMatchObject({
      code: '08001',
      message: expect.stringContaining('it does not support TLS'),
    });
  });

  it('with prefer gets the startup packet as it is', async () => {
    const { shard, interceptor } = await intercepted({ answer: 'N' });
    const login = enter({ sslmode: 'prefer' }, shard).catch(() => null);
    while (interceptor.heard.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(interceptor.heard[1]!.toString()).toContain('shard_user');
    await interceptor.close();
    expect(await login).toBeNull();
  });
});

describe('The certificate of the proxy', () => {
  it('lets it in as the user it names', async () => {
    const { cert, key } = server.files.pair(
      'proxy',
      server.authority.issue({ commonName: 'by_certificate' }),
    );
    const part = { sslcert: cert, sslkey: key, user: 'by_certificate', password: '' };
    expect(await isEncrypted({ sslmode: 'require', ...part })).toBe(true);
  });

  it('is asked for by name where it is missing', async () => {
    const refused = enter({ sslmode: 'require', user: 'by_certificate', password: '' });
    await expect(refused).rejects.toThrow('valid client certificate');
  });
});

describe('Somebody in between', () => {
  it('who adds bytes to the answer to the SSL request is found out', async () => {
    const { shard, interceptor } = await intercepted({ answer: 'Sxyz' });
    await expect(enter({ sslmode: 'require' }, shard)).rejects.toThrow('more than its answer');
    expect(interceptor.heard).toHaveLength(1);
  });

  it('with a certificate of its own is found out by the password, without a look at the authority', async () => {
    const certificate = new Authority('attacker').issue({ commonName: 'a shard' });
    const { shard } = await intercepted({ certificate });
    await expect(enter({ sslmode: 'require' }, shard)).rejects.toThrow(
      'SCRAM channel binding check failed',
    );
  });

  it('who takes the offer of channel binding away is found out', async () => {
    const certificate = new Authority('attacker').issue({ commonName: 'a shard' });
    const rewrite = (bytes: Buffer): Buffer => {
      const text = bytes.toString('latin1');
      if (!text.includes('SCRAM-SHA-256-PLUS\0')) return bytes;
      const body = Buffer.from('\0\0\0\x0aSCRAM-SHA-256\0\0', 'latin1');
      const header = Buffer.from([0x52, 0, 0, 0, body.length + 4]);
      return Buffer.concat([header, body]);
    };
    const { shard } = await intercepted({ certificate, rewrite });
    await expect(enter({ sslmode: 'require' }, shard)).rejects.toThrow(
      'SCRAM channel binding negotiation error',
    );
  });
});

describe('A cancel request', () => {
  it('is as encrypted as the connection it is for', async () => {
    const certificate = server.authority.issue({ commonName: 'relay' });
    const { shard, interceptor } = await intercepted({ certificate });
    const direct = await enter({ sslmode: 'verify-ca', sslrootcert: server.root });
    const statement = query(direct, 'SELECT pg_sleep(600)');
    const listened = Object.assign(Object.create(direct) as ServerConnection, {
      shard: { ...shard, sslmode: 'verify-ca', sslrootcert: server.root },
      cancelsUnderWay: 0,
    });
    const running = `SELECT count(*) FROM pg_stat_activity
      WHERE pid = ${direct.identity.processId} AND state = 'active'`;
    const watcher = await enter({});
    while ((await query(watcher, running)).rows[0]![0] === '0');
    const canceled = expect(statement).rejects.toThrow('canceling statement due to user request');
    await cancelStatement(listened);
    await canceled;
    expect(interceptor.heard.map((bytes) => bytes.length)).toEqual([8]);
  });

  it('gives up quietly where the shard is not to be trusted', async () => {
    const direct = await enter({});
    const { shard, interceptor } = await intercepted({ answer: 'N' });
    const listened = Object.assign(Object.create(direct) as ServerConnection, {
      shard: { ...shard, sslmode: 'require' },
      cancelsUnderWay: 0,
    });
    await cancelStatement(listened);
    expect(interceptor.heard).toHaveLength(1);
  });
});
