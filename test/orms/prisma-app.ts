// Prisma from npm alone: its client as generated, and its schema engine as WebAssembly.

import { execFileSync } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import { type MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm';
import pg from 'pg';
import { temporaryDirectory } from '../support/temporary-directory.ts';

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

export const HEAD = `
generator client {
  provider = "prisma-client"
  output = "./client"
  engineType = "client"
}
datasource db {
  provider = "postgresql"
}`;

const users = (relations: string) => `
model User {
  id Int @id @default(autoincrement())
  email String @unique @db.VarChar(200)
  createdAt DateTime @default(now()) @map("created_at") @db.Timestamptz(6)
  ${relations}
  @@map("users")
}`;

const foldersAndFiles = (columns: string) => `
${users('folders Folder[]\n  files File[]')}
model Folder {
  id Int @id @default(autoincrement())
  userId Int @map("user_id")
  name String
  user User @relation(fields: [userId], references: [id])
  files File[]
  @@unique([userId, id])
  @@map("folders")
}
model File {
  id BigInt @id @default(autoincrement())
  userId Int @map("user_id")
  folderId Int @map("folder_id")
  path String
  size BigInt @default(0)
  ${columns}
  user User @relation(fields: [userId], references: [id], onDelete: Cascade)
  folder Folder @relation(fields: [userId, folderId], references: [userId, id], onDelete: Cascade)
  @@unique([userId, path])
  @@index([folderId])
  @@map("files")
}`;

/** The schema as it was written one day after the other. */
const SCHEMAS: Readonly<Record<string, string>> = {
  '1_users': HEAD + users(''),
  '2_folders_and_files': HEAD + foldersAndFiles(''),
  '3_trash': `${HEAD}
enum State {
  kept
  trashed
}
${foldersAndFiles('state State @default(kept)\n  labels String[] @default([])')}`,
};

export const filters = { externalTables: [], externalEnums: [] };
export const directory = temporaryDirectory();
const schemaFile = join(directory, 'schema.prisma');
export const schemaOf = (content: string) => ({ files: [{ path: schemaFile, content }] });
export const current = SCHEMAS['3_trash']!;

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

/**
 * The engine of `prisma migrate` and `db pull`, as WebAssembly. Its adapter does not know the type
 * "char" of the catalogs, which its own drivers do: it is told of it here.
 */
export async function newEngine(login: pg.PoolConfig) {
  const pool = new pg.Pool(login);
  const query = pool.query.bind(pool) as (question: object) => Promise<pg.QueryResult>;
  // Of the last result: the engine asks one question after the other.
  let chars: readonly boolean[] = [];
  const { CHAR, TEXT } = pg.types.builtins;
  const queryKnown = async (question: object) => {
    const result = await query(question);
    chars = result.fields.map(({ dataTypeID }) => dataTypeID === CHAR);
    for (const field of result.fields) if (field.dataTypeID === CHAR) field.dataTypeID = TEXT;
    return result;
  };
  const factory = new PrismaPg(Object.assign(pool, { query: queryKnown }));
  const connect = factory.connect.bind(factory);
  factory.connect = async () => {
    const adapter = await connect();
    const queryRaw = adapter.queryRaw.bind(adapter);
    adapter.queryRaw = async (question) => {
      const result = await queryRaw(question);
      const columnTypes = result.columnTypes.map((type, i) =>
        chars[i] ? ColumnTypeEnum.Character : type,
      );
      return { ...result, columnTypes };
    };
    return adapter;
  };
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
