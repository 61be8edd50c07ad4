// Parity of joins by other columns than the key: of a large table only those rows are read that another's rows want.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { type Answer, ask, connect, unordered } from './answer.ts';

const SHARDS = 3;
/** A shard has more rows of each table. */
const INLINE_ROWS_MAX = 14;
const MERGE = { inlineRowsMax: INLINE_ROWS_MAX };
const DDL = `
  CREATE TABLE person (user_id int8 PRIMARY KEY, boss int8, city text, born date, mark uuid, nick text COLLATE "C");
  CREATE TABLE item (user_id int8, id int8, owner int8, city text, made date, mark uuid, note varchar(20),
    PRIMARY KEY (user_id, id));
  CREATE VIEW owned AS SELECT i.id, i.owner, i.city FROM item i`;
const ROWS = `
  INSERT INTO person SELECT i, nullif(i % 9, 3), 'c' || i % 50, date '2000-01-01' + i % 60,
    ('00000000-0000-0000-0000-0000000000' || lpad((i % 80)::text, 2, '0'))::uuid, 'n' || i % 40
    FROM generate_series(1, 120) i;
  INSERT INTO item SELECT i % 21, i, nullif(i % 110, 5), 'c' || i % 70, date '2000-01-01' + i % 90,
    ('00000000-0000-0000-0000-0000000000' || lpad((i % 90)::text, 2, '0'))::uuid, 'n' || i % 30
    FROM generate_series(1, 400) i`;

/** Each joins large tables, of which it needs few rows. */
const WANTED: readonly string[] = [
  `SELECT i.id, p.city FROM person p JOIN item i ON i.owner = p.user_id WHERE p.city LIKE '_7' AND p.city NOT LIKE '%9'`,
  `SELECT i.id, p.city FROM person p JOIN item i ON i.owner = p.user_id WHERE p.city = 'c7'`,
  `SELECT i.id, p.user_id FROM item i, person p WHERE p.user_id = i.owner AND p.city IN ('c7', 'c8')`,
  `SELECT i.id FROM item i, person p WHERE i.city = p.city AND p.born = '2000-01-05'`,
  `SELECT i.id, p.user_id FROM item i JOIN person p ON i.mark = p.mark AND i.made = p.born WHERE p.city = 'c9'`,
  `SELECT p.user_id, b.user_id, b.city FROM person p JOIN person b ON b.user_id = p.boss WHERE p.city = 'c7'`,
  `SELECT p.user_id FROM person p WHERE p.city = 'c7'
    AND NOT EXISTS (SELECT FROM item i WHERE i.owner = p.user_id AND i.city = 'c7')`,
  `SELECT p.user_id, (SELECT count(*) FROM item i WHERE i.owner = p.user_id) FROM person p WHERE p.city = 'c7'`,
  `SELECT sum(i.id) FROM item i, person p WHERE p.user_id = i.owner AND p.city = 'c7'
    AND i.id > (SELECT avg(x.id) FROM item x WHERE x.owner = p.user_id)`,
  `SELECT p.user_id, i.id, q.city FROM person p JOIN item i ON i.owner = p.user_id JOIN person q ON q.user_id = i.id
    WHERE p.city = 'c7'`,
  `SELECT p.city, count(*) FROM person p, item i WHERE i.owner = p.user_id AND p.city = 'c7' GROUP BY p.city`,
  `SELECT p.user_id, l.id FROM person p, LATERAL (SELECT i.id FROM item i WHERE i.owner = p.user_id ORDER BY i.id LIMIT 1) l
    WHERE p.city = 'c7'`,
  `WITH few AS (SELECT p.user_id AS u FROM person p WHERE p.city = 'c7')
    SELECT i.id FROM item i, person p WHERE i.owner = p.user_id AND p.city = 'c7'
    UNION ALL SELECT u FROM few`,
  `SELECT o.id FROM owned o JOIN person p ON p.user_id = o.owner WHERE p.city = 'c7' AND o.city <> 'x'`,
  `SELECT i.id FROM item i, person p WHERE i.owner = p.user_id AND p.city = 'nowhere'`,
  `SELECT p.user_id FROM person p, item i WHERE i.owner = p.boss AND i.city = 'c5' AND p.born < '2000-01-04'`,
  `SELECT i.id, p.user_id FROM item i JOIN person p ON p.user_id = i.owner AND p.city = 'c7'`,
  `SELECT i.id, p.city FROM item i LEFT JOIN person p ON p.user_id = i.owner WHERE i.city = 'c7'`,
  `SELECT i.id, p.city FROM person p RIGHT JOIN item i ON p.user_id = i.owner WHERE i.city = 'c7'`,
  `SELECT i.id, p.user_id, city FROM item i JOIN person p USING (city) WHERE p.born = '2000-01-05'`,
  `SELECT i.id, p.user_id, city FROM item i LEFT JOIN person p USING (city) WHERE i.made = '2000-01-05'`,
  `SELECT i.id, p.user_id, x.id FROM item i LEFT JOIN person p ON p.user_id = i.owner JOIN item x ON x.id = p.boss
    WHERE i.city = 'c7'`,
];

/** Large tables of which rows count that another's do not want. */
const OTHERS: readonly string[] = [
  `SELECT i.id, p.user_id, q.user_id FROM item i LEFT JOIN (person p JOIN person q ON q.user_id = p.boss) ON p.user_id = i.owner
    WHERE i.city = 'c7'`,
  `SELECT i.id, p.user_id, q.user_id FROM item i LEFT JOIN person p ON p.user_id = i.owner LEFT JOIN person q ON q.user_id = p.boss
    WHERE i.city = 'c7'`,
  `SELECT a.id, p.user_id, i.id FROM (item a FULL JOIN person p USING (city)) JOIN item i USING (city) WHERE i.made = '2000-01-05'`,
  `SELECT a.id, p.user_id, i.id FROM item a JOIN (person p FULL JOIN item i USING (city)) USING (city) WHERE a.made = '2000-01-05'`,
  `SELECT a.id, p.user_id, i.id FROM item a JOIN (person p RIGHT JOIN item i USING (city)) USING (city) WHERE a.made = '2000-01-05'`,
  `SELECT a.id, p.user_id, i.id FROM item a JOIN (person p LEFT JOIN item i USING (city)) USING (city) WHERE a.made = '2000-01-05'`,
  `SELECT a.id, p.user_id, x.id FROM (item a FULL JOIN person p ON a.city = p.city) JOIN item x ON x.id = p.boss WHERE x.city = 'c7'`,
  `SELECT a.id, p.user_id FROM item a LEFT JOIN person p ON a.owner = p.user_id AND a.city = 'c7'`,
  `SELECT a.id, p.user_id FROM item a NATURAL LEFT JOIN (SELECT city, user_id AS u, boss FROM person) s, person p
    WHERE p.user_id = s.boss AND a.made = '2000-01-05'`,
  `SELECT p.user_id FROM person p WHERE p.city = 'c7' AND p.boss NOT IN (SELECT i.owner FROM item i WHERE i.id = p.user_id)`,
  `SELECT p.user_id, (SELECT count(*) FROM item i LEFT JOIN person q ON q.user_id = i.owner AND q.boss = p.boss) FROM person p
    WHERE p.city = 'c7'`,
  `SELECT i.id, p.user_id FROM item i LEFT JOIN person p ON p.user_id = i.owner AND p.city = 'c7'`,
  `SELECT i.id, p.user_id FROM person p RIGHT JOIN item i ON p.user_id = i.owner AND p.city = 'c7'`,
  `SELECT i.id, p.user_id FROM item i FULL JOIN person p ON p.user_id = i.owner`,
  `SELECT i.id FROM item i JOIN person p ON i.owner = p.user_id OR p.city = 'c7' WHERE p.city = 'c7'`,
  `SELECT count(*) FROM item i, person p WHERE p.city = 'c7' AND (i.owner = p.user_id) IS NOT TRUE`,
  `SELECT a.id, b.id FROM item a JOIN item b ON a.id = b.owner WHERE a.city = 'c7' UNION ALL
    SELECT a.id, 0 FROM item a WHERE a.city = 'c8'`,
  `WITH i AS MATERIALIZED (SELECT * FROM item) SELECT count(*) FROM i, person p WHERE i.owner = p.user_id AND p.city = 'c7'
    UNION ALL SELECT count(*) FROM i`,
  `SELECT i.id FROM item i JOIN person p ON i.note = p.nick WHERE p.city = 'c7'`,
  `SELECT p.user_id, x.n FROM person p LEFT JOIN (SELECT i.owner, count(*) AS n FROM item i GROUP BY i.owner) x
    ON x.owner = p.user_id WHERE p.city = 'c7'`,
];

let tested: TestProxy;
/** No statement copies more than a few rows to one server. */
let bounded: TestProxy;
let clients: Record<'plain' | 'proxy' | 'bounded', Awaited<ReturnType<typeof connect>>>;

beforeAll(async () => {
  tested = await startTestProxy({ shards: SHARDS, config: { merge: MERGE } });
  bounded = await tested.beside({ config: { merge: { ...MERGE, spillBytesMax: 1_000 } } });
  clients = {
    plain: await connect(tested.plain),
    proxy: await connect(tested.login),
    bounded: await connect(bounded.login),
  };
  for (const client of [clients.plain, clients.proxy]) {
    await client.query(DDL);
    for (const sql of ROWS.split(';')) await client.query(sql);
  }
});

afterAll(async () => {
  await Promise.all(Object.values(clients).map((client) => client.end()));
  await bounded.close();
  await tested.close();
});

const rowsOf = (answer: Answer) => unordered(answer);

describe.each(['BEGIN', 'BEGIN ISOLATION LEVEL REPEATABLE READ', null])('in %s', (begin) => {
  async function answers(name: 'proxy' | 'bounded', sql: string): Promise<Answer> {
    const client = clients[name];
    if (begin !== null) await client.query(begin);
    const answer = await ask(client, sql);
    if (begin !== null) await client.query('ROLLBACK');
    return rowsOf(answer);
  }

  test.each(WANTED)('copies no large table: %s', async (sql) => {
    const plain = rowsOf(await ask(clients.plain, sql));
    expect(plain.kind).toBe('rows');
    expect(await answers('bounded', sql)).toEqual(plain);
    // By what is known from the first time.
    expect(await answers('bounded', sql)).toEqual(plain);
  });

  test.each([...WANTED, ...OTHERS])('is what one server answers: %s', async (sql) => {
    expect(await answers('proxy', sql)).toEqual(rowsOf(await ask(clients.plain, sql)));
  });
});
