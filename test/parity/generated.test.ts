// Parity, generated: random SELECT statements give what one PostgreSQL gives.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import fc from '../support/property.ts';
import { type Generated, statement } from './generator.ts';
import { nestedStatement } from './nested-generator.ts';
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

  /** Gives the statements that were refused. */
  async function search(statements: fc.Arbitrary<Generated>): Promise<readonly string[]> {
    const refusals: string[] = [];
    await fc.assert(
      fc.asyncProperty(statements, async ({ sql, ordered, parameters }) => {
        const { plain, proxy, engine, refused } = await compare(servers, sql, {
          ordered,
          ...(parameters.length === 0 ? {} : { parameters }),
        });
        if (refused) refusals.push(sql);
        else {
          expect(proxy).toEqual(plain);
          expect(engine).toEqual(plain);
        }
      }),
      { numRuns: RUNS, seed: SEED },
    );
    return refusals;
  }

  const timeoutMs = 60_000 + RUNS * MS_PER_RUN;

  test(
    'ordinary statements are right',
    async () => {
      expect(await search(statement)).toEqual([]);
    },
    timeoutMs,
  );

  test(
    'nested statements are right',
    async () => {
      expect(await search(nestedStatement)).toEqual([]);
    },
    timeoutMs,
  );
});
