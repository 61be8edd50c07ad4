// FunctionCall: which functions tie a session to its server, and that they do.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { PINNING_FUNCTIONS, SET_CONFIG_OID } from '../../src/session/function-call.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, letters, RawClient, rawMessage } from '../support/raw-client.ts';

let proxy: TestProxy;

beforeAll(async () => {
  proxy = await startTestProxy({ shards: 1, config: { pool: { size: 1 } } });
});

afterAll(() => proxy.close());

/** A FunctionCall with int8 arguments, in binary. */
function call(oid: number, ...args: readonly bigint[]): Buffer {
  const body = Buffer.alloc(10 + args.length * 12 + 2);
  body.writeUInt32BE(oid, 0);
  body.writeInt16BE(1, 4);
  body.writeInt16BE(1, 6);
  body.writeInt16BE(args.length, 8);
  for (const [i, arg] of args.entries()) {
    body.writeInt32BE(8, 10 + i * 12);
    body.writeBigInt64BE(arg, 14 + i * 12);
  }
  body.writeInt16BE(1, body.length - 2);
  return rawMessage('F', body);
}

test('the oids are those of the server', async () => {
  const client = await RawClient.login(proxy.plain);
  const rows = await client.rows(`
    SELECT oid, proname = 'setseed' FROM pg_catalog.pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace
      AND proname ~ '^(pg_(try_)?advisory_lock(_shared)?|setseed)$'`);
  const pins = new Map(
    rows.map(([oid, seed]) => [Number(oid), seed === 't' ? 'session state' : 'advisory lock']),
  );
  expect(new Map([...PINNING_FUNCTIONS].sort())).toEqual(new Map([...pins].sort()));
  expect(await client.rows("SELECT 'set_config'::regproc::oid")).toEqual([[`${SET_CONFIG_OID}`]]);
  await client.close();
});

test('a lock taken by one stays with its session and is gone after it', async () => {
  const locker = await RawClient.login(proxy.login);
  locker.send(call(2880, 77n));
  expect(letters(await locker.untilReady())).toBe('VZ');
  expect(await locker.rows('SELECT pg_advisory_unlock(77)')).toEqual([['t']]);
  locker.send(call(2880, 78n));
  await locker.untilReady();
  await locker.close();
  const other = await RawClient.login(proxy.login);
  // A server whose connection is closed takes a moment to end.
  await expect.poll(() => other.rows('SELECT pg_try_advisory_lock(78)')).toEqual([['t']]);
  await other.close();
});

test('set_config is refused, and a call without an oid is a violation', async () => {
  const client = await RawClient.login(proxy.login);
  client.send(call(SET_CONFIG_OID));
  expect(errorCode(await client.untilReady())).toBe('0A000');
  client.send(rawMessage('F', Buffer.of(0, 0)));
  expect(errorCode(await client.untilReady())).toBe('08P01');
  expect(await client.rows('SELECT 1')).toEqual([['1']]);
  await client.close();
});
