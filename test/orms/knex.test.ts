// Knex: its migrations with their lock, query builder and transactions, as on one PostgreSQL.

import knex, { type Knex } from 'knex';
import { test } from 'vitest';
import type { Login } from '../support/proxy.ts';
import { type DriveApp, expectSameOnBoth, type NewFile } from './drive-app.ts';

test('a drive application by Knex sees the same as on one PostgreSQL', async () => {
  await expectSameOnBoth(open);
});

type Usage = Awaited<ReturnType<DriveApp['usage']>>[number];

const MIGRATIONS: Readonly<Record<string, Knex.Migration>> = {
  '1_users': {
    up: (db) =>
      db.schema.createTable('users', (table) => {
        table.increments('id');
        table.string('email', 200).notNullable().unique();
        table.timestamps(true, true);
      }),
    down: (db) => db.schema.dropTable('users'),
  },
  '2_folders_and_files': {
    async up(db) {
      await db.schema.createTable('folders', (table) => {
        table.increments('id').primary();
        table.integer('user_id').notNullable().references('id').inTable('users');
        table.text('name').notNullable();
        table.unique(['user_id', 'id']);
      });
      await db.schema.createTable('files', (table) => {
        table.bigIncrements('id');
        table.integer('user_id').notNullable().references('users.id');
        table.integer('folder_id').notNullable();
        table.text('path').notNullable();
        table.bigInteger('size').notNullable().defaultTo(0);
        table.unique(['user_id', 'path']);
        table.index(['folder_id']);
        table.foreign(['user_id', 'folder_id']).references(['user_id', 'id']).inTable('folders');
      });
    },
    async down(db) {
      await db.schema.dropTable('files');
      await db.schema.dropTable('folders');
    },
  },
  '3_trash': {
    up: (db) =>
      db.schema.alterTable('files', (table) => {
        table.timestamp('deleted_at');
        table.jsonb('labels').notNullable().defaultTo('{}');
      }),
    down: (db) =>
      db.schema.alterTable('files', (table) => table.dropColumns('deleted_at', 'labels')),
  },
};

const MIGRATION_SOURCE: Knex.MigrationSource<string> = {
  getMigrations: async () => Object.keys(MIGRATIONS),
  getMigrationName: (name) => name,
  getMigration: async (name) => MIGRATIONS[name]!,
};

const columnsOf = ({ userId, folderId, path, size }: NewFile) => {
  return { user_id: userId, folder_id: folderId, path, size };
};

async function open({ host, port, database, user, password }: Login): Promise<DriveApp> {
  const db = knex({
    client: 'pg',
    connection: { host, port, database, user, password },
    pool: { min: 0, max: 4 },
    migrations: { migrationSource: MIGRATION_SOURCE },
  });
  const files = (on: Knex = db) => on('files');
  return {
    async up() {
      const [, names] = await db.migrate.latest();
      return names;
    },
    async down() {
      const [, names] = await db.migrate.rollback(undefined, true);
      return names;
    },
    introspect: async () => ({
      hasFiles: await db.schema.hasTable('files'),
      hasOthers: await db.schema.hasTable('others'),
      hasPath: await db.schema.hasColumn('files', 'path'),
      files: await db('files').columnInfo(),
      users: await db('users').columnInfo(),
      version: await db.migrate.currentVersion(),
    }),
    insertUsers: (emails) =>
      db('users')
        .insert(emails.map((email) => ({ email })))
        .returning(['id', 'email']),
    insertFolders: (rows) =>
      db('folders')
        .insert(rows.map(({ userId, name }) => ({ user_id: userId, name })))
        .returning(['id', 'name']),
    insertFiles: (rows) => files().insert(rows.map(columnsOf)).returning(['id', 'path']),
    upsertFiles: (rows) =>
      files()
        .insert(rows.map(columnsOf))
        .onConflict(['user_id', 'path'])
        .merge(['size'])
        .returning(['path', 'size']),
    async tree(userId) {
      const folders = await db('folders').where({ user_id: userId }).orderBy('name');
      const inThem = await files()
        .whereIn(
          'folder_id',
          folders.map(({ id }) => id),
        )
        .orderBy('path');
      return folders.map(({ id, name }) => ({
        name,
        files: inThem.filter((file) => file.folder_id === id).map(({ path }) => path),
      }));
    },
    listing: () =>
      files()
        .join('folders', (on) =>
          on.on('folders.user_id', 'files.user_id').andOn('folders.id', 'files.folder_id'),
        )
        .join('users', 'users.id', 'files.user_id')
        .select('users.email', { folder: 'folders.name' }, 'files.path', 'files.size')
        .orderBy('files.path'),
    async page(offset, limit) {
      const paths = await files().orderBy('path').offset(offset).limit(limit).pluck('path');
      const [counted] = await files().count({ total: '*' });
      return { total: Number(counted!.total), paths };
    },
    usage: () =>
      files()
        .join('users', 'users.id', 'files.user_id')
        .groupBy('users.email')
        .havingRaw('count(*) > 1')
        .select<Usage[]>(
          'users.email',
          db.raw('count(*)::int AS files'),
          db.raw('sum(size) AS bytes'),
        )
        .orderBy('users.email'),
    grow: (userIds, by, duplicate, fresh) =>
      db.transaction(async (trx) => {
        await files(trx).whereIn('user_id', userIds).increment('size', by);
        const code = await trx
          .transaction((inner) => files(inner).insert(columnsOf(duplicate)))
          .then(
            () => 'none',
            (error: { code: string }) => error.code,
          );
        await files(trx).insert(columnsOf(fresh));
        return code;
      }),
    async abandon(row) {
      const trx = await db.transaction();
      await files(trx).insert(columnsOf(row));
      await trx.rollback();
    },
    deleteFiles: (userId) => files().where({ user_id: userId }).delete(),
    async raw(text, values = []) {
      // Knex writes its own placeholders.
      const { rows } = await db.raw(text.replaceAll(/\$\d+/g, '?'), values as never);
      return rows;
    },
    close: () => db.destroy(),
  };
}
