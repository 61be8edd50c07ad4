// Group commit: small INSERTs of many clients in shared transactions, each as if it were alone.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeCancelRequest } from '../../src/wire/startup.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import {
  errorCode,
  fieldsOf,
  letters,
  RawClient,
  type RawMessage,
  rowsOf,
} from '../support/raw-client.ts';
import { say } from '../support/transcript.ts';

const TABLES = `
  CREATE TABLE note (user_id int8, id int, body text NOT NULL,
    PRIMARY KEY (user_id, id));
  CREATE TABLE late (user_id int8, id int, PRIMARY KEY (user_id, id) DEFERRABLE INITIALLY DEFERRED);
  CREATE FUNCTION leave_setting() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.seen := current_setting('app.who', true);
    PERFORM set_config('app.who', NEW.id::text, true);
    RETURN NEW;
  END $$;
  CREATE TABLE spied (user_id int8, id int, seen text, PRIMARY KEY (user_id, id));
  CREATE TRIGGER spy BEFORE INSERT ON spied FOR EACH ROW EXECUTE FUNCTION leave_setting()`;
const CLIENTS = 24;
const USER = 2;

let proxy: TestProxy;
let clients: RawClient[] = [];
let lastId = 0;

const nextId = (): number => {
  lastId += 1;
  return lastId;
};

beforeAll(async () => {
  proxy = await startTestProxy({
    config: { pool: { size: 12 } },
    prepare: async ({ shards }) => {
      for (const shard of shards) {
        const client = await RawClient.login(shard);
        await client.query(TABLES);
        await client.close();
      }
    },
  });
  clients = await Promise.all(Array.from({ length: CLIENTS }, () => RawClient.login(proxy.login)));
});

afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await proxy.close();
});

type Bytes = (id: number, body?: string) => readonly Buffer[];

/** Each has statements of its own: one that fails too often is put into no groups for a while. */
let alias = 0;

/** The cost of a statement is not known before it was run: until then it is run alone. */
async function learned(bytes: Bytes): Promise<Bytes> {
  clients[0]!.send(...bytes(nextId()));
  expect(errorCode(await clients[0]!.untilReady())).toBe('');
  return bytes;
}

function simpleInsert(): Promise<Bytes> {
  alias += 1;
  const head = `INSERT INTO note AS a${alias} (user_id, id, body)`;
  return learned((id, body = `'body ${id}'`) => [
    say.query(`${head} VALUES (${USER}, ${id}, ${body}) RETURNING id, body`),
  ]);
}

function extendedInsert(): Promise<Bytes> {
  const sql = 'INSERT INTO note (user_id, id, body) VALUES ($1, $2, $3) RETURNING id, body';
  return learned((id) => [say.run(sql, [String(USER), String(id), `body ${id}`]), say.sync]);
}

/** Each client's answer to its own bytes; all are sent at once. */
async function atOnce(bytesOf: (i: number) => readonly Uint8Array[]): Promise<RawMessage[][]> {
  for (const [i, client] of clients.entries()) client.send(...bytesOf(i));
  return Promise.all(clients.map((client) => client.untilReady()));
}

async function onShard(sql: string): Promise<(string | null)[][]> {
  const client = await RawClient.login(proxy.shards[0]!);
  try {
    return await client.rows(sql);
  } finally {
    await client.close();
  }
}

describe('INSERTs of many clients at once', () => {
  it.each([
    ['simple', simpleInsert, 'TDCZ'],
    ['extended', extendedInsert, '12TDCZ'],
  ])('are answered each with its own row, from fewer transactions: %s', async (_, make, kinds) => {
    const bytes = await make();
    const isShared = async () => {
      const first = lastId + 1;
      for (let round = 0; round < 20; round++) {
        const ids = clients.map(nextId);
        const answers = await atOnce((i) => bytes(ids[i]!));
        expect(answers.map(letters)).toEqual(ids.map(() => kinds));
        expect(answers.map(rowsOf)).toEqual(ids.map((id) => [[String(id), `body ${id}`]]));
      }
      const [counts] = await onShard(
        `SELECT count(*), count(DISTINCT xmin::text) FROM note WHERE id >= ${first}`,
      );
      const [rows, transactions] = counts!.map(Number);
      expect(rows).toBe(20 * CLIENTS);
      return transactions! < rows! / 2;
    };
    // Not before they have been measured to be quick, which they are not on a machine that is busy.
    await expect.poll(isShared, { timeout: 25_000 }).toBe(true);
  });

  it('are there or not as each was told, whatever is wrong with some', async () => {
    const insert = await simpleInsert();
    const taken = lastId;
    for (let round = 0; round < 20; round++) {
      const ids = clients.map(nextId);
      const isBad = (i: number) => round % 5 === 0 && i === round;
      const answers = await atOnce((i) => insert(isBad(i) ? taken : ids[i]!));
      const codes = answers.map(errorCode);
      expect(codes).toEqual(clients.map((_, i) => (isBad(i) ? '23505' : '')));
      const found = await onShard(`SELECT id FROM note WHERE id = ANY ('{${ids.join()}}')`);
      const good = ids.filter((_, i) => codes[i] === '').map(String);
      expect(found.flat().sort()).toEqual(good.sort());
    }
  });

  it('give a bad one the error that the server has for it alone', async () => {
    const direct = await RawClient.login(proxy.shards[0]!);
    const insert = await simpleInsert();
    const taken = lastId;
    for (const bad of [insert(nextId(), 'NULL'), insert(taken), insert(nextId(), "'a', 2")]) {
      direct.send(...bad);
      const expected = (await direct.untilReady()).find(({ type }) => type === 'E')!;
      const answers = await atOnce((i) => (i === 5 ? bad : insert(nextId())));
      const error = answers[5]!.find(({ type }) => type === 'E')!;
      expect(fieldsOf(error)).toEqual(fieldsOf(expected));
    }
    await direct.close();
  });

  it('fail alone where only COMMIT finds what is wrong', async () => {
    const insert = await learned((id) => [say.query(`INSERT INTO late VALUES (${USER}, ${id})`)]);
    const taken = lastId;
    const answers = await atOnce((i) => insert(i === 3 ? taken : nextId()));
    expect(answers.map(errorCode)).toEqual(clients.map((_, i) => (i === 3 ? '23505' : '')));
  });
});

describe('An INSERT that waits for a lock', () => {
  it('holds up nobody else, and goes on when the lock is gone', async () => {
    const insert = await simpleInsert();
    const [holder, waiter, ...others] = clients as [RawClient, RawClient, ...RawClient[]];
    const id = nextId();
    for (const end of ['ROLLBACK', 'COMMIT']) {
      await holder.query('BEGIN');
      holder.send(...insert(id));
      await holder.untilReady();
      waiter.send(...insert(id));
      for (const other of others) other.send(...insert(nextId()));
      const answers = await Promise.all(others.map((other) => other.untilReady()));
      expect(answers.map(errorCode)).toEqual(others.map(() => ''));
      expect(waiter.pending).toEqual([]);
      await holder.query(end);
      expect(errorCode(await waiter.untilReady())).toBe(end === 'COMMIT' ? '23505' : '');
      await holder.query(`DELETE FROM note WHERE user_id = ${USER} AND id = ${id}`);
    }
  });

  it('is cancelled without effect, and without one for others', async () => {
    const insert = await simpleInsert();
    const [holder, waiter, ...others] = clients as [RawClient, RawClient, ...RawClient[]];
    const id = nextId();
    await holder.query('BEGIN');
    holder.send(...insert(id));
    await holder.untilReady();
    waiter.send(...insert(id));
    for (const other of others) other.send(...insert(nextId()));
    const canceller = await RawClient.open(proxy.login);
    canceller.send(encodeCancelRequest(waiter.key.processId, waiter.key.secret));
    await canceller.untilEnd();
    expect(errorCode(await waiter.untilReady())).toBe('57014');
    const answers = await Promise.all(others.map((other) => other.untilReady()));
    expect(answers.map(errorCode)).toEqual(others.map(() => ''));
    await holder.query('ROLLBACK');
    expect(await onShard(`SELECT FROM note WHERE id = ${id}`)).toEqual([]);
  });

  it('of a client that goes away is undone or done, and others are answered', async () => {
    const insert = await simpleInsert();
    const [holder, , ...others] = clients as [RawClient, RawClient, ...RawClient[]];
    const id = nextId();
    const leaver = await RawClient.login(proxy.login);
    await holder.query('BEGIN');
    holder.send(...insert(id));
    await holder.untilReady();
    leaver.send(...insert(id));
    for (const other of others) other.send(...insert(nextId()));
    leaver.destroy();
    const answers = await Promise.all(others.map((other) => other.untilReady()));
    expect(answers.map(errorCode)).toEqual(others.map(() => ''));
    expect(errorCode(await holder.query('COMMIT'))).toBe('');
  });
});

describe('What must be alone', () => {
  it('is an INSERT whose trigger sets something for its transaction', async () => {
    const ids = clients.map(nextId);
    const insert = await learned((id) => [
      say.query(`INSERT INTO spied (user_id, id) VALUES (${USER}, ${id})`),
    ]);
    const answers = await atOnce((i) => insert(ids[i]!));
    expect(answers.map(errorCode)).toEqual(clients.map(() => ''));
    const seen = await onShard(`SELECT DISTINCT coalesce(seen, '') FROM spied`);
    expect(seen).toEqual([['']]);
  });
});

describe('A server that dies under groups', () => {
  it('leaves each client an answer, and no row twice', async () => {
    const insert = await simpleInsert();
    for (let round = 0; round < 5; round++) {
      const ids = clients.map(nextId);
      const killing = onShard(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()`,
      );
      const answers = await atOnce((i) => insert(ids[i]!));
      await killing;
      const found = await onShard(`SELECT id FROM note WHERE id = ANY ('{${ids.join()}}')`);
      const present = new Set(found.flat());
      expect(found).toHaveLength(present.size);
      answers.forEach((answer, i) => {
        if (errorCode(answer) === '') expect(present).toContain(String(ids[i]));
        else expect(['57P01', '08006']).toContain(errorCode(answer));
      });
    }
  });
});
