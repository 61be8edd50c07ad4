// Sizes of messages: around what a socket gives at one read, and far beyond it, in both directions.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeQuery } from '../../src/wire/query.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { letters, RawClient, rowsOf, tagsOf } from '../support/raw-client.ts';
import { say } from '../support/transcript.ts';

/** What libuv reads at once. */
const READ_BYTES = 65_536;
const SIZES = [-1, 0, 1].map((more) => READ_BYTES + more).concat(10 * READ_BYTES);

let proxy: TestProxy;
let client: RawClient;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 1, config: { pool: { size: 1 } } });
  client = await RawClient.login(proxy.login);
  await client.rows('CREATE TABLE texts (id int PRIMARY KEY, text text)');
});

afterAll(async () => {
  await client.close();
  await proxy.close();
});

/** Text of `length` bytes that is different at each place. */
function textOf(length: number): string {
  let text = '';
  for (let i = 0; text.length < length; i++) text += `${i},`;
  return text.slice(0, length);
}

/** The message `make(text)` with exactly `bytes` bytes, and the text in it. */
function sized(bytes: number, make: (text: string) => Buffer): { bytes: Buffer; text: string } {
  const text = textOf(bytes - make('').length);
  return { bytes: make(text), text };
}

describe.each(SIZES)('A message of %i bytes', (size) => {
  it('passes as a Query, and its answer comes back whole', async () => {
    const { bytes, text } = sized(size, (value) => encodeQuery(`SELECT '${value}'`));
    expect(bytes).toHaveLength(size);
    client.send(bytes, encodeQuery('SELECT 2'));
    expect(rowsOf(await client.untilReady(2))).toEqual([[text], ['2']]);
  });

  it('passes as Parse and as Bind, next to small ones', async () => {
    const parse = sized(size, (value) => say.parse(`SELECT $1::text, '${value}'`));
    const bind = sized(size, (value) => say.bind([value]));
    client.send(parse.bytes, bind.bytes, say.execute(), say.sync, encodeQuery('SELECT 3'));
    expect(rowsOf(await client.untilReady(2))).toEqual([[bind.text, parse.text], ['3']]);
  });

  it('passes as CopyData', async () => {
    const { bytes, text } = sized(size, (value) => say.copyData(`${size}\t${value}\n`));
    client.send(encodeQuery('COPY texts FROM STDIN'), bytes, say.copyDone);
    expect(tagsOf(await client.untilReady())).toEqual(['COPY 1']);
    const found = await client.rows(`SELECT text FROM texts WHERE id = ${size}`);
    expect(found).toEqual([[text]]);
    const out = await client.query(`COPY (SELECT text FROM texts WHERE id = ${size}) TO STDOUT`);
    expect(out[1]!.body.toString()).toBe(`${text}\n`);
  });

  it('passes when it comes in halves, in bytes and with half of the next one', async () => {
    const { bytes, text } = sized(size, (value) => encodeQuery(`SELECT '${value}'`));
    const next = encodeQuery('SELECT 4');
    for (const cut of [1, 4, 5, 6, size >> 1, size - 1]) {
      const all = Buffer.concat([bytes, next]);
      client.send(all.subarray(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      client.send(all.subarray(cut, size + 3));
      await new Promise((resolve) => setImmediate(resolve));
      client.send(all.subarray(size + 3));
      const messages = await client.untilReady(2);
      expect(letters(messages)).toBe('TDCZTDCZ');
      expect(rowsOf(messages)).toEqual([[text], ['4']]);
    }
  });
});
