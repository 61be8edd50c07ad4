// Commits over shards, explicit or not: wherever a connection is lost, all is there or nothing, as was told.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { errorCode, RawClient, statusOf } from '../support/raw-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { say } from '../support/transcript.ts';
import { Stand } from './stand.ts';
import { MOMENTS } from './step-forwarder.ts';

const directory = temporaryDirectory();
let stand: Stand;

beforeAll(async () => {
  const sql = ['CREATE TABLE notes (user_id bigint, batch int)'];
  stand = await Stand.start(directory, { shards: 2, proxies: 1, sql });
  await stand.startProxies();
});

afterAll(() => stand.close());

const STEPS = ['PREPARE TRANSACTION', 'INSERT INTO drive.txlog', 'COMMIT', 'COMMIT PREPARED'];
/** Where the decider prepares its part, too. */
const STEPS_APART = [
  'PREPARE TRANSACTION',
  'SET TRANSACTION READ WRITE; INSERT INTO drive.txlog',
  'COMMIT PREPARED',
];

interface Write {
  readonly how: string;
  readonly steps: readonly string[];
  /** What comes before that which commits. */
  before(batch: number): readonly string[];
  /** Sends what commits two rows of the batch, one on each shard. */
  commit(batch: number): readonly Buffer[];
}

const insert = (user: number, batch: number): string =>
  `INSERT INTO notes VALUES (${user}, ${batch})`;
const insertBoth = (batch: number): string => `${insert(0, batch)}, (1, ${batch})`;
const nothing = () => [];

const WRITES: readonly Write[] = [
  {
    how: 'a block that is READ ONLY by then',
    steps: STEPS_APART,
    before: (batch) => ['BEGIN', insertBoth(batch), 'SET TRANSACTION READ ONLY'],
    commit: () => [say.query('COMMIT')],
  },
  {
    how: 'a statement',
    steps: STEPS,
    before: nothing,
    commit: (batch) => [say.query(insertBoth(batch))],
  },
  {
    how: 'a string of statements',
    steps: STEPS,
    before: nothing,
    commit: (batch) => [say.query(`${insert(0, batch)}; ${insert(1, batch)}`)],
  },
  {
    how: 'a batch',
    steps: STEPS,
    before: nothing,
    commit: (batch) => [say.run(insert(0, batch)), say.run(insert(1, batch)), say.sync],
  },
  {
    how: 'a COPY',
    steps: STEPS,
    before: nothing,
    commit: (batch) => [
      say.query('COPY notes FROM STDIN'),
      say.copyData(`0\t${batch}\n1\t${batch}\n`),
      say.copyDone,
    ],
  },
];

/** What the client of each batch was told. */
const told: { readonly batch: number; readonly what: string; readonly code: string }[] = [];

it.each(WRITES)('of $how are answered', async ({ how, steps, before, commit }) => {
  for (const statement of steps) {
    for (const moment of MOMENTS) {
      const client = await RawClient.login(stand.logins[0]!);
      const batch = told.length;
      for (const sql of before(batch)) await client.rows(sql);
      const strike = async (): Promise<void> => undefined;
      const met = stand.plan.meet({ statement, moment, strike });
      client.send(...commit(batch));
      const answer = await client.untilReady();
      await met;
      expect(statusOf(answer)).toBe('I');
      told.push({ batch, what: `${how}: ${statement} ${moment}`, code: errorCode(answer) });
      await client.close();
    }
  }
});

it('are there as each client was told, once recovery has been there', async () => {
  const prepared = async (): Promise<unknown[]> => {
    const all = stand.shards.map(({ id }) => stand.ask(id, 'SELECT gid FROM pg_prepared_xacts'));
    return (await Promise.all(all)).flat();
  };
  await expect.poll(prepared, { timeout: 25_000, interval: 200 }).toEqual([]);
  const kept = await Promise.all(
    stand.shards.map(({ id }) => stand.ask(id, 'SELECT batch FROM notes')),
  );
  const [first, second] = kept.map((rows) => new Set(rows.map(([batch]) => Number(batch))));
  const wrong = told.filter(({ batch, code }) => {
    const isThere = first!.has(batch);
    return isThere !== second!.has(batch) || (code !== '08007' && isThere !== (code === ''));
  });
  expect(wrong).toEqual([]);
  expect(new Set(told.map(({ code }) => code))).toEqual(new Set(['', '08006']));
});
