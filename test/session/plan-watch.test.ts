// A statement that waits for a connection while its table changes its kind goes by the new kind.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PLAN_TRIES_MAX } from '../../src/base/limits.ts';
import { SchemaHold } from '../../src/execute/schema-hold.ts';
import type { Plan } from '../../src/plan/plan.ts';
import type { SessionContext } from '../../src/session/context.ts';
import { PlanWatch, whilePlanHolds } from '../../src/session/plan-watch.ts';
import type { SessionState } from '../../src/session/state.ts';
import type { Topology } from '../../src/topology/topology.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient, type RawMessage, rowsOf } from '../support/raw-client.ts';
import { say } from '../support/transcript.ts';

/** The statement waits here, for the one connection to the home shard, … */
let narrow: TestProxy;
/** … and what it is about changes here. */
let other: TestProxy;
let waiter: RawClient;
let blocker: RawClient;
let operator: RawClient;
let changer: RawClient;
let direct: RawClient[];

beforeAll(async () => {
  narrow = await startTestProxy({ shards: 2, config: { pool: { size: 1 } } });
  other = await narrow.beside({ config: {} });
  [waiter, blocker, operator, changer] = await Promise.all([
    RawClient.login(narrow.login),
    RawClient.login(narrow.login),
    RawClient.login({ ...narrow.login, database: 'admin' }),
    RawClient.login(other.login),
  ]);
  direct = await Promise.all(narrow.shards.map((shard) => RawClient.login(shard)));
  await changer.rows('CREATE TABLE parking (id int); CREATE TABLE given (user_id bigint)');
  await changer.rows('INSERT INTO given VALUES (1), (2)');
});

afterAll(async () => {
  await Promise.all([waiter, blocker, operator, changer, ...direct].map((each) => each.close()));
  await other.close();
  await narrow.close();
});

const waiting = async (): Promise<number> => {
  const columns = (await operator.query('SHOW SHARDS')) as RawMessage[];
  return Number(rowsOf(columns)[0]![7]);
};

/** What `ask` is answered, when `change` is made between its plan and its connection. */
async function answered(ask: () => Promise<RawMessage[]>, change: string): Promise<RawMessage[]> {
  await blocker.rows('BEGIN; SELECT count(*) FROM parking');
  const answer = ask();
  while ((await waiting()) === 0);
  await changer.rows(change);
  await blocker.rows('COMMIT');
  return answer;
}

const onShards = async (sql: string) =>
  (await Promise.all(direct.map((shard) => shard.rows(sql)))).map(([row]) => row![0]);

/** Whatever needs the home shard first. */
const asks: Record<string, (table: string) => Promise<() => Promise<RawMessage[]>>> = {
  'by EXECUTE': async (table) => {
    await waiter.rows(`PREPARE "p ${table}" AS INSERT INTO ${table} VALUES (1), (2)`);
    return () => waiter.query(`EXECUTE "p ${table}"`);
  },
  'as two statements in a string': async (table) => () =>
    waiter.query(`INSERT INTO ${table} VALUES (2); INSERT INTO ${table} VALUES (1)`),
  'as two executions in a batch': async (table) => {
    const name = `s ${table}`;
    waiter.send(say.parse(`INSERT INTO ${table} VALUES ($1::bigint)`, name), say.sync);
    await waiter.untilReady();
    const run = (key: string) => [say.bind([key], name), say.execute()];
    return () => {
      waiter.send(...run('2'), ...run('1'), say.sync);
      return waiter.untilReady();
    };
  },
  'as one execution with a row limit': async (table) => {
    const name = `r ${table}`;
    waiter.send(say.parse(`INSERT INTO ${table} VALUES (1), (2) RETURNING 1`, name), say.sync);
    await waiter.untilReady();
    return () => {
      waiter.send(say.bind([], name), say.execute('', 5), say.sync);
      return waiter.untilReady();
    };
  },
  'of rows of a query': async (table) => () =>
    waiter.query(`INSERT INTO ${table} SELECT user_id FROM given`),
  'of two rows': async (table) => () => waiter.query(`INSERT INTO ${table} VALUES (1), (2)`),
};

describe.each(Object.entries(asks))('An INSERT %s', (name, ask) => {
  const table = name.replaceAll(' ', '_').toLowerCase();

  it('into a home table that becomes sharded goes to the shards of its keys', async () => {
    await changer.rows(`CREATE TABLE a_${table} AS SELECT 0::bigint AS user_id`);
    await waiter.rows(`SELECT count(*) FROM a_${table}`);
    const run = await ask(`a_${table}`);
    const distribute = `SELECT create_distributed_table('a_${table}', 'user_id')`;
    expect(errorCode(await answered(run, distribute))).toBe('');
    const keys = `SELECT string_agg(user_id::text, ' ' ORDER BY user_id) FROM a_${table}`;
    expect(await onShards(keys)).toEqual(['0 2', '1']);
  });

  it('into a sharded table that becomes a reference table goes to every shard', async () => {
    await changer.rows(
      `CREATE TABLE b_${table} (user_id bigint); SELECT create_distributed_table('b_${table}', 'user_id')`,
    );
    await waiter.rows(`SELECT count(*) FROM b_${table}`);
    const run = await ask(`b_${table}`);
    await answered(
      run,
      `SELECT undistribute_table('b_${table}'); SELECT create_reference_table('b_${table}')`,
    );
    const keys = `SELECT string_agg(user_id::text, ' ' ORDER BY user_id) FROM b_${table}`;
    expect(await onShards(keys)).toEqual(['1 2', '1 2']);
  });
});

describe('A SELECT over shards of a table that becomes a reference table', () => {
  it.each([
    ['streamed', 'SELECT count(*) FROM $'],
    ['by the merge engine', 'SELECT count(*) FROM (SELECT row_number() OVER () FROM $) n'],
    ['copied', 'COPY (SELECT user_id FROM $) TO STDOUT'],
    ['in a transaction', 'BEGIN; SELECT count(*) FROM $; COMMIT'],
  ])('counts each row once, %s', async (how, sql) => {
    const table = `c_${how.replaceAll(' ', '_')}`;
    await changer.rows(
      `CREATE TABLE ${table} (user_id bigint); SELECT create_distributed_table('${table}', 'user_id')`,
    );
    await changer.rows(`INSERT INTO ${table} VALUES (1), (2), (3)`);
    const answer = await answered(
      () => waiter.query(sql.replace('$', table)),
      `SELECT undistribute_table('${table}'); SELECT create_reference_table('${table}')`,
    );
    const copied = answer.filter(({ type }) => type === 'd').length;
    expect(copied || Number(rowsOf(answer)[0]![0])).toBe(3);
  });

  it('goes on as planned when another table has changed', async () => {
    await changer.rows(
      `CREATE TABLE same (user_id bigint); SELECT create_distributed_table('same', 'user_id')`,
    );
    await changer.rows('INSERT INTO same VALUES (1), (2), (3)');
    const answer = await answered(
      () => waiter.query('SELECT count(*) FROM same'),
      'CREATE TABLE unlike (user_id bigint)',
    );
    expect(rowsOf(answer)).toEqual([['3']]);
  });
});

describe('A statement that waits while its table gets a column', () => {
  it.each([
    ['over shards', 'SELECT * FROM wide_0 ORDER BY user_id'],
    ['in a transaction', 'BEGIN; SELECT * FROM wide_1 ORDER BY user_id; COMMIT'],
    ['by the merge engine', 'SELECT *, count(*) OVER () FROM wide_2 ORDER BY user_id'],
    ['that writes', 'UPDATE wide_3 SET n = 1 RETURNING *'],
  ])('has it in its answer, %s', async (_, sql) => {
    const [table] = /wide_\d/.exec(sql)!;
    await changer.rows(
      `CREATE TABLE ${table} (user_id bigint, n int); SELECT create_distributed_table('${table}', 'user_id')`,
    );
    await changer.rows(`INSERT INTO ${table} VALUES (1), (2), (3)`);
    for (let i = 0; i < 2; i++) await waiter.rows(sql);
    const answer = await answered(
      () => waiter.query(sql),
      `ALTER TABLE ${table} ADD COLUMN late text DEFAULT 'x'`,
    );
    const after = await waiter.query(sql);
    expect(errorCode(answer)).toBe('');
    const described = (messages: readonly RawMessage[]) =>
      messages
        .filter(({ type }) => type === 'T' || type === 'D')
        .map(({ body }) => body.toString('hex'))
        .sort();
    expect(described(answer)).toEqual(described(after));
  });
});

describe('A statement that is planned anew', () => {
  it('keeps the session’s portals', async () => {
    await changer.rows('CREATE TABLE kept AS SELECT 0::bigint AS user_id');
    await waiter.rows('SELECT count(*) FROM kept');
    for (const [name, sql] of [
      ['first', 'INSERT INTO kept VALUES (1), (2)'],
      ['second', 'SELECT count(*) FROM kept'],
    ] as const) {
      waiter.send(say.parse(sql, name), say.sync);
      await waiter.untilReady();
    }
    const answer = await answered(() => {
      waiter.send(say.bind([], 'first', 'one'), say.bind([], 'second', 'two'));
      waiter.send(say.execute('one'), say.execute('two'), say.sync);
      return waiter.untilReady();
    }, `SELECT create_distributed_table('kept', 'user_id')`);
    expect(errorCode(answer)).toBe('');
    expect(rowsOf(answer)).toEqual([['3']]);
  });
});

it('A statement is told of a schema that changes each time before it can begin', async () => {
  const plan: Plan = { op: 'empty', verb: '' };
  let version = 0;
  const topology = (): Partial<Topology> => {
    version += 1;
    return { version };
  };
  const context = { hold: new SchemaHold(), topology } as Partial<SessionContext> as SessionContext;
  let takenBack = 0;
  const state: Partial<SessionState> = {
    transaction: null,
    takeBack: async () => {
      takenBack += 1;
    },
  };
  let tries = 0;
  const held = whilePlanHolds(context, state as SessionState, async () => {
    tries += 1;
    new PlanWatch(context, plan, () => plan).check();
  });
  await expect(held).rejects.toMatchObject({ code: '40001' });
  expect([tries, takenBack]).toEqual([PLAN_TRIES_MAX, PLAN_TRIES_MAX - 1]);
});
