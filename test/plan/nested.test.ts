// Nested statements over several shards: the answer of one PostgreSQL, or a refusal.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { compare, type ParityServers, startParity } from '../parity/servers.ts';
import fc from '../support/property.ts';
import { nested } from './nested.ts';

/** More of both for a longer search: NESTED_RUNS=100000 NESTED_SEED=$RANDOM. */
const RUNS = Number(process.env.NESTED_RUNS ?? 400);
const SEED = Number(process.env.NESTED_SEED ?? 20261124);
const MS_PER_RUN = 250;

let servers: ParityServers;

beforeAll(async () => {
  servers = await startParity(3);
});

afterAll(() => servers.close());

test(
  'every nested statement is right or refused, and many are answered',
  async () => {
    let answered = 0;
    await fc.assert(
      fc.asyncProperty(nested, async (sql) => {
        const { plain, proxy, refused } = await compare(servers, sql, { ordered: false });
        if (refused) return;
        if (plain.kind === 'rows') answered += 1;
        expect(proxy, sql).toEqual(plain);
      }),
      { numRuns: RUNS, seed: SEED },
    );
    expect(answered).toBeGreaterThan(RUNS / 20);
    if (process.env.NESTED_RUNS !== undefined) console.log(`answered ${answered} of ${RUNS}`);
  },
  60_000 + RUNS * MS_PER_RUN,
);
