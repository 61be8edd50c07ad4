// A trigger BEFORE INSERT may give a row its sharding key when it is too late: the row is where it is.

import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encodeQuery } from '../../src/wire/query.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient, rawMessage } from '../support/raw-client.ts';

let proxy: TestProxy;
let client: pg.Client;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 2 });
  client = new pg.Client({ ...proxy.login });
  await client.connect();
  await client.query(`
    CREATE TABLE owned (user_id int8 NOT NULL, id int4);
    CREATE TABLE dated (user_id int8 NOT NULL, id int4, made timestamptz)`);
  await client.query(`CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.user_id := coalesce(NEW.user_id, 7); RETURN NEW; END'`);
  await client.query(`CREATE FUNCTION dates() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.made := now(); RETURN NEW; END'`);
  await client.query(
    'CREATE TRIGGER own BEFORE INSERT ON owned FOR EACH ROW EXECUTE FUNCTION own()',
  );
  await client.query(
    'CREATE TRIGGER dates BEFORE INSERT ON dated FOR EACH ROW EXECUTE FUNCTION dates()',
  );
});

beforeEach(() => client.query('TRUNCATE owned, dated'));

afterAll(async () => {
  await client.end();
  await proxy.close();
});

const codeOf = (asked: Promise<unknown>) =>
  asked.then(
    () => 'none',
    (error: pg.DatabaseError) => error.code,
  );

/** `%`: the table. */
const WITHOUT_KEY = [
  'INSERT INTO % (id) VALUES (1)',
  'INSERT INTO % (id) VALUES (1), (2)',
  'INSERT INTO % (user_id, id) VALUES (NULL, 1)',
  'INSERT INTO % (user_id, id) VALUES (1, 1), (NULL, 2)',
  'INSERT INTO % (user_id, id) VALUES ((SELECT NULL::int8), 1)',
  'INSERT INTO % (user_id, id) SELECT nullif(id, 1), id FROM generate_series(1, 3) id',
  'INSERT INTO % (id) SELECT id FROM generate_series(1, 3) id',
];

describe('A row without a key', () => {
  it.each(WITHOUT_KEY)('is refused where a trigger may give it one: %s', async (sql) => {
    expect(await codeOf(client.query(sql.replace('%', 'owned')))).toBe('0A000');
    expect((await client.query('SELECT FROM owned')).rowCount).toBe(0);
  });

  it.each(WITHOUT_KEY)("is the server's error where none may: %s", async (sql) => {
    expect(await codeOf(client.query(sql.replace('%', 'dated')))).toBe('23502');
  });

  it('is refused in the data of a COPY, too', async () => {
    const raw = await RawClient.login(proxy.login);
    const copied = async (table: string) => {
      raw.send(encodeQuery(`COPY ${table} (user_id, id) FROM STDIN`));
      raw.send(rawMessage('d', Buffer.from('1\t1\n\\N\t2\n')), rawMessage('c'));
      return errorCode(await raw.until('Z'));
    };
    expect(await copied('owned')).toBe('0A000');
    expect(await copied('dated')).toBe('23502');
    await raw.close();
  });
});

describe('A row with its key', () => {
  it('is taken and found again', async () => {
    await client.query('INSERT INTO owned (user_id, id) VALUES (1, 1), (2, 2)');
    const { rows } = await client.query('SELECT id FROM owned WHERE user_id = 2');
    expect(rows).toEqual([{ id: 2 }]);
  });
});
