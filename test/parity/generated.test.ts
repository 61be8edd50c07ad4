// Parity, generated: random SELECT statements give what one PostgreSQL gives, or are refused.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { statement } from './generator.ts';
import { compare, type ParityServers, startParity } from './servers.ts';

/** More of both for a longer search: PARITY_RUNS=100000 PARITY_SEED=$RANDOM. */
const RUNS = Number(process.env.PARITY_RUNS ?? 400);
const SEED = Number(process.env.PARITY_SEED ?? 20261124);
const MS_PER_RUN = 250;

describe.each([2, 3])('over %i shards', (shardCount) => {
  let servers: ParityServers;

  beforeAll(async () => {
    servers = await startParity(shardCount);
  });

  afterAll(() => servers.close());

  test(
    'every statement is right or refused, and most are answered',
    async () => {
      let asked = 0;
      let refusals = 0;
      await fc.assert(
        fc.asyncProperty(statement, async ({ sql, ordered, parameters }) => {
          const { plain, proxy, refused } = await compare(servers, sql, {
            ordered,
            ...(parameters.length === 0 ? {} : { parameters }),
          });
          asked += 1;
          if (refused) refusals += 1;
          else expect(proxy).toEqual(plain);
        }),
        { numRuns: RUNS, seed: SEED },
      );
      expect(refusals).toBeLessThan(asked / 3);
    },
    60_000 + RUNS * MS_PER_RUN,
  );
});
