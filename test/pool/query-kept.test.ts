// Statements of the proxy's own that a server keeps.

import { afterEach, beforeEach, expect, it } from 'vitest';
import { login } from '../../src/pool/login.ts';
import { query, queryKept } from '../../src/pool/query.ts';
import type { ServerConnection } from '../../src/pool/server-connection.ts';
import { TERMINATE } from '../../src/wire/terminate.ts';
import { shards } from '../support/cluster.ts';

const SQL = `SELECT pg_catalog.count(*)::text FROM pg_catalog.pg_prepared_statements WHERE name = 'ours'`;

let connection: ServerConnection;

beforeEach(async () => {
  connection = await login(shards(1)[0]!, { timeoutMs: 10_000, nowMs: () => performance.now() });
});

afterEach(() => connection.close(TERMINATE));

const ask = async () => (await queryKept(connection, 'ours', SQL)).rows;

it('The server is given it once', async () => {
  for (let round = 0; round < 3; round++) expect(await ask()).toEqual([['1']]);
  expect([...connection.statements]).toEqual(['ours']);
});

it('What the server has been made to forget is given to it again', async () => {
  await ask();
  await query(connection, 'DEALLOCATE ALL');
  expect(await ask()).toEqual([['1']]);
  expect(await ask()).toEqual([['1']]);
});

it('One that fails when it runs is still there', async () => {
  const fails = () => queryKept(connection, 'fails', 'SELECT 1 / (pg_catalog.random() * 0)::int4');
  for (let round = 0; round < 2; round++) {
    await expect(fails()).rejects.toMatchObject({ fields: { code: '22012' } });
  }
  expect([...connection.statements]).toEqual(['fails']);
});

it('One that the server cannot read is not taken to be there', async () => {
  const unread = () => queryKept(connection, 'unread', 'SELECT nothing');
  for (let round = 0; round < 2; round++) {
    await expect(unread()).rejects.toMatchObject({ fields: { code: '42703' } });
  }
  expect(connection.statements.size + connection.parsing.size).toBe(0);
});

it('One is not compiled, which holds for it alone', async () => {
  const setting = `SELECT pg_catalog.current_setting('jit')`;
  for (let round = 0; round < 2; round++) {
    expect((await queryKept(connection, 'compiled', setting)).rows).toEqual([['off']]);
    expect((await query(connection, setting)).rows).toEqual([['on']]);
  }
});
