// Prisma from npm alone: its client as generated, and its schema engine as WebAssembly.

import { execFileSync } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import { type MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm';
import type pg from 'pg';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { engineAdapter } from './prisma-adapter.ts';
import { current, SCHEMAS } from './prisma-schemas.ts';

interface User {
  id: number;
  email: string;
  folders: Folder[];
}

interface Folder {
  id: number;
  name: string;
  user: User;
  files: File[];
}

interface File {
  id: bigint;
  path: string;
  size: bigint;
  state: string;
  labels: string[];
  user: User;
  folder: Folder;
}

/** What we ask of one model; the generated types exist only once the test runs. */
interface Model<Row> {
  findMany(query?: object): Promise<Row[]>;
  count(query?: object): Promise<number>;
  createManyAndReturn(query: object): Promise<Row[]>;
  create(query: object): PromiseLike<Row>;
  createMany(query: object): Promise<{ count: number }>;
  update(query: object): PromiseLike<Row>;
  delete(query: object): PromiseLike<Row>;
  findUnique(query: object): Promise<Row | null>;
  upsert(query: object): PromiseLike<Row>;
  updateMany(query: object): Promise<{ count: number }>;
  deleteMany(query: object): Promise<{ count: number }>;
  aggregate(query: object): Promise<object>;
  groupBy(query: object): Promise<{ userId: number; _count: number; _sum: { size: bigint } }[]>;
}

export interface Client {
  readonly user: Model<User>;
  readonly folder: Model<Folder>;
  readonly file: Model<File>;
  $queryRawUnsafe<Row>(text: string, ...values: readonly unknown[]): Promise<Row[]>;
  $transaction<T>(work: (tx: Client) => PromiseLike<T>, options?: object): Promise<T>;
  $transaction<T>(queries: readonly PromiseLike<T>[], options?: object): Promise<T[]>;
  $disconnect(): Promise<void>;
}

export const filters = { externalTables: [], externalEnums: [] };
export const directory = temporaryDirectory();
const schemaFile = join(directory, 'schema.prisma');
export const schemaOf = (content: string) => ({ files: [{ path: schemaFile, content }] });

/** The client of the current schema, as `prisma generate` writes it. */
async function generateClient() {
  symlinkSync(resolve('node_modules'), join(directory, 'node_modules'));
  writeFileSync(schemaFile, current);
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  const cli = resolve('node_modules/prisma/build/index.js');
  execFileSync(process.execPath, [cli, 'generate'], {
    cwd: directory,
    stdio: 'pipe',
    env: {
      ...process.env,
      CHECKPOINT_DISABLE: '1',
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      // Any file: generating does not run the engine, but would download it.
      PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
    },
  });
  const url = pathToFileURL(join(directory, 'client', 'client.ts')).href;
  const { PrismaClient } = await import(/* @vite-ignore */ url);
  return (adapter: PrismaPg): Client => new PrismaClient({ adapter });
}

export const newClient = await generateClient();

/** The engine of `prisma migrate` and `db pull`, as WebAssembly. */
export async function newEngine(login: pg.PoolConfig) {
  const { factory, pool } = engineAdapter(login);
  const engine = await SchemaEngine.new(
    { datamodels: [[schemaFile, current]] },
    () => undefined,
    bindMigrationAwareSqlAdapterFactory(factory),
  );
  return { engine, pool };
}

/** Each migration as Prisma writes it: from the schema before to the next one. */
export async function writeMigrations(engine: SchemaEngine): Promise<MigrationList> {
  const migrationDirectories: MigrationList['migrationDirectories'] = [];
  let before: string | null = null;
  for (const [path, schema] of Object.entries(SCHEMAS)) {
    const { stdout } = await engine.diff({
      from: before === null ? { tag: 'empty' } : { tag: 'schemaDatamodel', ...schemaOf(before) },
      to: { tag: 'schemaDatamodel', ...schemaOf(schema) },
      script: true,
      exitCode: null,
      filters,
    });
    const content = { tag: 'ok' as const, value: stdout! };
    migrationDirectories.push({ path, migrationFile: { path: 'migration.sql', content } });
    before = schema;
  }
  const lockfile = { path: 'migration_lock.toml', content: 'provider = "postgresql"\n' };
  return { baseDir: directory, lockfile, shadowDbInitScript: '', migrationDirectories };
}
