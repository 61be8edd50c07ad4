// Crash tests: transfers over shards while proxy, shards and connections die at every step.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { numberFromEnvironment, Random, seedFromEnvironment } from '../support/random.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import {
  ACCOUNTS,
  AS_LOGIN,
  disagreements,
  FIRST_BALANCE,
  type Identity,
  TRANSFER_TABLES,
  type Transfer,
  transferUntil,
} from '../support/transfers.ts';
import { Stand } from './stand.ts';
import { type Fault, MOMENTS, type Moment } from './step-forwarder.ts';

const SEED = seedFromEnvironment('FAULT_SEED');
const RANDOM_ROUNDS = numberFromEnvironment('FAULT_ROUNDS', 40);
const SHARDS = 3;
/** Where one has been killed the others go on, so that a round need not wait for the next one. */
const PROXIES = 4;
const CLIENTS = 6;
/** Far above what a round takes; it only ends a run in which a fault is never met. */
const ROUND_MS = 30_000;

/**
 * Those of SET ROLE may finish nothing that the login has prepared, and the login nothing of theirs; they have
 * no rights to anything of the proxy's.
 */
const TELLER = 'teller';
const MAKE_TELLER = [`CREATE ROLE ${TELLER}`, `GRANT ${TELLER} TO shard_user`];
const RIGHTS = `GRANT SELECT, INSERT, UPDATE ON account, entry TO ${TELLER}`;

const cancelled = 0.1;
const IDENTITIES: readonly Identity[] = [
  { ...AS_LOGIN, cancelled },
  { session: [`SET ROLE ${TELLER}`], block: [], cancelled },
  { session: [], block: [`SET LOCAL ROLE ${TELLER}`], cancelled },
  // Has a ticket on each shard, which is given back with its part.
  { session: [`SET default_transaction_isolation = 'serializable'`], block: [], cancelled },
];
/** Servers that log how long a statement took look for cancels behind it, too. */
const LOG_DURATIONS = 'ALTER ROLE shard_user SET log_min_duration_statement = 0';

/** The statements of a transaction over shards in their order, as the proxy sends them. */
const STEPS = [
  'UPDATE account',
  'PREPARE TRANSACTION',
  'INSERT INTO drive.txlog',
  'COMMIT',
  'COMMIT PREPARED',
  'DELETE FROM drive.txlog',
];
/** Where the proxy is the login again, whoever the session is. */
const AS_LOGIN_STEPS = new Set(['PREPARE TRANSACTION', 'INSERT INTO drive.txlog']);
const DAMAGES = ['cut', 'kill the shard', 'kill the proxy'] as const;
type Damage = (typeof DAMAGES)[number];

const directory = temporaryDirectory();
const books: Transfer[] = [];
let stand: Stand;
let over = false;
let lastId = 0;
let clients: Promise<unknown> = Promise.resolve();

beforeAll(async () => {
  stand = await Stand.start(directory, {
    shards: SHARDS,
    proxies: PROXIES,
    superuserSql: [...MAKE_TELLER, LOG_DURATIONS],
    sql: [...TRANSFER_TABLES, RIGHTS],
  });
  for (const { id } of stand.shards) {
    await stand.ask(
      id,
      `INSERT INTO account SELECT n, ${FIRST_BALANCE} FROM generate_series(1, ${ACCOUNTS}) n
       WHERE n % ${SHARDS} = ${id}`,
    );
  }
  await stand.startProxies();
  const random = new Random(SEED);
  const nextId = (): number => {
    lastId += 1;
    return lastId;
  };
  const isOver = () => over;
  const all = Array.from({ length: CLIENTS }, (_, i) => {
    const identity = IDENTITIES[i % IDENTITIES.length];
    return transferUntil(stand.logins, random.fork(), nextId, books, isOver, identity);
  });
  clients = Promise.all(all);
});

afterAll(() => stand.close());

function fault(statement: string, moment: Moment, damage: Damage): Fault {
  const strike = async (shard: number, proxy: number): Promise<void> => {
    if (damage === 'kill the shard') await stand.killShard(shard);
    else if (damage === 'kill the proxy') await stand.killProxy(proxy);
  };
  return { statement, moment, strike };
}

const every = STEPS.flatMap((step) =>
  MOMENTS.flatMap((moment) => DAMAGES.map((damage) => ({ step, moment, damage }))),
);

describe(`Transfers over shards (FAULT_SEED=${SEED} FAULT_ROUNDS=${RANDOM_ROUNDS})`, () => {
  it.each(every)(
    'go on after $step, $moment: $damage',
    async ({ step, moment, damage }) => {
      await stand.plan.meet(fault(step, moment, damage));
    },
    ROUND_MS,
  );

  const rollbacks = every.filter(({ step }) => step === 'COMMIT PREPARED');
  it.each(rollbacks)(
    'go on after a failed rollback, $moment: $damage',
    async (each) => {
      // Not that of a recovery, which may find the commit decided.
      const first = { ...fault('INSERT INTO drive.txlog', 'unsent', 'cut'), ending: "'commit')" };
      await stand.plan.meet(first, fault('ROLLBACK PREPARED', each.moment, each.damage));
    },
    ROUND_MS,
  );

  const ofRoles = every.filter(({ step }) => AS_LOGIN_STEPS.has(step));
  it.each(ofRoles)(
    'of somebody else by SET ROLE go on after $step, $moment: $damage',
    async ({ step, moment, damage }) => {
      const behind = 'SET LOCAL SESSION AUTHORIZATION DEFAULT';
      await stand.plan.meet({ ...fault(step, moment, damage), behind });
    },
    ROUND_MS,
  );

  it(
    'go on after faults at random',
    async () => {
      const random = new Random(SEED).fork();
      for (let round = 0; round < RANDOM_ROUNDS; round++) {
        const faults = Array.from({ length: random.int(1, 3) }, () =>
          fault(random.pick(STEPS), random.pick(MOMENTS), random.pick(DAMAGES)),
        );
        await stand.plan.meet(...faults);
      }
    },
    ROUND_MS * (RANDOM_ROUNDS + 1),
  );

  it('go on when all that is over', async () => {
    const committed = () => books.filter(({ outcome }) => outcome === 'committed').length;
    await expect.poll(committed, { timeout: 25_000, interval: 200 }).toBeGreaterThan(300);
  });

  it('leave nothing prepared once recovery has been there', async () => {
    over = true;
    await clients;
    const prepared = async (): Promise<unknown[]> => {
      const all = stand.shards.map(({ id }) => stand.ask(id, 'SELECT gid FROM pg_prepared_xacts'));
      return (await Promise.all(all)).flat();
    };
    await expect.poll(prepared, { timeout: 25_000, interval: 200 }).toEqual([]);
  });

  it('are there whole or not at all, as the client was told', async () => {
    const legs = new Map<number, number>();
    for (const { id } of stand.shards) {
      const rows = await stand.ask(id, 'SELECT transfer, count(*) FROM entry GROUP BY transfer');
      for (const [transfer, count] of rows) {
        legs.set(Number(transfer), (legs.get(Number(transfer)) ?? 0) + Number(count));
      }
    }
    expect(disagreements(books, legs)).toEqual([]);
  });

  it('are made by whom each client was', async () => {
    const sql = 'SELECT made_by, count(*) FROM entry GROUP BY made_by ORDER BY made_by';
    for (const { id } of stand.shards) {
      const rows = await stand.ask(id, sql);
      expect(rows.map(([name]) => name)).toEqual(['shard_user', TELLER]);
      for (const [, count] of rows) expect(Number(count)).toBeGreaterThan(0);
    }
  });

  it('keep the sum, and every balance is that of its entries', async () => {
    let sum = 0n;
    for (const { id } of stand.shards) {
      const [[total]] = (await stand.ask(id, 'SELECT sum(balance) FROM account')) as [[string]];
      sum += BigInt(total);
      const wrong = await stand.ask(
        id,
        `SELECT user_id FROM account a WHERE balance <> ${FIRST_BALANCE} +
           (SELECT coalesce(sum(amount), 0) FROM entry e WHERE e.user_id = a.user_id)`,
      );
      expect(wrong).toEqual([]);
    }
    expect(sum).toBe(BigInt(ACCOUNTS * FIRST_BALANCE));
  });

  it('make no proxy complain of a defect', () => {
    expect(stand.errors).toEqual([]);
  });
});
