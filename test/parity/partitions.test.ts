// Partitions parity: a partitioned table with rows becomes another kind of table, and answers as on one PostgreSQL.

import { isDeepStrictEqual } from 'node:util';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { examine } from '../../src/control/doctor.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { ask, connect, unordered } from './answer.ts';

let tested: TestProxy;
let plain: pg.Client;
let proxy: pg.Client;
let shards: pg.Client[];

beforeAll(async () => {
  tested = await startTestProxy({ shards: 3 });
  plain = await connect(tested.plain);
  proxy = await connect(tested.login);
  shards = await Promise.all(tested.shards.map(connect));
});

afterEach(async () => {
  for (const client of [plain, proxy]) {
    await client.query('ROLLBACK');
    for (const table of ['events', 'events_4', 'bills', 'codes']) {
      await client.query(`DROP TABLE IF EXISTS ${table} CASCADE`);
    }
    await client.query('DROP FUNCTION IF EXISTS events_mark(), events_same()');
  }
});

afterAll(async () => {
  await Promise.all([plain, proxy, ...shards].map((client) => client.end()));
  await tested.close();
});

const rows = (year: number) =>
  `INSERT INTO events SELECT n, n % 7, date '${year}-03-01' + n, 'x' FROM generate_series(1, 20) n`;
const WHERE = 'SELECT tableoid::regclass, note, count(*) FROM events GROUP BY 1, 2';
const SHAPE = [
  `SELECT indexrelid::regclass::text, indisvalid, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indexrelid::regclass::text ~ 'event'`,
  `SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid::regclass::text ~ 'event'`,
  `SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger
    WHERE tgrelid::regclass::text ~ 'event' AND NOT tgisinternal`,
];

const MADE = [
  'CREATE TABLE events (id int, owner int, at date, note text) PARTITION BY RANGE (at)',
  `CREATE TABLE events_0 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')`,
  // Its columns stand in another order, and its index has a name of its own.
  'CREATE TABLE "Events 1" (junk int, note text, id int, at date NOT NULL, owner int)',
  'ALTER TABLE "Events 1" DROP COLUMN junk',
  'ALTER TABLE "Events 1" ADD CONSTRAINT "event 1 key" UNIQUE (owner, id, at)',
  `ALTER TABLE events ATTACH PARTITION "Events 1" FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')`,
  'ALTER TABLE events ADD UNIQUE (owner, id, at)',
  'CREATE INDEX events_note ON events (note)',
  'CREATE INDEX event_alone ON events_0 (id)',
  `CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2022-01-01') TO ('2023-01-01')
    PARTITION BY LIST (note)`,
  'CREATE TABLE events_2x PARTITION OF events_2 DEFAULT',
  'ALTER TABLE events ADD CONSTRAINT positive CHECK (id > 0)',
  'ALTER TABLE events_0 ADD CONSTRAINT small CHECK (id < 1000)',
  `CREATE FUNCTION events_mark() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN NEW.note := NEW.note || '!'; RETURN NEW; END $$`,
  'CREATE TRIGGER mark BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION events_mark()',
  `CREATE FUNCTION events_same() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$`,
  'CREATE TRIGGER always BEFORE INSERT ON events_0 FOR EACH ROW EXECUTE FUNCTION events_same()',
  'ALTER TABLE "Events 1" DISABLE TRIGGER mark',
  'ALTER TABLE events_0 ENABLE ALWAYS TRIGGER always',
  'GRANT UPDATE (note) ON events TO PUBLIC',
  ...[2020, 2021, 2022].map(rows),
];

const USED = [
  'CREATE TABLE events_4 (LIKE events INCLUDING CONSTRAINTS)',
  `INSERT INTO events_4 SELECT n, n % 7, date '2024-01-01' + n, 'late' FROM generate_series(1, 9) n`,
  `INSERT INTO events_4 VALUES (1, 1, '2023-01-01', 'misplaced')`,
  `ALTER TABLE events ATTACH PARTITION events_4 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')`,
  'SELECT count(*) FROM events_4',
  `DELETE FROM events_4 WHERE note = 'misplaced'`,
  'BEGIN',
  `ALTER TABLE events ATTACH PARTITION events_4 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')`,
  'SELECT count(*) FROM events',
  'ROLLBACK',
  'SELECT count(*) FROM events',
  `ALTER TABLE events ATTACH PARTITION events_4 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')`,
  `CREATE TABLE events_5 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')`,
  ...[2020, 2021, 2022, 2024, 2025].map(rows).map((sql) => sql.replace('n,', 'n + 50,')),
  WHERE,
  'SELECT count(*) FROM events WHERE owner = 3',
  ...[2020, 2024].map(rows),
  `INSERT INTO events VALUES (1, 1, '2033-01-01', 'nowhere')`,
  `INSERT INTO events VALUES (-1, 1, '2024-01-01', 'x')`,
  `INSERT INTO events_0 VALUES (5000, 1, '2020-01-01', 'x')`,
  `UPDATE events SET at = '2020-06-06' WHERE owner = 4 AND at > '2025-01-01' RETURNING id, note`,
  'ALTER TABLE events_0 DISABLE TRIGGER always',
  `UPDATE events SET owner = owner + 1 WHERE at = '2020-06-06'`,
  'SELECT owner, at, count(*) FROM events GROUP BY 1, 2',
  ...SHAPE,
];

const LEFT = [
  'ALTER TABLE events DETACH PARTITION events_4',
  'SELECT count(*) FROM events_4',
  WHERE,
];

/** What the proxy answers otherwise than one PostgreSQL. */
async function differences(steps: readonly string[]): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const sql of steps) {
    const [one, all] = [unordered(await ask(plain, sql)), unordered(await ask(proxy, sql))];
    if (!isDeepStrictEqual(one, all)) found.push({ sql, one, all });
  }
  return found;
}

const findings = () =>
  examine(
    shards.map((_, i) => i),
    async (shard, sql) => {
      const { rows } = await shards[shard]!.query({ text: sql, rowMode: 'array' });
      return (rows as unknown[][]).map((row) => row.map((value) => String(value ?? '')));
    },
    { rules: { key: 'user_id', tables: {} }, rows: true },
  );

it.each([
  ['sharded by a column', ["create_distributed_table('events', 'owner')"]],
  ['a reference table', ["create_reference_table('events')"]],
  [
    'sharded, at home again, and sharded by another column',
    [
      "create_distributed_table('events', 'id')",
      "undistribute_table('events')",
      "create_distributed_table('events', 'owner')",
    ],
  ],
  [
    'a reference table of what was sharded',
    ["create_distributed_table('events', 'owner')", "create_reference_table('events')"],
  ],
])('%s', async (_, calls) => {
  expect(await differences(MADE)).toEqual([]);
  for (const call of calls) {
    await proxy.query(`SELECT ${call}`);
    expect(await differences([WHERE])).toEqual([]);
  }
  expect(await differences([...SHAPE, ...USED])).toEqual([]);
  expect(await findings()).toEqual([]);
  expect(await differences(LEFT)).toEqual([]);
  expect((await proxy.query('SELECT FROM events_4')).rowCount).toBeGreaterThan(0);
});

it('a table with identity and serial columns goes on counting in each partition', async () => {
  await proxy.query(`
    CREATE TABLE counted (id bigint GENERATED BY DEFAULT AS IDENTITY, n serial, owner int) PARTITION BY LIST (owner);
    CREATE TABLE counted_0 PARTITION OF counted FOR VALUES IN (0, 1, 2, 3);
    CREATE TABLE counted_1 PARTITION OF counted DEFAULT;
    INSERT INTO counted (owner) SELECT i % 7 FROM generate_series(1, 50) i`);
  await proxy.query(`SELECT create_distributed_table('counted', 'owner')`);
  await proxy.query(`INSERT INTO counted (owner) SELECT i % 7 FROM generate_series(1, 50) i`);
  const { rows } = await proxy.query(
    'SELECT count(*)::int AS n, count(DISTINCT id)::int AS ids, count(DISTINCT n)::int AS ns FROM counted',
  );
  expect(rows).toEqual([{ n: 100, ids: 100, ns: 100 }]);
  expect(await findings()).toEqual([]);
  await proxy.query('DROP TABLE counted');
});

it('rows that leave the key to the identity of the table get it in a partition, too', async () => {
  await proxy.query(`
    CREATE TABLE counted (id bigint GENERATED ALWAYS AS IDENTITY, owner int) PARTITION BY LIST (owner);
    CREATE TABLE counted_0 PARTITION OF counted DEFAULT`);
  await proxy.query(`SELECT create_distributed_table('counted', 'id')`);
  await proxy.query('INSERT INTO counted_0 (owner) VALUES (1), (2), (3)');
  await proxy.query('INSERT INTO counted (owner) VALUES (1), (2), (3)');
  const { rows } = await proxy.query('SELECT count(DISTINCT id)::int AS ids FROM counted');
  expect(rows).toEqual([{ ids: 6 }]);
  await proxy.query('DROP TABLE counted');
});

it.each([
  ['of a partition', [], "create_distributed_table('bills_0', 'owner')", '0A000'],
  [
    'of a table whose partition keeps something unique without the key',
    ['ALTER TABLE bills_0 ADD UNIQUE (id)'],
    "create_distributed_table('bills', 'owner')",
    '55000',
  ],
  [
    'of a table whose partition refers to a home table',
    [
      'CREATE TABLE codes (code int PRIMARY KEY)',
      'INSERT INTO codes VALUES (1), (2)',
      'ALTER TABLE bills_0 ADD FOREIGN KEY (id) REFERENCES codes',
    ],
    "create_distributed_table('bills', 'owner')",
    '55000',
  ],
  [
    'of a table whose partition has row level security',
    ['ALTER TABLE bills_0 ENABLE ROW LEVEL SECURITY'],
    "create_distributed_table('bills', 'owner')",
    '0A000',
  ],
  [
    'of a table that a view of a partition would read',
    ['CREATE VIEW billed AS SELECT id FROM bills_0'],
    "create_distributed_table('bills', 'owner')",
    '0A000',
  ],
])('%s it is refused', async (_, first, call, code) => {
  await proxy.query('CREATE TABLE bills (id int, owner int) PARTITION BY LIST (owner)');
  await proxy.query('CREATE TABLE bills_0 PARTITION OF bills DEFAULT');
  await proxy.query('INSERT INTO bills VALUES (1, 1), (2, 2)');
  for (const sql of first) await proxy.query(sql);
  await expect(proxy.query(`SELECT ${call}`)).rejects.toMatchObject({ code });
  expect((await proxy.query('SELECT id FROM bills ORDER BY id')).rows).toEqual([
    { id: 1 },
    { id: 2 },
  ]);
});

it.each([
  'ALTER TABLE parts ATTACH PARTITION by_owner FOR VALUES FROM (0) TO (10)',
  'ALTER TABLE parts ATTACH PARTITION copied FOR VALUES FROM (0) TO (10)',
  'ALTER TABLE by_owner INHERIT by_user',
  'ALTER TABLE copied INHERIT by_user',
  'ALTER TABLE home INHERIT by_user',
  'CREATE TABLE child () INHERITS (by_user, by_owner)',
  'CREATE TABLE child () INHERITS (copied, by_owner)',
])('%s: rows of one family are not kept in two ways', async (sql) => {
  await proxy.query(`
    CREATE TABLE parts (user_id int, owner int, n int) PARTITION BY RANGE (n);
    CREATE TABLE by_user (user_id int, owner int, n int);
    CREATE TABLE by_owner (user_id int, owner int, n int);
    CREATE TABLE copied (user_id int, owner int, n int);
    CREATE TABLE home (user_id int, owner int, n int)`);
  await proxy.query(`SELECT create_distributed_table('by_owner', 'owner')`);
  await proxy.query(`SELECT create_reference_table('copied')`);
  await proxy.query(`SELECT undistribute_table('home')`);
  await expect(proxy.query(sql)).rejects.toMatchObject({
    code: '0A000',
    message: expect.stringContaining('a partition or child of a table'),
  });
  await proxy.query('DROP TABLE parts; DROP TABLE by_user; DROP TABLE by_owner');
  await proxy.query('DROP TABLE copied; DROP TABLE home');
});

it('a child is sharded as its parent is, whatever other columns it has', async () => {
  await proxy.query('CREATE TABLE stock (owner int, n int)');
  await proxy.query(`SELECT create_distributed_table('stock', 'owner')`);
  await proxy.query('CREATE TABLE special (user_id int) INHERITS (stock)');
  await proxy.query('INSERT INTO special SELECT n, n, n + 1 FROM generate_series(1, 9) n');
  for (const table of ['stock', 'special']) {
    const { rows } = await proxy.query(`SELECT n FROM ${table} WHERE owner = 4`);
    expect(rows).toEqual([{ n: 4 }]);
  }
  await proxy.query('DROP TABLE special; DROP TABLE stock');
});
