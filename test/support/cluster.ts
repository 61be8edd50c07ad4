// The test run's servers, as a test file sees them, and databases of its own on them.

import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { dropDatabase, ensureDatabase } from '../../src/local/database.ts';
import { installSchema } from '../../src/local/schema.ts';
import type { Shard } from '../../src/topology/shard.ts';
import type { ServerLogin } from './global-setup.ts';

/** The first `n` (up to 3) shards of the run, with all of sql/; shared by all test files. */
export function shards(n: number): readonly Shard[] {
  const all = inject('shards');
  if (n > all.length) throw new Error(`the test run has ${all.length} shards, not ${n}`);
  return all.slice(0, n);
}

/** The plain server's shared database `plain`, empty; tests keep to temporary tables in it. */
export function plainServer(): Shard {
  return inject('plain');
}

/** Superusers of the shard servers and of the plain one. */
export function superusers(): { readonly shards: ServerLogin; readonly plain: ServerLogin } {
  return inject('superusers');
}

/** All servers of the run, to make databases of another kind on. */
export function runServers(): {
  readonly shards: readonly Shard[];
  readonly plain: Shard;
  readonly superusers: ReturnType<typeof superusers>;
} {
  return { shards: inject('shards'), plain: plainServer(), superusers: superusers() };
}

/** Databases of one test file: one a shard, and one on the plain server. */
export interface FreshDatabases {
  readonly shards: readonly Shard[];
  /** Empty, for the same SQL without sharding. Its `id` means nothing. */
  readonly plain: Shard;
  drop(): Promise<void>;
}

/**
 * New databases with schema drive, on the run's servers in turn: with more shards than servers some
 * are on one server. With `application` also the tables of sql/ on the shards.
 */
export async function freshDatabases(
  n: number,
  { application = false }: { readonly application?: boolean } = {},
): Promise<FreshDatabases> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  const run = inject('shards');
  const fresh = Array.from({ length: n }, (_, id) => {
    return { ...run[id % run.length]!, id, database: `${name}_${id}` };
  });
  const plain = { ...plainServer(), database: `${name}_plain` };
  const users = superusers();
  await Promise.all([
    ...fresh.map((shard) => ensureDatabase(shard, users.shards)),
    ensureDatabase(plain, users.plain),
  ]);
  await installSchema(fresh, application ? {} : { only: 'drive' });
  return {
    shards: fresh,
    plain,
    async drop() {
      await Promise.all([
        ...fresh.map((shard) => dropDatabase(shard, users.shards)),
        dropDatabase(plain, users.plain),
      ]);
    },
  };
}
