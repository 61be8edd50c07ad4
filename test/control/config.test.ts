// The configuration: defaults, layers, and errors that say where, what and what instead.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ConfigPart,
  loadConfig,
  requireApiLogin,
  requireShards,
} from '../../src/control/config.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'drive-config-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function file(text: string, name = 'drive.yaml'): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const load = (overrides: ConfigPart, env: Record<string, string> = {}) =>
  loadConfig({ env, overrides });

describe('Without a file', () => {
  it('everything has a default, and nothing is sharded by name', () => {
    const config = load({});
    expect(config.proxy).toMatchObject({ host: '127.0.0.1', port: 6432, tls: null, trust: [] });
    expect(config.sharding).toEqual({ key: 'user_id', tables: {} });
    expect(config.shards).toEqual([]);
  });

  it('the API logs in at the proxy as its first user', () => {
    const config = load({
      proxy: { port: 7000, database: 'd', users: [{ name: 'u', password: 'p' }] },
    });
    expect(config.api).toMatchObject({ proxyPort: 7000, user: 'u', password: 'p', database: 'd' });
    expect(() => requireApiLogin(config)).not.toThrow();
  });

  it('the configuration cannot be changed', () => {
    expect(Object.isFrozen(load({}).proxy.users[0])).toBe(true);
  });
});

describe('A file', () => {
  it('may be YAML, with variables of the environment', () => {
    const path = file(`
shards:
  - host: \${ONE}
    port: \${PORT:-5000}
    password: a\${ONE}b$\${c}
  - { host: two, database: d }
sharding: { tables: { audit.log: { kind: sharded, key: owner }, city: { kind: home } } }
log: { pretty: "\${PRETTY}" }
pool:
`);
    const config = loadConfig({ file: path, env: { ONE: 'one', PORT: '', PRETTY: 'true' } });
    expect(config.shards).toEqual([
      {
        ...{ id: 0, host: 'one', port: 5000, database: 'drive_shard_0' },
        ...{ user: 'shard_user', password: `aoneb\${c}`, sslmode: 'prefer' },
      },
      {
        ...{ id: 1, host: 'two', port: 5432, database: 'd' },
        ...{ user: 'shard_user', password: 'shard_pass', sslmode: 'prefer' },
      },
    ]);
    expect(config.sharding.tables).toEqual({
      'audit.log': { kind: 'sharded', key: 'owner' },
      city: { kind: 'home' },
    });
    expect(config.log.pretty).toBe(true);
  });

  it('may be JSON', () => {
    const path = file('{ "proxy": { "port": 1234 } }', 'drive.json');
    expect(loadConfig({ file: path, env: {} }).proxy.port).toBe(1234);
  });

  it('may be empty', () => {
    expect(loadConfig({ file: file(''), env: {} }).proxy.port).toBe(6432);
  });

  it.each([
    ['proxy:\n\tport: 1', /drive\.yaml:2:1: .*[Tt]ab/],
    ['proxy: { port: 1', /drive\.yaml:1:\d+: /],
    ['a: 1\na: 2', /drive\.yaml:2:1: .*unique/],
    [`api:\n  user: \${NOPE}`, /environment has no NOPE: set it, or write/],
    [`api:\n  user: \${a b}`, /is no variable: write/],
    ['just text', /drive\.yaml: .*must be a section/],
    [
      'proxy: { prot: 1 }',
      /drive\.yaml: proxy\.prot is no setting\. Did you mean port\? There are: /,
    ],
  ])('%j is refused with its place', (text, message) => {
    expect(() => loadConfig({ file: file(text), env: {} })).toThrow(message);
  });

  it('that does not exist is named, with what to do', () => {
    const path = join(directory, 'none.yaml');
    expect(() => loadConfig({ file: path, env: {} })).toThrow(
      `the config file ${path} does not exist: give another with --config`,
    );
  });
});

describe('The environment', () => {
  it('wins over the file, and the command line over both', () => {
    const path = file('proxy: { port: 1, host: a, database: x }');
    const env = { DRIVE_PROXY_PORT: '2', DRIVE_PROXY_HOST: 'b', DRIVE_PROXY_DATABASE: '' };
    const config = loadConfig({ file: path, env, overrides: { proxy: { port: 3 } } });
    expect(config.proxy).toMatchObject({ port: 3, host: 'b', database: 'x' });
  });

  it('the file wins over what a command prefers', () => {
    const defaults = { log: { level: 'warn', pretty: true } };
    const config = loadConfig({ file: file('log: { level: debug }'), env: {}, defaults });
    expect(config.log).toEqual({ level: 'debug', pretty: true });
  });

  it('defines shards, and completes those of the file', () => {
    const path = file('shards: [{ host: a }, { host: b, port: 2 }]');
    const env = { DB_SHARD_1_PORT: '3', DB_SHARD_2_HOST: 'c', DB_SHARD_2_NAME: 'n' };
    const { shards } = loadConfig({ file: path, env });
    expect(shards.map(({ host, port, database }) => `${host}:${port}/${database}`)).toEqual([
      'a:5432/drive_shard_0',
      'b:3/drive_shard_1',
      'c:5432/n',
    ]);
  });

  it('has a variable for every single setting', () => {
    const env = { DRIVE_PROXY_AUTH_TIMEOUT_MS: '7', DRIVE_LOG_PRETTY: 'true' };
    const config = load({}, env);
    expect([config.proxy.authTimeoutMs, config.log.pretty]).toEqual([7, true]);
  });

  it.each([
    [{ DB_SHARD_1_HOST: 'b' }, 'there is a shard 1 but no shard 0: set DB_SHARD_0_HOST'],
    [{ DB_SHARD_0_HOSTS: 'b' }, 'one of HOST, PORT, USER, PASSWORD, NAME'],
    [{ DB_SHARD_0_PORT: 'x' }, 'DB_SHARD_0_PORT: shards[0].port is "x": it must be a whole'],
    [{ DRIVE_PROXY_PORT: '70000' }, 'DRIVE_PROXY_PORT: proxy.port is 70000: it must be a whole'],
    [{ DRIVE_LOG_LEVEL: 'loud' }, 'it must be one of trace, debug, info,'],
  ])('%j is refused', (env, message) => {
    expect(() => load({}, env)).toThrow(message);
  });
});

describe('A setting is refused when', () => {
  it.each<[string, ConfigPart, string]>([
    ['it is no setting', { proxxy: {} }, 'config: proxxy is no setting. Did you mean proxy?'],
    ['it is no section', { proxy: 4 }, 'proxy is 4: it must be a section'],
    ['it is no whole number', { pool: { size: 1.5 } }, 'a whole number from 1 up'],
    ['a list is empty', { proxy: { users: [] } }, 'proxy.users is []: it must be a list of at'],
    ['a part is missing', { proxy: { users: [{ name: 'a' }] } }, 'users[0].password is missing'],
    [
      'a kind is unknown',
      { sharding: { tables: { a: { kind: 'b' } } } },
      'sharding.tables.a.kind is "b": it must be one of sharded, reference, home',
    ],
    [
      'a home table has a key',
      { sharding: { tables: { a: { kind: 'home', key: 'k' } } } },
      'sharding.tables.a.key: only a sharded table has a key',
    ],
    ['a block is no CIDR', { proxy: { trust: ['10.0.0.0/33'] } }, '"10.0.0.0/33" is no address'],
    ['a file is missing', { proxy: { tls: { cert: '/none', key: '/none' } } }, 'cannot be read'],
    [
      'two shards are one database',
      { shards: [{ database: 'd' }, { database: 'd' }] },
      'shards 0 and 1 are the same database: d on 127.0.0.1:5432',
    ],
  ])('%s', (_why, overrides, message) => {
    expect(() => load(overrides)).toThrow(message);
  });

  it('it is a password, without showing it', () => {
    const users = [{ name: 'a', password: 12345 }];
    expect(() => load({ proxy: { users } })).toThrow(/^config: [^1]*password must be a text[^1]*$/);
  });
});

describe('What only some commands need is asked for by them', () => {
  it('shards', () => {
    expect(() => requireShards(load({}))).toThrow('there are no shards: list them under shards');
  });

  it("the API's password where the proxy has only verifiers", () => {
    const config = load({ proxy: { users: [{ name: 'u', password: 'md5abc' }] } });
    expect(() => requireApiLogin(config)).toThrow('api.password is missing');
  });
});
