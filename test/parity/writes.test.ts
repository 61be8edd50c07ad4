// Parity of writes: after every statement the shards together hold what one PostgreSQL holds.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { APART, LOCKING } from './apart-statements.ts';
import { INSERTIONS } from './insertion-statements.ts';
import { MERGES_FOUND } from './merge-found-statements.ts';
import { MERGES_APART } from './merge-statements.ts';
import { MERGED_ROWS } from './merged-row-statements.ts';
import { PLACES } from './place-statements.ts';
import { REFERENCE_PLACES } from './reference-place-statements.ts';
import { RETURNED_BEHIND } from './returned-behind-statements.ts';
import { RETURNED_ROWS } from './returned-row-statements.ts';
import { RETURNED, RETURNED_QUERIES } from './returning-statements.ts';
import { VALUES } from './values-statements.ts';
import { WITH_BY_KEY, WITH_WRITES } from './with-statements.ts';
import { type Said, WriteServers } from './write-servers.ts';
import { CHANGES, INSERTS, MERGES } from './write-statements.ts';

describe.each([3, 2, 1])('over %i shards', (shardCount) => {
  let servers: WriteServers;

  beforeAll(async () => {
    servers = await WriteServers.start(shardCount);
  });

  afterAll(() => servers.close());

  beforeEach(() => servers.fill());

  async function expectSame(said: Said, protocol: 'simple' | 'extended'): Promise<void> {
    const { plain, proxy } = await servers.say(said, protocol);
    expect(proxy, said.sql).toEqual(plain);
  }

  async function expectSameRows(sql: string): Promise<void> {
    const { plain, shards } = await servers.contents();
    expect(shards, sql).toEqual(plain);
  }

  describe.each([
    ['INSERT with computed rows', INSERTS],
    ['INSERT of VALUES to be computed', VALUES],
    ['INSERT that tells which rows it has met', INSERTIONS],
    ['UPDATE and DELETE of rows found first', CHANGES],
    ['UPDATE and DELETE without a primary key', PLACES],
    ['UPDATE, DELETE and MERGE of a reference table without a primary key', REFERENCE_PLACES],
    ['RETURNING of other tables', RETURNED],
    ['RETURNING of queries and rows', RETURNED_QUERIES],
    ['RETURNING of queries on rows that are not known before', RETURNED_BEHIND],
    ['RETURNING of queries that ask for rows that are not known before', RETURNED_ROWS],
    ['MERGE', MERGES],
    ['MERGE that inserts on other shards', MERGES_APART],
    ['MERGE of rows that are found first', MERGES_FOUND],
    ['MERGE that returns whole rows', MERGED_ROWS],
    ['rows that are found and locked within', LOCKING],
    ['sub-queries that are run before', APART],
    ['WITH that writes', WITH_WRITES],
    ['WITH that writes by the key', WITH_BY_KEY],
  ])('%s', (_, statements) => {
    const simple = statements.filter(({ parameters }) => parameters === undefined);

    it.each([
      ['simple', simple],
      ['extended', statements],
    ] as const)('by the %s protocol, each statement by itself', async (protocol, said) => {
      for (const each of said) {
        await expectSame(each, protocol);
        await expectSameRows(each.sql);
      }
    });

    it.each([
      ['simple', simple],
      ['extended', statements],
    ] as const)('by the %s protocol, within a transaction', async (protocol, said) => {
      for (const each of said) {
        await expectSame({ sql: 'BEGIN' }, 'simple');
        await expectSame(each, protocol);
        await expectSame({ sql: 'SAVEPOINT s' }, 'simple');
        await expectSame(each, protocol);
        await expectSame({ sql: 'ROLLBACK TO s' }, 'simple');
        await expectSame({ sql: 'COMMIT' }, 'simple');
        await expectSameRows(each.sql);
      }
    });

    it('leave nothing behind after ROLLBACK', async () => {
      for (const each of simple) {
        await expectSame({ sql: 'BEGIN' }, 'simple');
        await expectSame(each, 'simple');
        await expectSame({ sql: 'ROLLBACK' }, 'simple');
        await expectSameRows(each.sql);
      }
    });
  });
});
