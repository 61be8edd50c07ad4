// Unnamed statements: several in one batch, of which each takes the place of the one before.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { Client } from '../../src/base/pg.ts';
import { encodeBind, encodeExecute, encodeParse, SYNC } from '../../src/wire/extended.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient, rowsOf, tagsOf } from '../support/raw-client.ts';

let proxy: TestProxy;
let client: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy({
    prepare: async ({ shards: [, second] }) => {
      const direct = new Client(second);
      await direct.connect();
      // The numbers of what is made behind it are others there, and Parse is sent in another form.
      await direct.query('CREATE TABLE only_here (a int)');
      await direct.end();
    },
  });
  client = await RawClient.login(proxy.login);
  await client.query('CREATE TABLE mark (user_id int, n int)');
});

afterAll(async () => {
  await client.close();
  await proxy.close();
});

const parse = (sql: string) => encodeParse({ name: '', sql, parameterTypes: [] });
const run = [
  encodeBind({
    ...{ portal: '', statement: '', parameterFormats: [], parameters: [] },
    resultFormats: [],
  }),
  encodeExecute({ portal: '', maxRows: 0 }),
];

it.each([
  ['outside of transactions', '', ''],
  ['in a transaction', 'BEGIN', 'COMMIT'],
])('are each run as they are written: %s', async (_, begin, end) => {
  for (const key of [1, 2]) {
    await client.query('DELETE FROM mark');
    await client.query(begin);
    const sqls = [
      `INSERT INTO mark VALUES (${key}, 1) RETURNING n`,
      `UPDATE mark SET n = n + 10 WHERE user_id = ${key} RETURNING n`,
      `DELETE FROM mark WHERE user_id = ${key} AND n = 0`,
    ];
    client.send(...sqls.flatMap((sql) => [parse(sql), ...run]), SYNC);
    const answer = await client.untilReady();
    await client.query(end);
    expect(tagsOf(answer)).toEqual(['INSERT 0 1', 'UPDATE 1', 'DELETE 0']);
    expect(rowsOf(answer)).toEqual([['1'], ['11']]);
  }
});

it('of before is run until the next is there', async () => {
  for (const key of [1, 2]) {
    client.send(parse(`SELECT 'first' FROM mark WHERE user_id = ${key} LIMIT 1`), SYNC);
    await client.untilReady();
    const second = parse(`SELECT 'second', count(*) FROM mark WHERE user_id = ${key}`);
    client.send(...run, second, ...run, SYNC);
    const words = rowsOf(await client.untilReady()).map(([word]) => word);
    expect(words.at(-1)).toBe('second');
    expect(words.slice(0, -1)).not.toContain('second');
  }
});
