// Parity of roles and rights: over shards a role may do what it may on one PostgreSQL, and no more.

import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { superusers } from '../support/cluster.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { type Answer, ask, connect, unordered } from './answer.ts';
import * as policy from './policy-statements.ts';
import * as said from './role-statements.ts';

const sharding = { tables: { country: { kind: 'reference' } } } as const;
const TABLES = ['files', 'members', 'country', 'notes'];
const DENIED = '42501';

// Thousands of statements, on both sides.
vi.setConfig({ testTimeout: 120_000 });

let tested: TestProxy;
let byEngine: TestProxy;
let plain: pg.Client;
let proxy: pg.Client;
/** By a proxy that merges nothing in a stream. */
let engine: pg.Client;

beforeAll(async () => {
  tested = await startTestProxy({ shards: 3, config: { sharding }, superuser: true });
  const config = { sharding, merge: { inlineRowsMax: 0 } };
  byEngine = await tested.beside({ config, forceEngine: true });
  plain = await connect({ ...tested.plain, ...superusers().plain });
  proxy = await connect(tested.login);
  engine = await connect(byEngine.login);
});

const ROLES = `SELECT string_agg(quote_ident(rolname), ', ') AS roles FROM pg_roles WHERE rolname LIKE 'rp\\_%'`;

afterAll(async () => {
  for (const place of [tested.plain, ...tested.shards]) {
    const users = superusers();
    const user = place === tested.plain ? users.plain : users.shards;
    const client = await connect({ ...place, ...user });
    const [{ roles }] = (await client.query(ROLES)).rows;
    if (roles !== null) await client.query(`DROP OWNED BY ${roles} CASCADE; DROP ROLE ${roles}`);
    await client.end();
  }
  await Promise.all([plain, proxy, engine].map((client) => client.end()));
  await byEngine.close();
  await tested.close();
});

/** Which of several tables is named that may not be read depends on the order of asking. */
function comparable(answer: Answer): Answer {
  const denied = answer.kind === 'error' && answer.code === DENIED;
  return denied ? { ...answer, message: '' } : unordered(answer);
}

async function answerOf(client: pg.Client, step: said.Step): Promise<Answer> {
  const [sql, ...parameters] = typeof step === 'string' ? [step] : step;
  return comparable(await ask(client, sql, parameters.length === 0 ? undefined : parameters));
}

/** The same answer from both, to each step in turn; gives how many answers were refusals of rights. */
async function expectSame(steps: readonly said.Step[], where = ''): Promise<number> {
  let denied = 0;
  for (const step of steps) {
    const wanted = await answerOf(plain, step);
    expect(await answerOf(proxy, step), `${where} ${step}`).toEqual(wanted);
    if (wanted.kind === 'error' && wanted.code === DENIED) denied += 1;
  }
  return denied;
}

const inBlock = (step: said.Step): readonly said.Step[] => ['BEGIN', step, 'ROLLBACK'];

const cursorSteps = said.CURSORS.flatMap(([name, query]) => [
  'BEGIN',
  `DECLARE ${name} CURSOR FOR ${query}`,
  `FETCH 5 FROM ${name}`,
  'ROLLBACK',
]);

it('roles, tables and rights are made over all shards', async () => {
  expect(await expectSame(said.MAKE_ROLES)).toBe(0);
  expect(await expectSame(said.MAKE_TABLES)).toBe(0);
});

describe('A role with these rights only', () => {
  it.each(said.GRANTS)('%s', async (_, grants) => {
    expect(await expectSame(grants)).toBe(0);
    await expectSame(['SET ROLE rp_reader']);
    const reads = await expectSame(said.READS);
    expect(await expectSame(said.READS.flatMap(inBlock))).toBe(reads);
    await expectSame(cursorSteps);
    const writes = await expectSame(said.WRITES.flatMap(inBlock));
    expect(reads + writes).toBeGreaterThan(3);
    await expectSame(['RESET ROLE']);
  });

  it('writes over several shards, each statement by itself', async () => {
    await expectSame(TABLES.map((table) => `CREATE TABLE kept_${table} AS TABLE ${table}`));
    const restore = TABLES.flatMap((table) => [
      `TABLE ${table}`,
      `DELETE FROM ${table}`,
      `INSERT INTO ${table} SELECT * FROM kept_${table}`,
    ]);
    for (const write of said.WRITES) {
      await expectSame(['SET ROLE rp_reader', write, 'RESET ROLE', ...restore], `${write}:`);
    }
    for (const shard of tested.shards) {
      const client = await connect({ ...shard, ...superusers().shards });
      const { rows } = await client.query('SELECT gid FROM drive.txlog');
      expect(rows).toEqual([]);
      await client.end();
    }
  });
});

describe('What a policy hides is hidden', () => {
  it.each(policy.POLICY_CHANGES)('%s', async (what, changes) => {
    expect(await expectSame(changes)).toBe(0);
    const isFirst = changes === policy.POLICY_CHANGES[0]![1];
    for (const become of isFirst ? policy.SETTINGS : policy.WRITERS) {
      await expectSame([...policy.AS_BEFORE, ...become]);
      await expectSame(said.READS, `${what}, ${become}:`);
      if (!policy.WRITERS.includes(become)) continue;
      await expectSame(said.WRITES.flatMap(inBlock), `${what}, ${become}:`);
      await expectSame(cursorSteps, `${what}, ${become}:`);
    }
    await expectSame(policy.AS_BEFORE);
  });

  it('from the merge engine, too', async () => {
    for (const become of policy.SETTINGS) {
      for (const step of [...become, ...said.READS, ...policy.AS_BEFORE]) {
        const wanted = await answerOf(plain, step);
        expect(await answerOf(engine, step), `${become}: ${step}`).toEqual(wanted);
      }
    }
  });

  it('from others who are served by the same connections at the same time', async () => {
    const roles = ['rp_reader', 'rp_writer', null];
    const clients = await Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        const client = await connect(tested.login);
        const role = roles[i % 3]!;
        if (role !== null) await client.query(`SET ROLE ${role}`);
        return { client, role };
      }),
    );
    const counts = new Map<string | null, Answer[]>();
    for (const role of roles) {
      await plain.query(role === null ? 'RESET ROLE' : `SET ROLE ${role}`);
      counts.set(role, await Promise.all(policy.SHARED.map((step) => answerOf(plain, step))));
    }
    await plain.query('RESET ROLE');
    await Promise.all(
      clients.map(async ({ client, role }) => {
        for (let round = 0; round < 10; round++) {
          for (const [i, step] of policy.SHARED.entries()) {
            expect(await answerOf(client, step), `${role} ${step}`).toEqual(counts.get(role)![i]);
          }
        }
        await client.end();
      }),
    );
  });
});

it.each(said.SESSIONS)('is who it says it is: %s', async (_, steps) => {
  await expectSame(steps);
  await expectSame(policy.AS_BEFORE);
});

describe('Over shards only', () => {
  const refusal = async (sql: string): Promise<Answer> => answerOf(proxy, sql);

  it('a view that is computed from several shards takes the rights to its tables, too', async () => {
    await expectSame(['GRANT SELECT ON counted TO rp_clerk', 'SET ROLE rp_clerk']);
    expect(await refusal('SELECT * FROM counted')).toMatchObject({ code: '0A000' });
    await expectSame(['RESET ROLE']);
  });

  it('rows under a policy cannot be found first and locked, nor be moved', async () => {
    await expectSame(['SET ROLE rp_reader']);
    for (const sql of [
      'SELECT id FROM files ORDER BY id LIMIT 2 FOR UPDATE',
      'UPDATE files SET user_id = user_id + 1',
    ]) {
      expect(await refusal(sql), sql).toMatchObject({ code: '0A000' });
    }
    await expectSame(['RESET ROLE']);
  });

  it('to delete rows that must be found first takes the right to lock them', async () => {
    const remove = 'DELETE FROM members USING notes n WHERE n.id = user_id + 1';
    await expectSame([
      'GRANT SELECT, DELETE ON members TO rp_clerk',
      'GRANT SELECT ON notes TO rp_clerk',
      'ALTER TABLE notes DISABLE ROW LEVEL SECURITY',
      'SET ROLE rp_clerk',
    ]);
    expect(await refusal(remove)).toEqual({ kind: 'error', code: DENIED, message: '' });
    await expectSame(['RESET ROLE', 'GRANT UPDATE ON members TO rp_clerk']);
    await expectSame(['SET ROLE rp_clerk', remove, 'RESET ROLE', 'TABLE members']);
  });

  it('a policy by rows of other shards is refused', async () => {
    const sql = 'CREATE POLICY far ON files USING (name IN (SELECT m.name FROM members m))';
    expect(await refusal(sql)).toMatchObject({ code: '0A000' });
  });
});

it('what a role makes is its own, and others have the rights given by default', async () => {
  expect(await expectSame(said.OWNERS)).toBe(4);
});

it('a table that becomes another kind stays its owner’s, on every shard', async () => {
  await expectSame([
    'CREATE TABLE owned (user_id int, n int)',
    'INSERT INTO owned VALUES (1, 1), (2, 2), (3, 3)',
    'ALTER TABLE owned OWNER TO rp_clerk',
  ]);
  await proxy.query(`SELECT undistribute_table('owned')`);
  await proxy.query(`SELECT create_distributed_table('owned', 'n')`);
  const denied = await expectSame([
    'SET ROLE rp_clerk',
    'TABLE owned',
    'UPDATE owned SET user_id = user_id + 1 RETURNING *',
    'ALTER TABLE owned ADD COLUMN more int',
    'DROP TABLE owned',
    'RESET ROLE',
  ]);
  expect(denied).toBe(0);
});
