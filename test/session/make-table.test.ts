// CREATE TABLE AS and SELECT INTO from sharded tables, compared with one PostgreSQL.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient, type RawMessage } from '../support/raw-client.ts';

const DDL = `
  CREATE TABLE files (user_id bigint, id int, name varchar(9) COLLATE "C", size numeric(9,2));
  CREATE TABLE notes (id int, body text);`;
const ROWS = `INSERT INTO files SELECT i % 5, i, 'file ' || i, i * 1.5 FROM generate_series(1, 20) i`;

let proxy: TestProxy;
let client: RawClient;
let plain: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 2 });
  client = await RawClient.login(proxy.login);
  plain = await RawClient.login(proxy.plain);
  for (const side of [client, plain]) {
    for (const sql of DDL.split(';').slice(0, -1)) await side.rows(sql);
    await side.rows(ROWS);
    await side.rows(`INSERT INTO notes VALUES (1, 'one')`);
  }
});

afterAll(async () => {
  await Promise.all([client.close(), plain.close()]);
  await proxy.close();
});

/** Message types and bodies, but for errors and notices, and columns, which name their table's oid. */
const said = (messages: readonly RawMessage[]) =>
  messages.map(({ type, body }) => [type, 'ENT'.includes(type) ? '' : body.toString('latin1')]);

const COLUMNS = `SELECT attname, format_type(atttypid, atttypmod), attcollation::regcollation::text
  FROM pg_attribute WHERE attrelid = 'made'::regclass AND attnum > 0 ORDER BY attnum`;

describe.each([
  'CREATE TABLE made AS SELECT * FROM files',
  'CREATE TABLE made (owner, n) AS SELECT user_id, count(*) FROM files GROUP BY user_id',
  `CREATE UNLOGGED TABLE made AS SELECT max(name) AS top, 'x' AS text, NULL AS nothing FROM files WITH DATA`,
  'CREATE TABLE made AS SELECT f.name, n.body FROM files f JOIN notes n USING (id)',
  'CREATE TEMP TABLE made AS SELECT user_id, size FROM files WHERE user_id = 3',
  'SELECT user_id, name INTO made FROM files WHERE id > 3 ORDER BY id',
  'SELECT size INTO TEMP TABLE made FROM files',
  'CREATE TABLE made AS TABLE files',
  'CREATE TABLE made AS SELECT user_id, count(*) AS n FROM files GROUP BY user_id WITH NO DATA',
  'CREATE TEMP TABLE made AS SELECT user_id, size FROM files WHERE user_id = 3 WITH NO DATA',
])('%s', (sql) => {
  it.each(['by itself', 'in a transaction'])('makes the same table %s', async (how) => {
    const begins = how === 'by itself' ? [] : ['BEGIN'];
    const ends = how === 'by itself' ? [] : ['COMMIT'];
    const statements = [...begins, sql, ...ends, COLUMNS, 'SELECT * FROM made ORDER BY 1, 2'];
    for (const each of [...statements, 'INSERT INTO made SELECT * FROM made', 'DROP TABLE made']) {
      // A made table of one column has no second to be sorted by.
      const text = each.replace('ORDER BY 1, 2', sql.includes('SELECT size') ? 'ORDER BY 1' : '$&');
      const answer = said(await client.query(text));
      expect(answer, text).toEqual(said(await plain.query(text)));
    }
  });
});

it('An existing table is left alone by IF NOT EXISTS, and an error without', async () => {
  const again = 'CREATE TABLE IF NOT EXISTS notes AS SELECT id, name FROM files';
  for (const sql of [again, 'CREATE TABLE notes AS SELECT id FROM files', 'TABLE notes']) {
    expect(said(await client.query(sql)), sql).toEqual(said(await plain.query(sql)));
  }
});
