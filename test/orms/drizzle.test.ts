// Drizzle: its migrator, relational queries, query builder and transactions, as on one PostgreSQL.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  and,
  asc,
  count,
  eq,
  gt,
  inArray,
  relations,
  sql,
  sum,
  TransactionRollbackError,
} from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import {
  bigint,
  bigserial,
  integer,
  pgEnum,
  pgTable,
  serial,
  text,
  timestamp,
  varchar,
} from 'drizzle-orm/pg-core';
import pg from 'pg';
import { expect, test } from 'vitest';
import type { Login } from '../support/proxy.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { type DriveApp, expectSameOnBoth } from './drive-app.ts';

test('a drive application by Drizzle sees the same as on one PostgreSQL', async () => {
  await expectSameOnBoth(open);
});

// What drizzle-kit generates: a journal, and files whose statements are parted by breakpoints.
const MIGRATIONS = {
  '0000_users': `CREATE TABLE "users" (
	"id" serial PRIMARY KEY NOT NULL,
	"email" varchar(200) NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "users_email_unique" UNIQUE("email")
);
`,
  '0001_folders_and_files': `CREATE TABLE "folders" (
	"id" integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "folders_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"user_id" integer NOT NULL,
	"name" text NOT NULL,
	CONSTRAINT "folders_user_id_id_unique" UNIQUE("user_id","id")
);
--> statement-breakpoint
CREATE TABLE "files" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"user_id" integer NOT NULL,
	"folder_id" integer NOT NULL,
	"path" text NOT NULL,
	"size" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "files_user_id_path_unique" UNIQUE("user_id","path")
);
--> statement-breakpoint
ALTER TABLE "folders" ADD CONSTRAINT "folders_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "files" ADD CONSTRAINT "files_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "files" ADD CONSTRAINT "files_folder_fk" FOREIGN KEY ("user_id","folder_id") REFERENCES "public"."folders"("user_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "files_folder_id_index" ON "files" USING btree ("folder_id");
`,
  '0002_trash': `CREATE TYPE "public"."state" AS ENUM('kept', 'trashed');--> statement-breakpoint
ALTER TABLE "files" ADD COLUMN "state" "state" DEFAULT 'kept' NOT NULL;
`,
};

/** Drizzle has no migrations down; a drive that goes back drops what the migrations made. */
const DOWN = `DROP TABLE IF EXISTS files; DROP TABLE IF EXISTS folders; DROP TABLE IF EXISTS users;
  DROP TYPE IF EXISTS state; DROP SCHEMA IF EXISTS drizzle CASCADE`;

const migrationsFolder = temporaryDirectory();
mkdirSync(join(migrationsFolder, 'meta'));
for (const [name, statements] of Object.entries(MIGRATIONS)) {
  writeFileSync(join(migrationsFolder, `${name}.sql`), statements);
}
const entries = Object.keys(MIGRATIONS).map((tag, idx) => ({
  idx,
  version: '7',
  when: 1_700_000_000_000 + idx,
  tag,
  breakpoints: true,
}));
writeFileSync(
  join(migrationsFolder, 'meta', '_journal.json'),
  JSON.stringify({ version: '7', dialect: 'postgresql', entries }),
);

const state = pgEnum('state', ['kept', 'trashed']);

const users = pgTable('users', {
  id: serial().primaryKey(),
  email: varchar({ length: 200 }).notNull().unique(),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
});

const folders = pgTable('folders', {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  userId: integer('user_id').notNull(),
  name: text().notNull(),
});

const files = pgTable('files', {
  id: bigserial({ mode: 'number' }).primaryKey(),
  userId: integer('user_id').notNull(),
  folderId: integer('folder_id').notNull(),
  path: text().notNull(),
  size: bigint({ mode: 'number' }).notNull().default(0),
  state: state().notNull().default('kept'),
});

const foldersRelations = relations(folders, ({ many, one }) => ({
  files: many(files),
  user: one(users, { fields: [folders.userId], references: [users.id] }),
}));

const filesRelations = relations(files, ({ one }) => ({
  folder: one(folders, {
    fields: [files.userId, files.folderId],
    references: [folders.userId, folders.id],
  }),
}));

async function open({ host, port, database, user, password }: Login): Promise<DriveApp> {
  const pool = new pg.Pool({ host, port, database, user, password, max: 4 });
  const db = drizzle(pool, { schema: { users, folders, files, foldersRelations, filesRelations } });
  const applied = async () => {
    const { rows } = await pool.query(`SELECT to_regclass('drizzle.__drizzle_migrations') AS made`);
    if (rows[0].made === null) return [];
    const migrations = sql`SELECT created_at FROM drizzle.__drizzle_migrations ORDER BY created_at`;
    return (await db.execute(migrations)).rows.map(({ created_at }) => String(created_at));
  };
  const changed = async (change: () => Promise<unknown>) => {
    const before = await applied();
    await change();
    const after = await applied();
    return after.length > before.length ? after.slice(before.length) : before.slice(after.length);
  };
  const pathOrder = asc(files.path);
  return {
    up: () => changed(() => migrate(db, { migrationsFolder })),
    down: () => changed(() => db.execute(DOWN)),
    introspect: applied,
    insertUsers: (emails) =>
      db
        .insert(users)
        .values(emails.map((email) => ({ email })))
        .returning(),
    insertFolders: (rows) =>
      db
        .insert(folders)
        .values([...rows])
        .returning(),
    insertFiles: (rows) =>
      db
        .insert(files)
        .values([...rows])
        .returning({ id: files.id, path: files.path }),
    upsertFiles: (rows) =>
      db
        .insert(files)
        .values([...rows])
        .onConflictDoUpdate({
          target: [files.userId, files.path],
          set: { size: sql`excluded.size` },
        })
        .returning({ path: files.path, size: sql<string>`${files.size}` }),
    async tree(userId) {
      const found = await db.query.folders.findMany({
        where: eq(folders.userId, userId),
        orderBy: asc(folders.name),
        with: { files: { orderBy: pathOrder }, user: true },
      });
      return found.map((folder) => ({
        name: `${folder.name} of ${folder.user.email}`,
        files: folder.files.map(({ path, state, size }) => `${path} ${state} ${size}`),
      }));
    },
    listing: () =>
      db
        .select({
          email: users.email,
          folder: folders.name,
          path: files.path,
          size: sql<string>`${files.size}`,
        })
        .from(files)
        .innerJoin(folders, and(eq(folders.userId, files.userId), eq(folders.id, files.folderId)))
        .innerJoin(users, eq(users.id, files.userId))
        .orderBy(pathOrder),
    async page(offset, limit) {
      const rows = await db.query.files.findMany({ orderBy: pathOrder, offset, limit });
      return { total: await db.$count(files), paths: rows.map(({ path }) => path) };
    },
    usage: () =>
      db
        .select({ email: users.email, files: count(), bytes: sql<string>`${sum(files.size)}` })
        .from(files)
        .innerJoin(users, eq(users.id, files.userId))
        .groupBy(users.email)
        .having(gt(count(), 1))
        .orderBy(users.email),
    grow: (userIds, by, duplicate, fresh) =>
      db.transaction(
        async (tx) => {
          await tx
            .update(files)
            .set({ size: sql`${files.size} + ${by}` })
            .where(inArray(files.userId, [...userIds]));
          const code = await tx
            .transaction((inner) => inner.insert(files).values(duplicate))
            .then(() => 'none', sqlStateOf);
          await tx.insert(files).values(fresh);
          return code;
        },
        { isolationLevel: 'repeatable read' },
      ),
    async abandon(row) {
      const given = db.transaction(async (tx) => {
        await tx.insert(files).values(row);
        tx.rollback();
      });
      await expect(given).rejects.toThrow(TransactionRollbackError);
    },
    async deleteFiles(userId) {
      const { rowCount } = await db.delete(files).where(eq(files.userId, userId));
      return rowCount ?? 0;
    },
    async raw(query, values = []) {
      const { rows } = await pool.query(query, [...values]);
      return rows;
    },
    close: () => pool.end(),
  };
}

/** Drizzle wraps the driver's errors. */
function sqlStateOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: string } };
  return cause?.code ?? String(error);
}
