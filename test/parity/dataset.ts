// The parity data: the same tables with the same rows on one plain PostgreSQL and over the shards.

import type pg from 'pg';

/** Reference and home tables of the parity proxy, as in the configuration's sharding.tables. */
export const TABLE_RULES = { country: { kind: 'reference' } } as const;

const SHARDED_DDL = `
  CREATE TABLE files (
    id int8 NOT NULL, user_id int8 NOT NULL, name text, size int4, ratio float8,
    price numeric(12,2), flag bool, made timestamptz, day date, tag text,
    PRIMARY KEY (user_id, id));
  CREATE TABLE members (user_id int8 PRIMARY KEY, name text NOT NULL, country text);
  CREATE TABLE country (code text PRIMARY KEY, name text NOT NULL);
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
  CREATE SCHEMA kept;
  CREATE TABLE kept.members (user_id int8 NOT NULL, n int8, name text);
  CREATE TABLE spelled (user_id int8 NOT NULL, "Übung" int4, "übung" int4, k int4, a_name_of_as_many_bytes_as_servers_keep_of_one_which_is_63_byte int4);
  CREATE TABLE narrow (user_id int4 NOT NULL, mood mood);
  CREATE TABLE thirds (user_id int8 NOT NULL, mood mood, part float8, made timestamptz);
  CREATE TABLE parted (user_id int8 NOT NULL, n int4, PRIMARY KEY (user_id, n)) PARTITION BY RANGE (n);
  CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (MINVALUE) TO (10);
  CREATE TABLE parted_high PARTITION OF parted DEFAULT;
  CREATE EXTENSION citext;
  CREATE DOMAIN german AS text COLLATE "de-x-icu";
  CREATE FUNCTION titled(files) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT $1.name || $1.id$$;
  CREATE TABLE sought (user_id int8 NOT NULL, what tsquery, kept_in regclass, made_by regproc, args oidvector);
  CREATE VIEW ranked AS SELECT f AS file, rank() OVER (ORDER BY f.size, f.id, f.user_id) AS n FROM files f;
  CREATE VIEW sized AS SELECT f AS file, m.name FROM members m LEFT JOIN files f ON f.size = m.user_id;
  CREATE VIEW sizes AS SELECT files AS file, m.name FROM members m LEFT JOIN files ON files.size = m.user_id;
  CREATE VIEW matched AS SELECT files, m.name FROM members m JOIN files ON files.size = m.user_id;`;

const HOME_DDL = `
  CREATE TABLE notes (id int4 PRIMARY KEY, body text);
  CREATE TABLE kept.notes (id int4 PRIMARY KEY, body text);`;

const FILES = 140;
const USERS = [0, 1, 2, 3, 4, 5, 7, 8, 11, 42, -1, -2, -17, 100_000, 2_147_483_648];
const EXTREME_USERS = ['9223372036854775807', '-9223372036854775808', '9007199254740993'];

const literal = (value: string | number | boolean | null): string =>
  typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value);

/** Rows with NULLs, duplicates, skew and quarters, whose sums are exact in binary. */
function fileRows(): string[] {
  const rows: string[] = [];
  for (let i = 0; i < FILES; i++) {
    const user = i % 3 === 0 ? 42 : i % 29 === 0 ? EXTREME_USERS[i % 3]! : USERS[(i * 7) % 15]!;
    const values = [
      i % 11 === 0 ? null : `file ${i % 23}`,
      i % 13 === 0 ? null : (i * 37) % 50,
      i % 7 === 0 ? null : (i % 40) / 4 - 3,
      i % 9 === 0 ? null : `${(i * 31) % 100}.${10 + (i % 90)}`,
      i % 5 === 0 ? null : i % 2 === 0,
      i % 17 === 0 ? null : `2026-0${1 + (i % 9)}-1${i % 10} 0${i % 10}:00:00+00`,
      i % 8 === 0 ? null : `2026-0${1 + (i % 3)}-0${1 + (i % 5)}`,
      ['red', 'Green', 'ärger', 'Zoo', null, 'zoo', '']![i % 7]!,
    ];
    rows.push(`(${i}, ${user}, ${values.map(literal).join(', ')})`);
  }
  return rows;
}

function memberRows(): string[] {
  const countries = ['de', 'fr', 'us', null];
  return [...USERS, ...EXTREME_USERS]
    .filter((_, i) => i % 5 !== 4)
    .map((user, i) => `(${user}, ${literal(`member ${i}`)}, ${literal(countries[i % 4]!)})`);
}

/** Tables everywhere, with the rows that do not go through the proxy. `shards`: in shard order. */
export async function createTables(plain: pg.Client, shards: readonly pg.Client[]): Promise<void> {
  const countries = `INSERT INTO country VALUES ('de', 'Germany'), ('fr', 'France'), ('us', 'USA')`;
  for (const [i, client] of [plain, ...shards].entries()) {
    // So that types made by users have another oid on every server.
    for (let n = 0; n < i; n++) await client.query(`CREATE TYPE other_${n} AS ENUM ()`);
    await client.query(SHARDED_DDL);
    await client.query(countries);
  }
  for (const client of [plain, shards[0]!]) {
    await client.query(HOME_DDL);
    await client.query(`INSERT INTO notes VALUES (1, 'one'), (2, 'two'), (3, NULL)`);
    await client.query(`INSERT INTO kept.notes VALUES (2, 'kept'), (3, 'three'), (4, NULL)`);
  }
}

/** The sharded rows, as the client of either side inserts them. */
export async function insertRows(client: pg.Client): Promise<void> {
  await client.query(`INSERT INTO files VALUES ${fileRows().join(', ')}`);
  await client.query(`INSERT INTO members VALUES ${memberRows().join(', ')}`);
  await client.query(
    `INSERT INTO kept.members VALUES (1, 42, 'one'), (2, 3, 'two'), (3, 8, NULL), (42, 99, 'none')`,
  );
  await client.query(
    `INSERT INTO spelled VALUES (1, 1, 10, 7, 3), (2, 2, 20, 8, 3), (3, 3, 10, 9, 5)`,
  );
  await client.query(
    `INSERT INTO parted VALUES (1, 1), (2, 10), (42, 5), (42, 11), (-17, 5), (3, 9)`,
  );
  await client.query(
    `INSERT INTO thirds VALUES (3, 'ok', 0.3333333333333333, '2026-01-01'), (7, 'sad', 0.14285714285714285, NULL)`,
  );
  await client.query(
    `INSERT INTO sought VALUES (1, plainto_tsquery('simple', ''), 'files', 'titled', ''),
       (2, 'a & b', 'files', 'titled', '23 25'), (3, NULL, 'narrow', 'now', NULL), (4, NULL, 0, 0, '0')`,
  );
  await client.query(
    `INSERT INTO narrow VALUES (1, 'sad'), (2, 'ok'), (42, 'happy'), (-17, NULL), (2147483647, 'ok')`,
  );
}
