// RETURNING of other tables' columns where triggers, collations, domains and binary results matter.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from '../../src/base/pg.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

let tested: TestProxy;
let clients: readonly Client[];

const TABLES = `
  CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  CREATE DOMAIN score AS int CHECK (VALUE < 1000);
  CREATE TYPE mood AS ENUM ('sad', 'ok');
  CREATE TABLE seats (user_id int8 PRIMARY KEY, label text, points score,
    twice int GENERATED ALWAYS AS (points * 2) STORED, feels mood);
  CREATE TABLE offers (user_id int8 NOT NULL, seat int8, name text COLLATE nocase, code char(6),
    price numeric(8, 2), points score, feels mood, PRIMARY KEY (user_id, name));
  CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN NEW.label := upper(NEW.label) || '!'; RETURN NEW; END$$;
  CREATE TABLE stamped (LIKE seats INCLUDING ALL);
  CREATE FUNCTION worth(stamped) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1.points * 10';
  CREATE TRIGGER stamps BEFORE UPDATE ON stamped FOR EACH ROW EXECUTE FUNCTION stamp();`;

beforeAll(async () => {
  tested = await startTestProxy({
    shards: 3,
    prepare: async (databases) => {
      for (const place of [databases.plain, ...databases.shards]) {
        const client = await connectAsText(place);
        // Other servers give other oids to types made by users.
        if (place.id === 1) await client.query('CREATE TYPE filler AS (x int)');
        await client.query(TABLES);
        await client.end();
      }
    },
  });
  clients = await Promise.all([tested.plain, tested.login].map(connectAsText));
});

afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()));
  await tested.close();
});

const ROWS = [
  'TRUNCATE seats, offers, stamped',
  `INSERT INTO seats (user_id, label, points, feels) SELECT g, 'seat ' || g, g * 10, 'sad' FROM generate_series(0, 5) g`,
  `INSERT INTO stamped (user_id, label, points, feels) SELECT g, 'seat ' || g, g * 10, 'ok' FROM generate_series(0, 5) g`,
  `INSERT INTO offers SELECT g + 7, g, CASE g % 2 WHEN 0 THEN 'SEAT ' ELSE 'x ' END || g, 'c' || g,
     g * 1.5, g, 'ok' FROM generate_series(0, 5) g`,
];

beforeEach(async () => {
  for (const sql of ROWS) for (const client of clients) await client.query(sql);
});

async function said(client: Client, text: string, binary: boolean): Promise<unknown> {
  const query = { text, binary, rowMode: 'array', values: [] };
  const { rows, fields, rowCount } = await client.query<unknown[]>(query);
  const hex = rows.map((row) =>
    row.map((value) => (Buffer.isBuffer(value) ? value.toString('hex') : value)),
  );
  const columns = fields.map(({ name, dataTypeModifier, format }) => [
    name,
    dataTypeModifier,
    format,
  ]);
  return { rowCount, columns, rows: hex.map((row) => JSON.stringify(row)).sort() };
}

const JOINED = 'FROM offers o WHERE o.seat = s.user_id';
const STATEMENTS = [
  `UPDATE stamped s SET label = o.name, points = o.points + 1 ${JOINED}
    RETURNING s.label, s.twice, o.name || s.label, o.points + s.twice, old.label`,
  // A function of the new row, written as if it were a column.
  `UPDATE stamped s SET points = o.points + 1 ${JOINED} RETURNING s.worth, o.points`,
  `UPDATE stamped s SET points = o.price ${JOINED} RETURNING *`,
  `UPDATE seats s SET feels = o.feels ${JOINED} RETURNING s.feels = o.feels, o.feels, o.code, o.price, o.code || '|'`,
  // Texts that a collation holds equal.
  `UPDATE seats s SET points = 1 ${JOINED} RETURNING s.label = o.name, o.name LIKE 'se%' COLLATE "C", o.name`,
  `UPDATE seats s SET points = 2 FROM (SELECT seat, max(name) AS name FROM offers GROUP BY seat) o
    WHERE o.seat = s.user_id AND s.user_id < 0 RETURNING s.label, o.seat`,
  `UPDATE seats s SET user_id = o.user_id + 100, label = 'moved' ${JOINED}
    RETURNING s.*, o.*, s.twice + o.points, s.label = o.name, s`,
  // Whole rows, also such as have no type, and sub-queries over the new row.
  `UPDATE seats s SET points = 1 ${JOINED} RETURNING o, to_json(o.*), s, ROW(o.name, s.points)`,
  `UPDATE seats s SET points = 2 FROM (VALUES (1, 'a'), (2, 'b')) v (k, t), offers o
    WHERE o.seat = v.k AND s.user_id = v.k RETURNING v, o.feels, s.twice`,
  `UPDATE offers o SET code = 'c', price = 1.005, name = upper(o.name) FROM seats s WHERE s.user_id = o.seat
    RETURNING o.price, (SELECT count(*) FROM seats x WHERE x.label = o.name), (SELECT o.code || '|' || max(x.points) FROM seats x WHERE x.points > o.price)`,
  `UPDATE seats s SET points = s.points + 5 ${JOINED} RETURNING (SELECT array_agg(x.feels) FROM seats x WHERE x.points < s.twice), s.points`,
  `UPDATE stamped s SET points = 3 ${JOINED} RETURNING s.label, (SELECT max(x.name) FROM offers x WHERE x.seat < o.seat)`,
  // What is not known before: by default, chance, a trigger.
  `UPDATE seats s SET points = DEFAULT ${JOINED} RETURNING (SELECT max(label) FROM seats x WHERE x.points > s.user_id * 10), s.points, o.code`,
  `UPDATE seats s SET points = floor(random()) ${JOINED} RETURNING (SELECT max(label) FROM seats x WHERE x.points > s.points)`,
  `UPDATE stamped s SET points = 1 ${JOINED} RETURNING (SELECT max(label) FROM seats WHERE seats.label < s.label), s.feels`,
  `INSERT INTO stamped (user_id, label, points) VALUES (8, 'new', 80), (9, 'seat 3', 90)
    RETURNING (SELECT count(*) FROM seats x WHERE x.label = stamped.label), twice, (SELECT max(o.name) FROM offers o WHERE o.price < points)`,
  `UPDATE seats s SET points = DEFAULT ${JOINED} RETURNING (SELECT max(label) FROM seats x WHERE x.points > s.points), o, (SELECT s)`,
  `UPDATE seats s SET points = floor(random()) ${JOINED} RETURNING (SELECT max(label) FROM seats x WHERE x.label > s::text), (SELECT s FROM offers WHERE seat = 1)`,
  `UPDATE seats SET points = 1 RETURNING (SELECT max(name) FROM offers WHERE seat > public.seats.points)`,
  `UPDATE seats s SET points = 1 ${JOINED} RETURNING WITH (OLD AS before) (SELECT max(seat) FROM offers WHERE seat > before.points), (SELECT before FROM seats x WHERE x.user_id = 1)`,
  `UPDATE seats s SET user_id = s.user_id + 20, feels = 'ok' RETURNING old, new, old.feels, new.feels, old.*`,
  `UPDATE seats s SET points = 1 ${JOINED} RETURNING WITH (OLD AS before) before.points, s.points, o.code`,
  `DELETE FROM seats s USING offers o WHERE o.seat = s.user_id RETURNING o.name = s.label, s.twice, o.*`,
  `DELETE FROM seats s RETURNING (SELECT max(o.name) FROM offers o WHERE o.name < s.label), s, (SELECT old.points + max(o.seat) FROM offers o)`,
];

describe.each([false, true])('As on one server, in binary: %s', (binary) => {
  it.each(STATEMENTS)('%s', async (sql) => {
    const [plain, proxy] = [
      await said(clients[0]!, sql, binary),
      await said(clients[1]!, sql, binary),
    ];
    expect(proxy).toEqual(plain);
  });
});

it('The row is chosen along with what it returns, where several match it', async () => {
  const sql = `UPDATE seats s SET points = o.points FROM offers o WHERE o.seat > s.user_id
    RETURNING s.points = o.points, o.seat > s.user_id`;
  const rows = await textRows(clients[1]!, sql);
  expect(rows).toEqual(Array.from({ length: 5 }, () => ['t', 't']));
});

describe('Refused, with what to do', () => {
  it.each([
    [
      'a function in FROM, beside a new row of defaults',
      `UPDATE seats s SET points = DEFAULT FROM generate_series(1, 3) g WHERE g = s.user_id AND s.label IN (SELECT name FROM offers)
        RETURNING (SELECT max(label) FROM seats x WHERE x.points > s.points)`,
    ],
    [
      'the row of a sub-query in FROM, beside a new row of chance',
      `UPDATE seats s SET points = random() * 10 FROM (SELECT seat, name FROM offers) o WHERE o.seat = s.user_id
        RETURNING (SELECT max(label) FROM seats x WHERE x.label > o::text AND x.points > s.points)`,
    ],
    [
      'columns without names of their own in FROM, beside a new row of chance',
      `UPDATE seats s SET points = random() * 10 FROM (SELECT seat, seat + 1 FROM offers) o WHERE o.seat = s.user_id
        RETURNING (SELECT max(label) FROM seats x WHERE x.points > s.points + o.seat)`,
    ],
    [
      'a name behind a schema in a sub-query that reads the table, too',
      `UPDATE seats SET points = DEFAULT WHERE label IN (SELECT name FROM offers)
        RETURNING (SELECT max(x.name) FROM offers x WHERE x.seat > public.seats.points), (SELECT count(*) FROM seats)`,
    ],
  ])('%s', async (_, sql) => {
    await expect(clients[1]!.query(sql)).rejects.toMatchObject({
      code: '0A000',
      message: expect.stringContaining('RETURNING'),
      hint: expect.stringContaining('SELECT'),
    });
    expect(
      await textRows(clients[1]!, 'SELECT count(*) FROM seats WHERE points = user_id * 10'),
    ).toEqual([['6']]);
  });
});
