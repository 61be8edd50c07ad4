// Writes whose rows are computed first, where there are none: what one PostgreSQL does without rows, too.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient, rowsOf, tagsOf } from '../support/raw-client.ts';

const TRIGGERED = `
  CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION '% of no rows', TG_OP;
  END $$;
  CREATE TRIGGER tell BEFORE INSERT OR UPDATE OR DELETE ON triggered
    FOR EACH STATEMENT EXECUTE FUNCTION tell()`;

const TABLES = ['plain', 'triggered', 'forbidden'].map(
  (name) => `CREATE TABLE ${name} (user_id bigint, id bigint, PRIMARY KEY (user_id, id));
    INSERT INTO ${name} SELECT n, n FROM generate_series(1, 9) n;`,
);

/** The owner may do without rights that it gives away. */
const FORBID = 'REVOKE INSERT, UPDATE, DELETE ON forbidden FROM shard_user';

let proxy: TestProxy;
/** The same on one PostgreSQL. */
let clients: [RawClient, RawClient];

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 3 });
  clients = [await RawClient.login(proxy.plain), await RawClient.login(proxy.login)];
  for (const client of clients) {
    for (const sql of TABLES) await client.rows(sql);
    await client.rows('CREATE TABLE none (user_id bigint, id bigint)');
    await client.rows(TRIGGERED);
    await client.rows(FORBID);
  }
});

afterAll(async () => {
  for (const client of clients) await client.close();
  await proxy.close();
});

const WRITES = [
  'INSERT INTO $ SELECT id, user_id FROM none',
  'INSERT INTO $ SELECT id, user_id FROM none RETURNING *',
  'UPDATE $ SET id = (SELECT max(id) FROM none) FROM none n WHERE n.id = $.id',
  'UPDATE $ SET user_id = 0 FROM none n WHERE n.id = $.id RETURNING $.id',
  'DELETE FROM $ WHERE id IN (SELECT id FROM none)',
  'DELETE FROM $ USING none n WHERE n.id = $.id RETURNING $.id',
  `MERGE INTO $ USING (SELECT id, user_id FROM none) n ON n.id = $.user_id
     WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (n.id, 1)`,
];

describe.each(WRITES)('%s', (sql) => {
  const answers = async (table: string) =>
    Promise.all(
      clients.map(async (client) => {
        const answer = await client.query(sql.replaceAll('$', table));
        return [errorCode(answer), tagsOf(answer), rowsOf(answer)];
      }),
    );

  it('writes none', async () => {
    const [one, shards] = await answers('plain');
    expect(one![0]).toBe('');
    expect(shards).toEqual(one);
  });

  it.each([
    ['triggered', 'P0001'],
    ['forbidden', '42501'],
  ])('into a table that is %s fails as on one PostgreSQL', async (table, code) => {
    expect((await answers(table)).map(([each]) => each)).toEqual([code, code]);
  });

  it('fails in a read-only transaction', async () => {
    for (const client of clients) await client.rows('SET default_transaction_read_only = on');
    const codes = (await answers('plain')).map(([code]) => code);
    for (const client of clients) await client.rows('RESET default_transaction_read_only');
    expect(codes).toEqual(['25006', '25006']);
  });
});
