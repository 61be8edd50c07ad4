// Prisma: its migrations and introspection, its client and transactions, as on one PostgreSQL.

import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { type Login, startTestProxy } from '../support/proxy.ts';
import { type DriveApp, expectSameOnBoth, type NewFile } from './drive-app.ts';
import {
  type Client,
  directory,
  filters,
  newClient,
  newEngine,
  schemaOf,
  writeMigrations,
} from './prisma-app.ts';
import { current, HEAD } from './prisma-schemas.ts';

test('a drive application by Prisma sees the same as on one PostgreSQL', async () => {
  // Prisma makes indexes that are unique, not constraints.
  await expectSameOnBoth(open, { constraints: 6 });
});

test('what the client of Prisma makes of relations and rows is as on one PostgreSQL', async () => {
  const proxy = await startTestProxy({
    config: { sharding: { tables: { users: { kind: 'reference' } } } },
  });
  try {
    const [through, plain] = await Promise.all(
      [proxy.login, proxy.plain].map(async ({ host, port, database, user, password }) => {
        const login = { host, port, database, user, password, max: 4 };
        const { engine, pool } = await newEngine(login);
        const schema = schemaOf(current);
        await engine.schemaPush({ force: false, schema, filters });
        engine.free();
        await pool.end();
        const db = newClient(new PrismaPg(login));
        try {
          return await askClient(db);
        } finally {
          await db.$disconnect();
        }
      }),
    );
    expect(through).toEqual(plain);
    expect(plain).toMatchObject({ duplicates: 1, missing: 'P2025', unknown: 'P2003' });
  } finally {
    await proxy.close();
  }
});

/** Nested writes, filters over relations, cursors, single rows; what came of them, without ids. */
async function askClient(db: Client): Promise<Record<string, unknown>> {
  const seen: Record<string, unknown> = {};
  const by = (path: string) => ({ orderBy: { [path]: 'asc' } });
  const newUser = (name: string) =>
    db.user.create({
      data: {
        email: `${name}@example.org`,
        folders: { create: [{ name: `${name}'s docs` }, { name: `${name}'s music` }] },
      },
      include: { folders: by('name') },
    });
  const owners = await db.$transaction(['ada', 'bob', 'cy', 'di'].map(newUser));
  const [ada, bob] = owners;
  const rows = owners.flatMap(({ id: userId, folders }, u) =>
    [0, 1, 2, 3].map((f) => ({
      userId,
      folderId: folders[f % 2]!.id,
      path: `/u${u}/f${f}`,
      size: 10 * f,
      labels: f === 0 ? [] : ['a', `b,"${f}`],
    })),
  );
  const count = (data: readonly object[]) => db.file.createMany({ data, skipDuplicates: true });
  seen.made = (await count(rows)).count;
  seen.duplicates = (await count([rows[0]!, { ...rows[1]!, path: '/new' }])).count;
  const shown = { select: { path: true, size: true, state: true, labels: true } };
  seen.every = await db.file.findMany({ ...by('path'), ...shown });
  seen.some = await db.user.findMany({
    where: { files: { some: { size: { gt: 20 } } }, folders: { none: { name: 'nothing' } } },
    select: { email: true, _count: { select: { files: true, folders: true } } },
    ...by('email'),
  });
  seen.filtered = await db.file.findMany({
    where: {
      OR: [{ path: { contains: 'F3', mode: 'insensitive' } }, { labels: { has: 'b,"2' } }],
      NOT: { user: { email: { startsWith: 'bob' } } },
    },
    ...by('path'),
    ...shown,
  });
  const userId_path = { userId: ada!.id, path: '/u0/f1' };
  seen.page = await db.file.findMany({
    where: { userId: ada!.id },
    cursor: { userId_path },
    skip: 1,
    take: 2,
    ...by('path'),
    ...shown,
  });
  seen.distinct = await db.file.findMany({
    distinct: ['size'],
    orderBy: [{ size: 'desc' }, { path: 'asc' }],
    ...shown,
  });
  const where = { userId_path };
  const data = { state: 'trashed', size: { multiply: 3 }, labels: { push: 'c' } };
  seen.updated = await db.file.update({ where, data, ...shown });
  seen.found = await db.file
    .findUnique({ where, select: { ...shown.select, folder: true } })
    .then((file) => ({ ...file, folder: file?.folder.name }));
  seen.deleted = await db.file.delete({ where, ...shown });
  seen.missing = await db.file.delete({ where }).then(() => 'none', codeOf);
  const unknown = { ...rows[0]!, path: '/unknown', folderId: 2_000_000_000 };
  seen.unknown = await db.file.create({ data: unknown }).then(() => 'none', codeOf);
  const email = `bob' OR 1=1 --@example.org`;
  const text = 'SELECT $1::text AS email, count(*)::int AS files FROM files WHERE size >= $2';
  seen.raw = await db.$queryRawUnsafe(text, email, 10);
  await db.user.update({ where: { id: bob!.id }, data: { files: { deleteMany: {} } } });
  seen.left = await db.file.findMany({ ...by('path'), ...shown });
  return seen;
}

async function open({ host, port, database, user, password }: Login): Promise<DriveApp> {
  const login = { host, port, database, user, password, max: 4 };
  const { engine, pool } = await newEngine(login);
  const migrationsList = await writeMigrations(engine);
  const db = newClient(new PrismaPg(login));
  const order = { path: 'asc' };
  const files = { data: (rows: readonly NewFile[]) => ({ data: rows }) };
  return {
    async up() {
      const { appliedMigrationNames } = await engine.applyMigrations({ migrationsList, filters });
      return appliedMigrationNames;
    },
    async down() {
      const before = await applied(pool);
      await engine.reset({ filter: filters });
      return before;
    },
    async introspect() {
      const { executedSteps } = await engine.schemaPush({
        force: false,
        schema: schemaOf(current),
        filters,
      });
      expect(executedSteps).toBe(0);
      const { schema, warnings } = await engine.introspect({
        schema: schemaOf(HEAD),
        baseDirectoryPath: directory,
        force: true,
        compositeTypeDepth: -1,
        namespaces: null,
      });
      const history = await engine.diagnoseMigrationHistory({
        migrationsList,
        optInToShadowDatabase: false,
        filters,
      });
      return { schema, warnings, history };
    },
    insertUsers: (emails) =>
      db.user.createManyAndReturn({ data: emails.map((email) => ({ email })) }),
    insertFolders: (rows) => db.folder.createManyAndReturn({ data: rows }),
    async insertFiles(rows) {
      const made = await db.file.createManyAndReturn(files.data(rows));
      return made.map(({ id, path }) => ({ id: Number(id), path }));
    },
    async upsertFiles(rows) {
      const made = await db.$transaction(
        rows.map(({ size, ...row }) => {
          const { userId, path } = row;
          return db.file.upsert({
            where: { userId_path: { userId, path } },
            create: { ...row, size },
            update: { size },
          });
        }),
      );
      return made.map(({ path, size }) => ({ path, size: String(size) }));
    },
    async tree(userId) {
      const found = await db.folder.findMany({
        where: { userId },
        orderBy: { name: 'asc' },
        include: { files: { orderBy: order, where: { state: 'kept' } }, user: true },
      });
      return found.map((folder) => ({
        name: `${folder.name} of ${folder.user.email}`,
        files: folder.files.map(({ path, size, labels }) => `${path} ${size} ${labels.length}`),
      }));
    },
    async listing() {
      const found = await db.file.findMany({
        orderBy: order,
        include: { folder: true, user: true },
      });
      return found.map(({ user, folder, path, size }) => {
        return { email: user.email, folder: folder.name, path, size: String(size) };
      });
    },
    async page(skip, take) {
      const rows = await db.file.findMany({ orderBy: order, skip, take, select: { path: true } });
      const sums = await db.file.aggregate({
        _count: true,
        _max: { size: true, path: true },
        _avg: { size: true },
      });
      const paths = [...rows.map(({ path }) => path), JSON.stringify(sums, withoutBigints)];
      return { total: await db.file.count(), paths };
    },
    async usage() {
      const groups = await db.file.groupBy({
        by: ['userId'],
        _count: true,
        _sum: { size: true },
        having: { path: { _count: { gt: 1 } } },
        orderBy: { userId: 'asc' },
      });
      const owners = await db.user.findMany({
        where: { id: { in: groups.map(({ userId }) => userId) } },
        orderBy: { email: 'asc' },
      });
      return owners.map(({ id, email }) => {
        const { _count, _sum } = groups.find(({ userId }) => userId === id)!;
        return { email, files: _count, bytes: String(_sum.size) };
      });
    },
    grow: (userIds, by, duplicate, fresh) =>
      db.$transaction(
        async (tx) => {
          await tx.file.updateMany({
            where: { userId: { in: [...userIds] } },
            data: { size: { increment: by } },
          });
          const code = await tx
            .$transaction((inner) => inner.file.create({ data: duplicate }))
            .then(() => 'none', sqlStateOf);
          await tx.file.create({ data: fresh });
          return code;
        },
        { isolationLevel: 'RepeatableRead' },
      ),
    async abandon(data) {
      const given = db.$transaction(async (tx) => {
        await tx.file.create({ data });
        throw new Error('abandoned');
      });
      await expect(given).rejects.toThrow('abandoned');
    },
    async deleteFiles(userId) {
      return (await db.file.deleteMany({ where: { userId } })).count;
    },
    raw: (text, values = []) => db.$queryRawUnsafe(text, ...values),
    async close() {
      await db.$disconnect();
      engine.free();
      await pool.end();
    },
  };
}

const withoutBigints = (_: string, value: unknown) =>
  typeof value === 'bigint' ? String(value) : value;

/** The names of the migrations that have run. */
async function applied(pool: pg.Pool): Promise<string[]> {
  const made = await pool.query(`SELECT to_regclass('_prisma_migrations') AS made`);
  if (made.rows[0].made === null) return [];
  const { rows } = await pool.query(
    'SELECT migration_name FROM _prisma_migrations ORDER BY started_at',
  );
  return rows.map(({ migration_name }) => migration_name);
}

/** Prisma has codes of its own. */
function sqlStateOf(error: unknown): string {
  return codeOf(error) === 'P2002' ? '23505' : String(error);
}

const codeOf = (error: unknown) => (error as { code?: string }).code ?? String(error);
