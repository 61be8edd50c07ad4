// docker-compose.yml, Dockerfile and .dockerignore fit each other, the schema and the config code.

import { existsSync, readFileSync } from 'node:fs';
import { Compile } from 'typebox/schema';
import { Errors } from 'typebox/value';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig, requireApiLogin, requireShards } from '../../src/control/config.ts';
import { ComposeFile } from './compose-schema.ts';

const text = (file: string): string =>
  readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');

const parsed: Record<string, unknown> = parse(text('docker-compose.yml'), { merge: true });
const content = Object.fromEntries(
  Object.entries(parsed).filter(([name]) => !name.startsWith('x-')),
);
const compose = content as ComposeFile;

function service(name: string): ComposeFile['services'][string] {
  const found = compose.services[name];
  if (found === undefined) throw new Error(`no service ${name}`);
  return found;
}

/** The Compose specification's own schema, as a package of the test tools brings it. */
const SPECIFICATION = 'node_modules/docker-compose/schema/compose-spec.json';

describe('docker-compose.yml', () => {
  test('is valid to the Compose specification', () => {
    const specification = Compile(JSON.parse(text(SPECIFICATION)));
    expect(specification.Errors(parsed)).toEqual([true, []]);
    const misspelt = { ...parsed, services: { api: { ...service('api'), prots: [] } } };
    expect(specification.Check(misspelt)).toBe(false);
  });

  test('has only the keys that this project means to use', () => {
    expect(Errors(ComposeFile, content)).toEqual([]);
  });

  test('starts two shards, the proxy and the API, on their ports', () => {
    const ports = Object.entries(compose.services).map(([name, { ports }]) => [name, ports]);
    expect(Object.fromEntries(ports)).toEqual({
      db_shard_0: ['5432:5432'],
      db_shard_1: ['5433:5432'],
      proxy: ['6432:6432'],
      api: ['8000:8000'],
    });
  });

  test('puts everything on the external network observability-net', () => {
    expect(compose.networks).toEqual({ 'observability-net': { external: true } });
    for (const { networks } of Object.values(compose.services)) {
      expect(networks).toEqual(['observability-net']);
    }
  });

  test('starts each part when what it needs is healthy', () => {
    expect(Object.keys(service('proxy').depends_on ?? {})).toEqual(['db_shard_0', 'db_shard_1']);
    expect(Object.keys(service('api').depends_on ?? {})).toEqual(['proxy']);
    expect(service('db_shard_0').healthcheck?.test).toContain('pg_isready');
    expect(service('db_shard_1').healthcheck?.test).toContain('drive_shard_1');
  });
});

describe('the shards', () => {
  test.each([0, 1])('shard %i is the database that the proxy is told', (id) => {
    const config = loadConfig({ env: service('proxy').environment });
    const { POSTGRES_DB, POSTGRES_USER, POSTGRES_PASSWORD } = service(`db_shard_${id}`).environment;
    expect(config.shards[id]).toMatchObject({
      id,
      host: `db_shard_${id}`,
      port: 5432,
      database: POSTGRES_DB,
      user: POSTGRES_USER,
      password: POSTGRES_PASSWORD,
    });
  });

  test.each([0, 1])('shard %i keeps its data in a volume of its own', (id) => {
    expect(service(`db_shard_${id}`).volumes).toEqual([`shard_${id}_data:/var/lib/postgresql`]);
    expect(compose.volumes).toHaveProperty(`shard_${id}_data`);
  });

  test.each([0, 1])('shard %i is set up for moving rows, two-phase commit, byte order', (id) => {
    const { command = [], environment } = service(`db_shard_${id}`);
    expect(command).toContain('wal_level=logical');
    const prepared = command.find((word) => word.startsWith('max_prepared_transactions='));
    const { pool } = loadConfig({ env: service('proxy').environment });
    expect(Number(prepared?.split('=')[1])).toBeGreaterThanOrEqual(pool.size);
    expect(environment.POSTGRES_INITDB_ARGS).toContain('--locale=C.UTF-8');
  });
});

describe('the proxy and the API', () => {
  test('the proxy listens to other containers, on the port that is published', () => {
    const config = loadConfig({ env: service('proxy').environment });
    requireShards(config);
    expect(config.shards).toHaveLength(2);
    expect(config.proxy).toMatchObject({ host: '0.0.0.0', port: 6432 });
  });

  test('the API logs in to the proxy as a user whom the proxy knows', () => {
    const { api } = loadConfig({ env: service('api').environment });
    requireApiLogin(loadConfig({ env: service('api').environment }));
    expect(api).toMatchObject({ host: '0.0.0.0', port: 8000, proxyHost: 'proxy', proxyPort: 6432 });
    const { proxy } = loadConfig({ env: service('proxy').environment });
    expect(proxy.users).toContainEqual({ name: api.user, password: api.password });
    expect(api.database).toBe(proxy.database);
  });
});

/** Instructions with continuation lines joined and comments dropped. */
function instructions(): string[] {
  const lines = text('Dockerfile')
    .split('\n')
    .filter((line) => !line.startsWith('#'));
  const joined = lines.join('\n').replaceAll(/\\\n\s*/g, ' ');
  return joined.split('\n').filter((line) => line.trim() !== '');
}

/** The instructions from `FROM … AS name` to the next FROM. */
function stage(name: string): string[] {
  const all = instructions();
  const start = all.findIndex((line) => line.startsWith('FROM ') && line.endsWith(` AS ${name}`));
  if (start < 0) throw new Error(`no stage ${name}`);
  const rest = all.slice(start + 1);
  const end = rest.findIndex((line) => line.startsWith('FROM '));
  return end < 0 ? rest : rest.slice(0, end);
}

describe('Dockerfile', () => {
  test('has the stage of every service that is built', () => {
    for (const { build } of Object.values(compose.services)) {
      if (build !== undefined) expect(stage(build.target).length).toBeGreaterThan(0);
    }
  });

  test('runs on the Node that the project runs on', () => {
    const wanted: string = JSON.parse(text('package.json')).dependencies.node;
    const images = instructions().filter((line) => line.startsWith('FROM node:'));
    expect(images.length).toBeGreaterThan(0);
    for (const image of images) expect(image).toContain(`node:${wanted.split('.')[0]}-`);
  });

  test('runs as a user without rights', () => {
    expect(stage('base')).toContain('USER node');
  });

  test.each([
    ['proxy', '6432'],
    ['api', '8000'],
  ])('the image of the %s says how healthy it is and which port it has', (name, port) => {
    const lines = stage(name);
    expect(lines).toContain(`EXPOSE ${port}`);
    expect(lines).toContain(`CMD ["${name}"]`);
    const health = lines.find((line) => line.startsWith('HEALTHCHECK'));
    const command: unknown = JSON.parse(/CMD (\[.*\])$/.exec(health ?? '')?.[1] ?? '');
    expect(command).toEqual(['node', '-e', expect.stringContaining(port)]);
  });

  test('copies only what exists and what .dockerignore lets through', () => {
    const copied = instructions()
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
      .flatMap((line) => line.split(' ').slice(1, -1));
    const allowed = text('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    expect(copied.length).toBeGreaterThan(0);
    for (const path of copied) {
      expect(allowed).toContain(path);
      expect(existsSync(new URL(`../../${path}`, import.meta.url))).toBe(true);
    }
  });
});
