// Parity of writes: one plain PostgreSQL and a proxy, whose shards together must hold the same rows.

import type pg from 'pg';
import pgDriver from 'pg';
import { startTestProxy } from '../support/proxy.ts';
import { type Answer, connect, REFUSED, unordered } from './answer.ts';

const REFERENCE_TABLES = ['country', 'tariff'];
const TABLE_RULES = Object.fromEntries(
  REFERENCE_TABLES.map((table) => [table, { kind: 'reference' as const }]),
);

const SPREAD_DDL = `
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
  CREATE DOMAIN small AS int4 CHECK (VALUE < 1000000);
  CREATE DOMAIN weighed AS small;
  CREATE TABLE country (code text PRIMARY KEY, name text, weight weighed DEFAULT 7);
  CREATE TABLE tariff (
    code text, rate numeric, share float8, note text DEFAULT 'none', feels mood, at timestamptz,
    loud text GENERATED ALWAYS AS (upper(code)) STORED, UNIQUE (code, at));
  CREATE TABLE files (
    user_id int8 NOT NULL, id int4 NOT NULL, name varchar(20), size numeric(9,2), feels mood,
    tags text[], made timestamptz, note text DEFAULT 'none',
    twice int8 GENERATED ALWAYS AS (id * 2) STORED, PRIMARY KEY (user_id, id));
  CREATE TABLE members (user_id int4 PRIMARY KEY, name text NOT NULL, total float8, country text);
  CREATE TABLE picked (user_id int8 DEFAULT 4, label text);
  CREATE TABLE piles (user_id int8 NOT NULL, label varchar(30), n int4 DEFAULT 6, feels mood, at timestamptz);
  CREATE TABLE stamps (user_id int8, name text, touched int4 DEFAULT 2, PRIMARY KEY (user_id, name));
  CREATE TABLE trail (user_id int8, note text);
  CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.touched := coalesce(OLD.touched, 10) + length(NEW.name); RETURN NEW; END';
  CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON stamps FOR EACH ROW EXECUTE FUNCTION touch();
  CREATE FUNCTION trace() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO trail VALUES (NEW.user_id, NEW.name); RETURN NULL; END';
  CREATE TRIGGER trace AFTER INSERT OR UPDATE ON stamps FOR EACH ROW EXECUTE FUNCTION trace();
  CREATE TABLE parts (user_id int4 NOT NULL, day int4, body text) PARTITION BY RANGE (day);
  CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
  CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (100);`;

const HOME_DDL = `
  CREATE TABLE notes (id int4 PRIMARY KEY, owner int8, body text, at timestamptz);
  CREATE TABLE heap (k int4, v text);`;

const FILES = Array.from({ length: 36 }, (_, i) => {
  const mood = ['sad', 'ok', 'happy'][i % 3];
  return `(${(i % 7) - 1}, ${i}, 'file ${i % 5}', ${i}.25, '${mood}', '{a,"b ${i}",NULL}',
    '2026-01-0${1 + (i % 8)}T00:00:00Z', ${i % 4 === 0 ? 'NULL' : `'n${i}'`})`;
}).join(', ');

const ROWS = [
  `INSERT INTO country VALUES ('de', 'Germany', 1), ('fr', 'France', 2), ('us', 'USA', 3)`,
  `INSERT INTO files VALUES ${FILES}`,
  `INSERT INTO members VALUES (-1, 'minus', 1.5, 'de'), (0, 'zero', 0, 'fr'), (1, 'one', 2.5, 'us'),
    (2, 'two', NULL, 'de'), (5, 'five', 7, NULL), (11, 'eleven', -3, 'fr')`,
  `INSERT INTO notes VALUES (1, 1, 'first', '2026-02-02T02:02:02Z'), (2, 2, 'second', NULL), (3, 5, NULL, NULL)`,
  `INSERT INTO piles VALUES (0, 'a', 1, 'sad', NULL), (1, 'a', 1, 'ok', '2026-01-01T00:00Z'), (1, 'a', 1, 'ok', '2026-01-01T00:00Z'),
    (1, 'a', 1, 'ok', '2026-01-01T00:00Z'), (2, 'b', 2, NULL, NULL), (2, 'b', 2, NULL, NULL), (3, NULL, 3, 'happy', NULL), (4, 'c', NULL, NULL, NULL)`,
  `INSERT INTO parts VALUES (1, 1, 'x'), (1, 1, 'x'), (2, 11, 'y'), (3, 3, 'z'), (3, 33, NULL)`,
  `INSERT INTO tariff VALUES ('de', 1, 0.1, 'a', 'ok', NULL), ('de', 1, 0.1, 'a', 'ok', NULL), ('de', 1.0, 0.1, 'a', 'ok', NULL),
    ('de', 1, 0.1, 'a', 'ok', NULL), ('fr', 2, 'NaN', '', NULL, NULL), ('fr', 2, 'NaN', NULL, NULL, NULL),
    (NULL, NULL, -0.0, 'b "q" \\ ''', 'sad', '2026-01-01T00:00Z'), ('us', 3, 1e-300, 'c,d', 'happy', '2026-01-02T00:00Z')`,
  `INSERT INTO stamps (user_id, name) VALUES (0, 'zero'), (1, 'one'), (1, 'other'), (2, 'two'), (5, 'five')`,
  `INSERT INTO heap VALUES (1, 'h'), (1, 'h'), (2, 'i')`,
];

const HOME_TABLES = ['notes', 'heap'];
const TABLES = [
  ...REFERENCE_TABLES,
  'files',
  'members',
  'picked',
  'piles',
  'parts',
  'stamps',
  'trail',
  ...HOME_TABLES,
];

export interface Said {
  readonly sql: string;
  readonly parameters?: readonly unknown[];
  /** The order of the rows counts. */
  readonly ordered?: boolean;
}

/** simple: Query messages; extended: Parse, Bind and Execute. */
export type Protocol = 'simple' | 'extended';

export class WriteServers {
  readonly plain: pg.Client;
  readonly proxy: pg.Client;
  readonly shards: readonly pg.Client[];
  #close: () => Promise<void>;

  private constructor(
    plain: pg.Client,
    proxy: pg.Client,
    shards: readonly pg.Client[],
    close: () => Promise<void>,
  ) {
    this.plain = plain;
    this.proxy = proxy;
    this.shards = shards;
    this.#close = close;
  }

  static async start(shardCount: number): Promise<WriteServers> {
    const tested = await startTestProxy({
      shards: shardCount,
      config: { sharding: { tables: TABLE_RULES } },
      prepare: async (databases) => {
        for (const place of [databases.plain, ...databases.shards]) {
          const client = await connect(place);
          // Other servers give other oids to types made by users.
          if (place !== databases.plain) {
            await client.query(`CREATE TYPE filler_${place.id} AS (x int)`);
          }
          await client.query(SPREAD_DDL);
          if (place === databases.plain || place.id === 0) await client.query(HOME_DDL);
          await client.end();
        }
      },
    });
    const plain = await connect(tested.plain);
    const proxy = await connect(tested.login);
    const shards = await Promise.all(tested.shards.map(connect));
    return new WriteServers(plain, proxy, shards, async () => {
      await Promise.all([plain, proxy, ...shards].map((client) => client.end()));
      await tested.close();
    });
  }

  /** The rows that every run begins with. */
  async fill(): Promise<void> {
    for (const client of [this.plain, this.proxy]) await client.query('ROLLBACK');
    await this.plain.query(`TRUNCATE ${TABLES.join(', ')}`);
    for (const [i, shard] of this.shards.entries()) {
      const own = TABLES.filter((table) => i === 0 || !HOME_TABLES.includes(table));
      await shard.query(`TRUNCATE ${own.join(', ')}`);
    }
    for (const sql of ROWS) for (const client of [this.plain, this.proxy]) await client.query(sql);
    // The copies of its rows, some of them equal, lie in other orders.
    for (const [i, shard] of this.shards.entries()) {
      const columns = 'code, rate, share, note, feels, at';
      await shard.query(`WITH own AS (DELETE FROM tariff RETURNING *)
        INSERT INTO tariff SELECT ${columns} FROM own ORDER BY md5(own::text || ${i})`);
    }
  }

  /** The same statement on both sides. */
  async say(said: Said, protocol: Protocol): Promise<{ plain: Answer; proxy: Answer }> {
    const plain = await answer(this.plain, said, protocol);
    const proxy = await answer(this.proxy, said, protocol);
    return { plain: comparable(plain, said), proxy: comparable(proxy, said) };
  }

  /** Every table's rows: of the plain server, and of the shards together. */
  async contents(): Promise<{ plain: Contents; shards: Contents }> {
    const plain: Contents = {};
    const shards: Contents = {};
    for (const table of TABLES) {
      plain[table] = await rowsOf(this.plain, table);
      const own = await Promise.all(
        this.shards.map((shard, i) =>
          HOME_TABLES.includes(table) && i > 0 ? [] : rowsOf(shard, table, i, this.shards.length),
        ),
      );
      shards[table] = REFERENCE_TABLES.includes(table) ? sameOnAll(own) : own.flat().sort();
    }
    return { plain, shards };
  }

  close(): Promise<void> {
    return this.#close();
  }
}

type Contents = Record<string, string[]>;

/** A sharded row that is on another shard than its key's is marked. */
async function rowsOf(
  client: pg.Client,
  table: string,
  shard = 0,
  shardCount = 1,
): Promise<string[]> {
  const sharded = ![...REFERENCE_TABLES, ...HOME_TABLES].includes(table);
  const wrong = sharded
    ? `mod(mod(user_id, ${shardCount}) + ${shardCount}, ${shardCount}) <> ${shard}`
    : 'false';
  const { rows } = await client.query(
    `SELECT ROW(t.*)::text || CASE WHEN ${wrong} THEN ' on a wrong shard' ELSE '' END AS row FROM ${table} t`,
  );
  return rows.map(({ row }) => row as string).sort();
}

function sameOnAll(copies: readonly string[][]): string[] {
  for (const copy of copies) {
    if (JSON.stringify(copy) !== JSON.stringify(copies[0])) return ['the copies differ'];
  }
  return copies[0]!;
}

const RAW = { getTypeParser: () => (value: string | Buffer) => value.toString() };

async function answer(
  client: pg.Client,
  { sql, parameters = [] }: Said,
  protocol: Protocol,
): Promise<Answer> {
  try {
    const values = protocol === 'simple' ? {} : { values: [...parameters], queryMode: 'extended' };
    const result = await client.query({ text: sql, rowMode: 'array', types: RAW, ...values });
    return {
      kind: 'rows',
      command: result.command,
      count: result.rowCount,
      columns: result.fields.map(({ name, dataTypeID }) => ({
        name,
        typeOid: Math.min(dataTypeID, 16_384),
      })),
      rows: result.rows,
    };
  } catch (error) {
    if (!(error instanceof pgDriver.DatabaseError)) throw error;
    return { kind: 'error', code: error.code ?? '', message: error.message };
  }
}

/** What matters of an error is its code, but for a refusal, which is to be seen. */
function comparable(given: Answer, { ordered = false }: Said): Answer {
  if (given.kind === 'error') {
    return given.code === REFUSED ? given : { ...given, message: '' };
  }
  return ordered ? given : unordered(given);
}
