// The sample application that every ORM writes: a drive of users, folders and files, and its script.

import { expect } from 'vitest';
import { operate, until } from '../admin/operator.ts';
import { type Login, startTestProxy } from '../support/proxy.ts';

export interface NewFolder {
  readonly userId: number;
  readonly name: string;
}

export interface NewFile {
  readonly userId: number;
  readonly folderId: number;
  readonly path: string;
  readonly size: number;
}

/** A folder of one user with its files, as the ORM loads relations. */
export interface FolderTree {
  readonly name: string;
  readonly files: readonly string[];
}

/**
 * The application by one ORM. Ids and times never leave it in what is compared: the cluster numbers
 * its rows in another way than one server.
 */
export interface DriveApp {
  /** Runs the migrations that have not run; their names. */
  up(): Promise<readonly string[]>;
  /** Takes all migrations back; their names. */
  down(): Promise<readonly string[]>;
  /** What the ORM itself finds out about the tables. */
  introspect(): Promise<unknown>;
  insertUsers(emails: readonly string[]): Promise<readonly { id: number; email: string }[]>;
  insertFolders(rows: readonly NewFolder[]): Promise<readonly { id: number; name: string }[]>;
  /** All rows by one statement, RETURNING. */
  insertFiles(rows: readonly NewFile[]): Promise<readonly { id: number; path: string }[]>;
  /** INSERT … ON CONFLICT (user_id, path) DO UPDATE SET size. */
  upsertFiles(rows: readonly NewFile[]): Promise<readonly { path: string; size: string }[]>;
  /** A user's folders by name with their files by path. */
  tree(userId: number): Promise<readonly FolderTree[]>;
  /** Files of all users joined with folder and user, by path. */
  listing(): Promise<readonly { email: string; folder: string; path: string; size: string }[]>;
  /** One page of all files by path, and how many there are. */
  page(offset: number, limit: number): Promise<{ total: number; paths: readonly string[] }>;
  /** Of each user with more than one file: how many, and their bytes, by email. */
  usage(): Promise<readonly { email: string; files: number; bytes: string }[]>;
  /**
   * In one transaction: both users' files grow by `by`, then in a savepoint `duplicate` is inserted,
   * which fails and is rolled back; then `fresh` is inserted. The error's SQLSTATE.
   */
  grow(
    userIds: readonly [number, number],
    by: number,
    duplicate: NewFile,
    fresh: NewFile,
  ): Promise<string>;
  /** A transaction that inserts and is rolled back. */
  abandon(row: NewFile): Promise<void>;
  /** The number of deleted files. */
  deleteFiles(userId: number): Promise<number>;
  /** A query as text, with parameters as $1, … */
  raw(text: string, values?: readonly unknown[]): Promise<readonly unknown[]>;
  close(): Promise<void>;
}

const COLUMNS = `
  SELECT table_name, column_name, data_type, column_default, is_nullable, is_identity
  FROM information_schema.columns WHERE table_schema = 'public'
    AND table_name IN ('users', 'folders', 'files') ORDER BY table_name, ordinal_position`;

const INDEXES = `
  SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    AND tablename IN ('users', 'folders', 'files') ORDER BY tablename, indexname`;

const CONSTRAINTS = `
  SELECT conrelid::regclass::text AS table, conname, pg_get_constraintdef(oid) AS definition
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f')
    AND conrelid::regclass::text IN ('users', 'folders', 'files') ORDER BY 1, 2`;

const TABLES = `
  SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'
    AND table_name IN ('users', 'folders', 'files') ORDER BY table_name`;

const EMAILS = ['ada@example.org', 'bob@example.org', 'cy@example.org', 'di@example.org'];

/** Everything the application does, in order; what it saw of it. */
async function runDriveApp(app: DriveApp): Promise<Record<string, unknown>> {
  const seen: Record<string, unknown> = {};
  seen.up = await app.up();
  seen.upAgain = await app.up();
  seen.down = await app.down();
  seen.tablesWhenDown = await app.raw(TABLES);
  seen.downAgain = await app.down();
  seen.upOnceMore = await app.up();
  seen.introspection = await app.introspect();
  seen.columns = await app.raw(COLUMNS);
  seen.indexes = await app.raw(INDEXES);
  seen.constraints = await app.raw(CONSTRAINTS);

  const users = await app.insertUsers(EMAILS);
  seen.users = users.map(({ email }) => email);
  const folders = await app.insertFolders(
    users.flatMap(({ id }) => ['docs', 'music'].map((name) => ({ userId: id, name }))),
  );
  seen.folders = folders.map(({ name }) => name);
  const newFiles = users.flatMap(({ id: userId }, u) =>
    Array.from({ length: 4 - u }, (_, f) => ({
      userId,
      folderId: folders[2 * u + (f % 2)]!.id,
      path: `/u${u}/f${f}`,
      size: 1000 * u + f,
    })),
  );
  const files = await app.insertFiles(newFiles);
  seen.files = files.map(({ path }) => path);
  seen.ids = [users, folders, files].map((rows) => new Set(rows.map(({ id }) => id)).size);
  seen.listing = await app.listing();
  seen.tree = await app.tree(users[1]!.id);
  seen.pages = [await app.page(0, 3), await app.page(3, 4), await app.page(99, 4)];
  seen.usage = await app.usage();

  const again = newFiles.filter((_, i) => i % 3 === 0).map((row) => ({ ...row, size: 77 }));
  seen.upserted = await app.upsertFiles([...again, { ...newFiles[9]!, path: '/u3/new' }]);
  const fresh = { ...newFiles[5]!, path: '/u1/fresh' };
  seen.grow = await app.grow([users[0]!.id, users[1]!.id], 10_000, newFiles[0]!, fresh);
  await app.abandon({ ...newFiles[5]!, path: '/u1/abandoned' });
  seen.afterwards = await app.listing();
  seen.deleted = await app.deleteFiles(users[2]!.id);
  seen.raw = await app.raw(
    'SELECT path, size FROM files WHERE user_id = ANY($1) AND size > $2 ORDER BY path',
    [users.map(({ id }) => id), 5],
  );
  seen.grouped = await app.raw(
    `SELECT u.email, count(f.id)::int AS files FROM users u LEFT JOIN files f ON f.user_id = u.id
     GROUP BY u.email ORDER BY u.email`,
  );
  return seen;
}

/**
 * The application by one ORM through the proxy and on one PostgreSQL: sees the same on both, and has
 * its files on more than one shard of the first.
 */
export async function expectSameOnBoth(
  open: (login: Login) => Promise<DriveApp>,
  { constraints = 9 } = {},
): Promise<void> {
  const proxy = await startTestProxy({
    config: { sharding: { tables: { users: { kind: 'reference' } } } },
  });
  try {
    const [through, plain] = await Promise.all(
      [proxy.login, proxy.plain].map(async (login) => {
        const app = await open(login);
        try {
          const seen = await runDriveApp(app);
          const shardsOf = async () =>
            login === proxy.login
              ? await app.raw('SELECT DISTINCT drive.shard_id() AS shard FROM files')
              : [];
          return { seen, shards: (await shardsOf()).length };
        } finally {
          await app.close();
        }
      }),
    );
    // Pools say that they have ended before their connections have.
    const operator = await operate(proxy);
    await until(async () => (await operator.show('CLIENTS')).length <= 1);
    await operator.close();
    expect(through!.seen).toEqual(plain!.seen);
    expect(plain!.seen).toMatchObject({
      upAgain: [],
      tablesWhenDown: [],
      downAgain: [],
      ids: [4, 8, 10],
      grow: '23505',
      deleted: 2,
    });
    expect(plain!.seen.constraints).toHaveLength(constraints);
    expect(through!.shards).toBe(2);
  } finally {
    await proxy.close();
  }
}
