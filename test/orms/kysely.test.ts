// Kysely: its migrator with its lock, introspector, query builder and transactions, as on one PostgreSQL.

import { type Generated, Kysely, PostgresDialect, sql } from 'kysely';
import { jsonArrayFrom } from 'kysely/helpers/postgres';
import { type Migration, Migrator } from 'kysely/migration';
import pg from 'pg';
import { expect, test } from 'vitest';
import type { Login } from '../support/proxy.ts';
import { type DriveApp, expectSameOnBoth, type NewFile } from './drive-app.ts';

test('a drive application by Kysely sees the same as on one PostgreSQL', async () => {
  await expectSameOnBoth(open);
});

interface Database {
  users: { id: Generated<number>; email: string; created_at: Generated<Date> };
  folders: { id: Generated<number>; user_id: number; name: string };
  files: {
    id: Generated<number>;
    user_id: number;
    folder_id: number;
    path: string;
    size: string;
    is_deleted: Generated<boolean>;
  };
}

const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '1_users': {
    up: (db) =>
      db.schema
        .createTable('users')
        .addColumn('id', 'serial', (column) => column.primaryKey())
        .addColumn('email', 'varchar(200)', (column) => column.notNull().unique())
        .addColumn('created_at', 'timestamptz', (column) => column.defaultTo(sql`now()`).notNull())
        .execute(),
    down: (db) => db.schema.dropTable('users').execute(),
  },
  '2_folders_and_files': {
    async up(db) {
      await db.schema
        .createTable('folders')
        .addColumn('id', 'integer', (c) => c.primaryKey().generatedAlwaysAsIdentity())
        .addColumn('user_id', 'integer', (c) => c.notNull().references('users.id'))
        .addColumn('name', 'text', (c) => c.notNull())
        .addUniqueConstraint('folders_of_users', ['user_id', 'id'])
        .execute();
      await db.schema
        .createTable('files')
        .addColumn('id', 'bigint', (c) => c.primaryKey().generatedByDefaultAsIdentity())
        .addColumn('user_id', 'integer', (c) => c.notNull().references('users.id'))
        .addColumn('folder_id', 'integer', (c) => c.notNull())
        .addColumn('path', 'text', (c) => c.notNull())
        .addColumn('size', 'bigint', (c) => c.notNull().check(sql`size >= 0`))
        .addUniqueConstraint('files_path', ['user_id', 'path'])
        .addForeignKeyConstraint(
          'files_folder',
          ['user_id', 'folder_id'],
          'folders',
          ['user_id', 'id'],
          (constraint) => constraint.onDelete('cascade'),
        )
        .execute();
      await db.schema.createIndex('files_folder_id').on('files').column('folder_id').execute();
    },
    async down(db) {
      await db.schema.dropTable('files').execute();
      await db.schema.dropTable('folders').ifExists().cascade().execute();
    },
  },
  '3_trash': {
    up: (db) =>
      db.schema
        .alterTable('files')
        .addColumn('is_deleted', 'boolean', (column) => column.notNull().defaultTo(false))
        .execute(),
    down: (db) => db.schema.alterTable('files').dropColumn('is_deleted').execute(),
  },
};

const columnsOf = ({ userId, folderId, path, size }: NewFile) => {
  return { user_id: userId, folder_id: folderId, path, size: String(size) };
};

async function open({ host, port, database, user, password }: Login): Promise<DriveApp> {
  const pool = new pg.Pool({ host, port, database, user, password, max: 4 });
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } });
  const migrated = async (run: ReturnType<Migrator['migrateToLatest']>) => {
    const { error, results = [] } = await run;
    if (error !== undefined) throw error;
    return results.map(({ migrationName, status }) => `${migrationName} ${status}`);
  };
  return {
    async up() {
      // The second of two at once waits for the migrator's lock and has nothing left to do.
      const both = await Promise.all([1, 2].map(() => migrated(migrator.migrateToLatest())));
      expect(both.filter((names) => names.length === 0)).not.toEqual([]);
      return both.flat();
    },
    async down() {
      const names: string[] = [];
      for (let more = true; more; ) {
        const step = await migrated(migrator.migrateDown());
        names.push(...step);
        more = step.length > 0;
      }
      return names;
    },
    async introspect() {
      const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
      return tables.filter(({ schema }) => schema === 'public');
    },
    insertUsers: (emails) =>
      db
        .insertInto('users')
        .values(emails.map((email) => ({ email })))
        .returning(['id', 'email'])
        .execute(),
    insertFolders: (rows) =>
      db
        .insertInto('folders')
        .values(rows.map(({ userId, name }) => ({ user_id: userId, name })))
        .returning(['id', 'name'])
        .execute(),
    insertFiles: (rows) =>
      db.insertInto('files').values(rows.map(columnsOf)).returning(['id', 'path']).execute(),
    upsertFiles: (rows) =>
      db
        .insertInto('files')
        .values(rows.map(columnsOf))
        .onConflict((conflict) =>
          conflict
            .columns(['user_id', 'path'])
            .doUpdateSet(({ ref }) => ({ size: ref('excluded.size') })),
        )
        .returning(['path', 'size'])
        .execute(),
    async tree(userId) {
      const folders = await db
        .selectFrom('folders')
        .where('user_id', '=', userId)
        .select((folder) => [
          'name',
          jsonArrayFrom(
            folder
              .selectFrom('files')
              .whereRef('files.user_id', '=', 'folders.user_id')
              .whereRef('files.folder_id', '=', 'folders.id')
              .select('path')
              .orderBy('path'),
          ).as('files'),
        ])
        .orderBy('name')
        .execute();
      return folders.map(({ name, files }) => ({ name, files: files.map(({ path }) => path) }));
    },
    listing: () =>
      db
        .selectFrom('files')
        .innerJoin('folders', (join) =>
          join
            .onRef('folders.user_id', '=', 'files.user_id')
            .onRef('folders.id', '=', 'files.folder_id'),
        )
        .innerJoin('users', 'users.id', 'files.user_id')
        .select(['users.email', 'folders.name as folder', 'files.path', 'files.size'])
        .orderBy('files.path')
        .execute(),
    async page(offset, limit) {
      const [rows, { total }] = await Promise.all([
        db.selectFrom('files').select('path').orderBy('path').offset(offset).limit(limit).execute(),
        db
          .selectFrom('files')
          .select(({ fn }) => fn.countAll<string>().as('total'))
          .executeTakeFirstOrThrow(),
      ]);
      return { total: Number(total), paths: rows.map(({ path }) => path) };
    },
    usage: () =>
      db
        .selectFrom('files')
        .innerJoin('users', 'users.id', 'files.user_id')
        .groupBy('users.email')
        .having(({ fn }) => fn.countAll(), '>', 1)
        .select(({ fn, cast }) => [
          'users.email',
          cast<number>(fn.countAll(), 'integer').as('files'),
          fn.sum<string>('size').as('bytes'),
        ])
        .orderBy('users.email')
        .execute(),
    async grow(userIds, by, duplicate, fresh) {
      const trx = await db.startTransaction().setIsolationLevel('repeatable read').execute();
      await trx
        .updateTable('files')
        .set(({ eb }) => ({ size: eb('size', '+', String(by)) }))
        .where('user_id', 'in', userIds)
        .execute();
      const inner = await trx.savepoint('before').execute();
      const code = await inner
        .insertInto('files')
        .values(columnsOf(duplicate))
        .execute()
        .then(
          () => 'none',
          (error: { code: string }) => error.code,
        );
      await inner.rollbackToSavepoint('before').execute();
      await trx.insertInto('files').values(columnsOf(fresh)).execute();
      await trx.commit().execute();
      return code;
    },
    async abandon(row) {
      const trx = await db.startTransaction().execute();
      await trx.insertInto('files').values(columnsOf(row)).execute();
      await trx.rollback().execute();
    },
    async deleteFiles(userId) {
      const rows = await db
        .deleteFrom('files')
        .where('user_id', '=', userId)
        .returning('path')
        .execute();
      return rows.length;
    },
    async raw(text, values = []) {
      const { rows } = await pool.query(text, [...values]);
      return rows;
    },
    close: () => db.destroy(),
  };
}
