// RELOAD of certificates: new ones for new clients, while old clients stay encrypted as they were.

import type { TLSSocket } from 'node:tls';
import { expect, it } from 'vitest';
import { Client } from '../../src/base/pg.ts';
import { Authority } from '../support/certificate.ts';
import { CertificateFiles } from '../support/certificate-files.ts';
import { startTestProxy } from '../support/proxy.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { operate, TRUST } from './operator.ts';

const files = new CertificateFiles(temporaryDirectory());

it('RELOAD takes new certificates from the same files', async () => {
  const issue = (commonName: string) => files.pair('server', new Authority().issue({ commonName }));
  const proxy = await startTestProxy({
    shards: 1,
    config: { proxy: { ...TRUST, tls: issue('the first') } },
  });
  const operator = await operate(proxy);
  const connect = async () => {
    const client = new Client({ ...proxy.login, ssl: { rejectUnauthorized: false } });
    await client.connect();
    const { stream } = (client as unknown as { connection: { stream: TLSSocket } }).connection;
    return { client, name: stream.getPeerCertificate().subject.CN };
  };
  const before = await connect();
  issue('the second');
  await operator.run('RELOAD');
  const after = await connect();
  expect([before.name, after.name]).toEqual(['the first', 'the second']);
  expect((await before.client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  const tls = (await operator.show('CLIENTS')).map((row) => row.tls);
  expect(tls).toEqual([
    expect.stringMatching(/^TLSv1\.[23]\/\S+$/),
    expect.stringMatching(/^TLSv1/),
  ]);
  await Promise.all([before.client.end(), after.client.end(), operator.close()]);
  await proxy.close();
});
