// Differential search: what is generated gives over shards what it gives on one PostgreSQL.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runServers } from '../support/cluster.ts';
import { numberFromEnvironment } from '../support/random.ts';
import { type Ground, makeGround } from './ground.ts';
import { report } from './report.ts';
import { newTally, search } from './search.ts';

/** More for a longer search: SEARCH_MINUTES=120 SEARCH_SEED=$RANDOM, of writes alone: SEARCH_WRITES=1. */
const SEED = numberFromEnvironment('SEARCH_SEED', 20261129);
const MINUTES = numberFromEnvironment('SEARCH_MINUTES', 0);
const WRITES = process.env.SEARCH_WRITES === '1';
const STATEMENTS = MINUTES > 0 ? Infinity : numberFromEnvironment('SEARCH_STATEMENTS', 2_050);
const SHARDS = [1, 2, 3, 7];
const TIMEOUT_MS = 600_000 + MINUTES * 60_000;

/** The databases' locale: one that sorts by bytes, and a language's. */
describe.each([
  [null, SEED],
  ['en-US', SEED + 1],
])('in databases of locale %s', (locale, seed) => {
  let ground: Ground;

  beforeAll(async () => {
    ground = await makeGround(runServers(), SHARDS, locale);
  });

  afterAll(() => ground.close());

  test(
    `seed ${seed} finds nothing that differs`,
    async () => {
      const tally = newTally();
      const until = MINUTES > 0 ? performance.now() + MINUTES * 30_000 : Infinity;
      await search(ground, { seed, statements: STATEMENTS, writes: WRITES, until }, tally);
      console.log(report(tally));
      expect(tally.found).toEqual([]);
      // A search that asks nothing, or is refused most of what it asks, proves nothing.
      expect(tally.equal).toBeGreaterThan(tally.asked / 2);
    },
    TIMEOUT_MS,
  );
});
