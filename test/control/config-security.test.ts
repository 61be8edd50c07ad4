// The configuration of certificates and logins: what is refused before anybody relies on it.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ConfigPart, loadConfig, requireApiLogin } from '../../src/control/config.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const path = join(temporaryDirectory(), 'some.pem');
writeFileSync(path, 'only that it can be read is looked at');
const missing = `${path}.missing`;

const load = (overrides: ConfigPart, env: Record<string, string> = {}) =>
  loadConfig({ env, overrides });
const tls = { cert: path, key: path };

describe('TLS to shards', () => {
  it('is tried where nothing is said', () => {
    expect(load({ shards: [{}] }).shards[0]!.sslmode).toBe('prefer');
  });

  it('has its settings in the environment, too', () => {
    const env = {
      DB_SHARD_0_SSLMODE: 'verify-full',
      DB_SHARD_0_SSLROOTCERT: path,
      DB_SHARD_0_SSLCERT: path,
      DB_SHARD_0_SSLKEY: path,
    };
    expect(load({}, env).shards[0]).toMatchObject({
      ...{ sslmode: 'verify-full', sslrootcert: path, sslcert: path, sslkey: path },
    });
  });

  it('may trust the authorities that browsers trust, if the name is checked', () => {
    const [shard] = load({ shards: [{ sslmode: 'verify-full', sslrootcert: 'system' }] }).shards;
    expect(shard!.sslrootcert).toBe('system');
  });

  it.each<[object, string]>([
    [{ sslmode: 'allow' }, 'shards[0].sslmode is "allow": it must be one of disable, prefer,'],
    [{ sslmode: 'verify-ca' }, 'shards[0].sslrootcert is missing: verify-ca needs'],
    [{ sslmode: 'verify-full' }, 'shards[0].sslrootcert is missing: verify-full needs'],
    [{ sslrootcert: 'system' }, 'shards[0].sslmode must be verify-full'],
    [{ sslcert: path }, 'sslcert and sslkey are given together'],
    [{ sslkey: path }, 'sslcert and sslkey are given together'],
    [{ sslrootcert: missing }, `shards[0].sslrootcert: the file ${missing} cannot be read`],
    [{ sslcert: path, sslkey: missing }, `shards[0].sslkey: the file ${missing} cannot be read`],
  ])('refuses %j', (shard, message) => {
    expect(() => load({ shards: [shard] })).toThrow(message);
  });
});

describe('The API', () => {
  it('encrypts where the proxy requires it', () => {
    expect(load({}).api.sslmode).toBe('disable');
    expect(load({ proxy: { tls } }).api.sslmode).toBe('disable');
    expect(load({ proxy: { tls: { ...tls, required: true } } }).api.sslmode).toBe('require');
  });

  it('needs authorities to verify by', () => {
    expect(() => load({ api: { sslmode: 'verify-full' } })).toThrow('api.sslrootcert is missing');
  });
});

describe('Logins of clients', () => {
  it('look users up nowhere but in the file, until told to', () => {
    expect(load({}).proxy.authQuery).toBeNull();
    const { authQuery } = load({ proxy: { authQuery: {} } }).proxy;
    expect(authQuery?.query).toContain('pg_authid');
    expect(authQuery?.cacheMs).toBe(30_000);
  });

  it('by certificate need no passwords, and the API then its own', () => {
    const part = { auth: 'cert', tls: { ...tls, clientCa: path }, users: [{ name: 'u' }] };
    const { proxy, api } = load({ proxy: part });
    expect(proxy.users).toEqual([{ name: 'u', password: '' }]);
    expect(api.password).toBe('');
    expect(() => requireApiLogin(load({ proxy: part }))).toThrow('api.password is missing');
    requireApiLogin(load({ proxy: part, api: { sslcert: path, sslkey: path } }));
  });

  it.each<[object, string]>([
    [{ auth: 'cert' }, 'proxy.tls.clientCa is missing: proxy.auth is cert'],
    [{ auth: 'cert', tls }, 'proxy.tls.clientCa is missing: proxy.auth is cert'],
    [
      { tls: { ...tls, clientCert: 'verify-ca' } },
      'proxy.tls.clientCa is missing: proxy.tls.clientCert is verify-ca',
    ],
    [{ tls: { ...tls, clientCa: missing } }, `proxy.tls: the file ${missing} cannot be read`],
    [{ users: [{ name: 'u' }] }, 'proxy.users[0].password is missing: proxy.auth is scram-sha-256'],
  ])('refuse %j', (proxy, message) => {
    expect(() => load({ proxy })).toThrow(message);
  });
});
