// A COMMIT of one shard whose connection is lost: the client hears that the outcome is unknown.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { encodeQuery } from '../../src/wire/query.ts';
import { errorCode, letters, RawClient, rowsOf, statusOf, tagsOf } from '../support/raw-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { say } from '../support/transcript.ts';
import { Stand } from './stand.ts';
import { MOMENTS } from './step-forwarder.ts';

const directory = temporaryDirectory();
let stand: Stand;

beforeAll(async () => {
  const sql = ['CREATE TABLE notes (user_id bigint PRIMARY KEY, body text)'];
  stand = await Stand.start(directory, { shards: 1, proxies: 1, sql });
  await stand.startProxies();
});

afterAll(() => stand.close());

it.each(MOMENTS)('when it is %s, and its session goes on', async (moment) => {
  const client = await RawClient.login(stand.logins[0]!);
  await client.rows('DELETE FROM notes');
  await client.query('BEGIN');
  await client.query(`INSERT INTO notes VALUES (1, 'one')`);
  const strike = async (): Promise<void> => undefined;
  const met = stand.plan.meet({ statement: 'COMMIT', moment, strike });
  client.send(encodeQuery('COMMIT'));
  const answer = await client.untilReady();
  await met;
  expect(errorCode(answer)).toBe(moment === 'answered' ? '' : '08007');
  expect(statusOf(answer)).toBe('I');
  const isThere = moment === 'unsent' ? '0' : '1';
  let count = await client.query('SELECT count(*) FROM notes');
  // The proxy may not have heard yet that the connection it was given back has been cut.
  if (errorCode(count) === '08006') count = await client.query('SELECT count(*) FROM notes');
  expect(rowsOf(count)).toEqual([[isThere]]);
  await client.close();
});

it.each(MOMENTS)('but a ROLLBACK is done when it is %s', async (moment) => {
  const client = await RawClient.login(stand.logins[0]!);
  for (const run of [say.query('ROLLBACK'), Buffer.concat([say.run('ROLLBACK'), say.sync])]) {
    await client.query('BEGIN');
    expect(errorCode(await client.query(`INSERT INTO notes VALUES (3, 'three')`))).toBe('');
    const strike = async (): Promise<void> => undefined;
    const met = stand.plan.meet({ statement: 'ROLLBACK', moment, strike });
    client.send(run);
    const answer = await client.untilReady();
    await met;
    expect(errorCode(answer)).toBe('');
    expect(letters(answer)).toMatch(/^(12n)?CZ$/);
    expect(tagsOf(answer)).toEqual(['ROLLBACK']);
    expect(statusOf(answer)).toBe('I');
  }
  await client.close();
});

it('and one that is cut before its first statement runs is failed, not begun', async () => {
  const client = await RawClient.login(stand.logins[0]!);
  await client.rows('DELETE FROM notes');
  // Servers do not keep it: it is known by its text.
  const insert = `INSERT INTO notes SELECT 2, 'two'`;
  for (const moment of ['unsent', 'unanswered'] as const) {
    const strike = async (): Promise<void> => undefined;
    const met = stand.plan.meet({ statement: insert, moment, strike });
    await client.query('BEGIN');
    const answer = await client.query(insert);
    await met;
    expect(errorCode(answer)).toBe('08006');
    expect(statusOf(answer)).toBe('E');
    expect(errorCode(await client.query(insert))).toBe('25P02');
    expect(statusOf(await client.query('COMMIT'))).toBe('I');
    expect(await client.rows('SELECT count(*) FROM notes')).toEqual([['0']]);
  }
  await client.close();
});
