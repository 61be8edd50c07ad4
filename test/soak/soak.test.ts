// The soak: transfers for as long as wanted, while clients and server backends die at random.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { superusers } from '../support/cluster.ts';
import { Forwarder } from '../support/forwarder.ts';
import { type HeardLog, heardLog } from '../support/heard-log.ts';
import { asked, GIVEN_BACK_MS, holdings, NOTHING_HELD } from '../support/holdings.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { numberFromEnvironment, Random, seedFromEnvironment } from '../support/random.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import {
  ACCOUNTS,
  disagreements,
  FIRST_BALANCE,
  TRANSFER_TABLES,
  type Transfer,
  transferUntil,
} from '../support/transfers.ts';
import { hasPgbench, type PgbenchCrew, startPgbench } from './pgbench.ts';

const SEED = seedFromEnvironment('SOAK_SEED');
const SECONDS = numberFromEnvironment('SOAK_SECONDS', 15);
const SHARDS = 2;
const CLIENTS = 4;

const directory = temporaryDirectory();
const books: Transfer[] = [];
const random = new Random(SEED);
let proxy: TestProxy;
let heard: HeardLog;
/** Before the proxy, for clients that are to be cut off. */
let gate: Forwarder;

beforeAll(async () => {
  heard = heardLog();
  proxy = await startTestProxy({
    shards: SHARDS,
    log: heard.log,
    config: { pool: { size: 20, idleTimeoutMs: 500 } },
    prepare: async ({ shards }) => {
      for (const shard of shards) {
        for (const table of TRANSFER_TABLES) await asked(shard, table);
        await asked(
          shard,
          `INSERT INTO account SELECT n, ${FIRST_BALANCE} FROM generate_series(1, ${ACCOUNTS}) n
           WHERE n % ${SHARDS} = ${shard.id}`,
        );
      }
    },
  });
  gate = new Forwarder({ ...proxy.shards[0]!, ...proxy.login });
});

afterAll(() => proxy.close());

/** Does something bad to somebody. */
async function disturb(crew: PgbenchCrew | null): Promise<void> {
  const shard = random.pick(proxy.shards);
  const backend = (verb: string): Promise<unknown> =>
    asked(
      { ...shard, ...superusers().shards },
      `SELECT ${verb}(pid) FROM pg_stat_activity WHERE datname = '${shard.database}'
         AND usename = '${shard.user}' ORDER BY md5(pid::text || '${random.unit()}') LIMIT 1`,
    );
  switch (random.int(0, 9)) {
    case 0:
      gate.cut();
      break;
    case 1:
      crew?.kill();
      break;
    case 2:
      gate.stall();
      await sleep(random.int(10, 300));
      gate.flow();
      break;
    case 3:
      await backend('pg_cancel_backend');
      break;
    default:
      await backend('pg_terminate_backend');
  }
}

describe(`Transfers (SOAK_SEED=${SEED} SOAK_SECONDS=${SECONDS}, pgbench: ${hasPgbench})`, () => {
  it(
    'go on while clients and backends are killed',
    async () => {
      const place = await gate.start();
      const behind = { ...proxy.login, host: place.host, port: place.port };
      const deadlineMs = performance.now() + SECONDS * 1000;
      const over = (): boolean => performance.now() > deadlineMs;
      let lastId = 0;
      const nextId = (): number => {
        lastId += 1;
        return lastId;
      };
      const crew = hasPgbench
        ? startPgbench(behind, ACCOUNTS, directory, random.fork(), over)
        : null;
      const clients = Array.from({ length: CLIENTS }, (_, i) =>
        transferUntil([i % 2 === 0 ? proxy.login : behind], random.fork(), nextId, books, over),
      );
      const ended = Promise.all([...clients, crew?.done]);
      while (!over()) {
        await disturb(crew);
        await sleep(random.int(0, 150));
      }
      await ended;
      await gate.refuse();
      expect(books.filter(({ outcome }) => outcome === 'committed').length).toBeGreaterThan(0);
    },
    (SECONDS + 60) * 1000,
  );

  it(
    'leave nothing behind: sessions, connections, prepared transactions',
    async () => {
      const held = () => holdings(proxy.shards);
      await expect.poll(held, { timeout: GIVEN_BACK_MS, interval: 250 }).toEqual(NOTHING_HELD);
    },
    2 * GIVEN_BACK_MS,
  );

  it('are there whole or not at all, as the client was told', async () => {
    const legs = new Map<number, number>();
    for (const shard of proxy.shards) {
      // Transfer 0 stands for all of those that keep no books.
      const ids = await asked(shard, 'SELECT transfer FROM entry WHERE transfer > 0');
      for (const id of ids) legs.set(Number(id), (legs.get(Number(id)) ?? 0) + 1);
    }
    expect(disagreements(books, legs)).toEqual([]);
  });

  it('keep the sum, and every balance is that of its entries', async () => {
    let sum = 0n;
    for (const shard of proxy.shards) {
      const [total] = await asked(shard, 'SELECT sum(balance) FROM account');
      sum += BigInt(total!);
      const wrong = await asked(
        shard,
        `SELECT user_id FROM account a WHERE balance <> ${FIRST_BALANCE} +
           (SELECT coalesce(sum(amount), 0) FROM entry e WHERE e.user_id = a.user_id)`,
      );
      expect(wrong).toEqual([]);
    }
    expect(sum).toBe(BigInt(ACCOUNTS * FIRST_BALANCE));
  });

  it('meet no defect', () => {
    expect(heard.errors).toEqual([]);
  });
});
