// Literals of statements that servers keep: as parameters they mean what they mean in the text, for every type.

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RawClient } from '../support/raw-client.ts';
import { type KeptStand, openKeptStand } from './kept-stand.ts';

let stand: KeptStand;
let client: RawClient;
let direct: RawClient;

const COLUMNS: Readonly<Record<string, string>> = {
  ...{ id: 'int8 PRIMARY KEY', text: 'text', varying: 'varchar(3)', fixed: 'char(4)' },
  ...{ exact: 'numeric(5, 2)', ratio: 'float4', small: 'int2', money: 'money', number: 'oid' },
  ...{ seconds: 'timestamp(0)', tenths: 'timestamptz(1)', day: 'date', clock: 'time(0)' },
  ...{ span: 'interval hour', bits: 'bit(4)', some_bits: 'varbit(4)', bytes: 'bytea' },
  ...{ mood: 'kept_mood', short: 'kept_short', positive: 'kept_positive', list: 'int[]' },
  ...{ json: 'jsonb', range: 'int4range', class: 'regclass', letter: '"char"', called: 'name' },
  ...{
    box: 'box',
    place: 'inet',
    key: 'uuid',
    lsn: 'pg_lsn',
    spans: 'interval[]',
    pair: 'kept_pair',
  },
};

beforeAll(async () => {
  stand = await openKeptStand();
  ({ client, direct } = stand);
  await client.rows(`CREATE DOMAIN kept_short AS varchar(3);
    CREATE DOMAIN kept_positive AS int CHECK (VALUE > 0);
    CREATE TYPE kept_mood AS ENUM ('sad', 'ok');
    CREATE TYPE kept_pair AS (a int, b text)`);
  const columns = Object.entries(COLUMNS).map(([name, type]) => `${name} ${type}`);
  await client.rows(`CREATE TABLE kept (${columns.join(', ')})`);
  await client.rows('INSERT INTO kept (id) VALUES (1), (2)');
});

afterAll(() => stand.close());

/** Every byte of the answer. */
const answer = async (by: RawClient, sql: string): Promise<string[]> =>
  (await by.query(sql)).map(({ type, body }) => `${type} ${body.toString('latin1')}`);

/** Often enough for the server to keep it. */
async function expectSame(sql: string): Promise<void> {
  for (let round = 0; round < 3; round++) {
    expect(await answer(client, sql), sql).toEqual(await answer(direct, sql));
  }
}

const LITERALS: readonly string[] = [
  ...['5', '5.5', '12345', '1.005', '16777217', '9999999999', '00000000005', '1_0', '1e1'],
  ...["'5'", "'1.005'", "'abc'", "'abc  '", "'abcde'", "'ok'", "'101'", "'10101'", "'{1,2}'"],
  ...["'2024-01-01'", "'01/02/2024 10:11:12.66'", "'1 day 3:04:05'", "'{1 day}'", "'kept'"],
  ...[`'{"a": 1}'`, "'[1,3]'", "'(1,x)'", "'(1,1),(0,0)'", "'10.1.2.3/8'", "'$1.505'", "'0/1'"],
  ...["'\\x00ff'", "'a\\\\b'", "E'a\\\\nb'", "E'\\x35'", "B'1010'", "X'a'", "N'abc'", "U&'\\0061'"],
];

it.each(Object.keys(COLUMNS))('that are compared with and assigned to %s', async (name) => {
  for (const literal of LITERALS) {
    await expectSame(`SELECT id FROM kept WHERE ${name} = ${literal} ORDER BY id`);
    if (name !== 'id')
      await expectSame(`UPDATE kept SET ${name} = ${literal} WHERE id = 2 RETURNING ${name}`);
  }
});
