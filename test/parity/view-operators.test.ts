// Views that compare by operators of an extension where SQL has no place for the name of one, or for one only.

import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { ask, connect } from './answer.ts';

const SCHEMA = `
  CREATE EXTENSION citext;
  CREATE TABLE files (user_id int8, id int4, email citext, PRIMARY KEY (user_id, id));
  INSERT INTO files SELECT i % 5, i, 'Mail' || i % 3 FROM generate_series(1, 20) i;
  CREATE TABLE mails (id int4, email citext);
  INSERT INTO mails VALUES (1, 'MAIL1'), (2, 'mail2'), (7, 'mAIL1')`;

const VIEWS: readonly (readonly [name: string, query: string])[] = [
  ['less', `SELECT count(*) FROM files WHERE (email, id) < ('mail1', 5)`],
  ['not_less', `SELECT count(*) FROM files WHERE (id, email) >= (5, 'MAIL1')`],
  ['among', 'SELECT count(*) FROM files WHERE (email, id) IN (SELECT email, id FROM mails)'],
  ['second_among', 'SELECT count(*) FROM files WHERE (id, email) IN (SELECT id, email FROM mails)'],
  ['none', 'SELECT count(*) FROM files WHERE (id, email) <> ALL (SELECT id, email FROM mails)'],
  [
    'row',
    'SELECT count(*) FROM files WHERE (email, id) = (SELECT email, id FROM mails WHERE id = 7)',
  ],
  ['values_row', `SELECT count(*) FROM files WHERE (email, id) = (VALUES ('MAIL1'::citext, 1))`],
  [
    'with_row',
    'SELECT count(*) FROM files WHERE (email, id) = (WITH m AS (SELECT * FROM mails WHERE id = 7) SELECT email, id FROM m)',
  ],
  ['other', `SELECT count(*) FROM files WHERE email IS DISTINCT FROM 'MAIL1'`],
  ['null_if', `SELECT count(nullif(email, 'MAIL1')) FROM files`],
  ['chosen', `SELECT sum(CASE email WHEN 'MAIL1' THEN id END) FROM files`],
  ['joined', 'SELECT count(*) FROM files JOIN mails USING (email)'],
];

let tested: TestProxy;
let plain: pg.Client;
let proxy: pg.Client;

beforeAll(async () => {
  tested = await startTestProxy({ shards: 3 });
  plain = await connect(tested.plain);
  proxy = await connect(tested.login);
  for (const client of [plain, proxy]) {
    await client.query(SCHEMA);
    for (const [name, query] of VIEWS) await client.query(`CREATE VIEW ${name} AS ${query}`);
    await client.query(
      `CREATE VIEW named AS SELECT count(*) FROM files WHERE email = 'MAIL1' AND id IN (SELECT id FROM mails)`,
    );
    await client.query(
      `CREATE VIEW of_each AS SELECT user_id, id FROM files WHERE nullif(email, 'MAIL1') IS NULL`,
    );
  }
});

afterAll(async () => {
  await Promise.all([plain, proxy].map((client) => client.end()));
  await tested.close();
});

describe.each(VIEWS.map(([name]) => name))('the view %s', (name) => {
  test('is what it is on one PostgreSQL', async () => {
    const sql = `SELECT * FROM ${name}`;
    expect(await ask(proxy, sql)).toEqual(await ask(plain, sql));
  });

  test('is refused where the path does not lead to its operators', async () => {
    await proxy.query('SET search_path = pg_catalog');
    const answer = await ask(proxy, `SELECT * FROM public.${name}`);
    await proxy.query('RESET search_path');
    expect(answer).toMatchObject({ kind: 'error', code: '0A000' });
  });
});

test.each([
  'SELECT * FROM public.named',
  // A shard's own view has the operators themselves.
  'SELECT id FROM public.of_each WHERE user_id = 1 ORDER BY id',
])('needs no path: %s', async (sql) => {
  for (const client of [plain, proxy]) await client.query('SET search_path = pg_catalog');
  expect(await ask(proxy, sql)).toEqual(await ask(plain, sql));
  for (const client of [plain, proxy]) await client.query('RESET search_path');
});
