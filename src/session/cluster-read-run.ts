// Cluster reads: what each shard tells of its own part, put into the statement for the home shard.

import { textArray } from '../base/quote.ts';
import { type ClusterMerge, SEQUENCE_LEAF } from '../plan/cluster-merge.ts';
import { hasParts } from '../plan/cluster-sizes.ts';
import { withLeaves } from '../plan/engine-plan.ts';
import type { ConcatMerge } from '../plan/plan.ts';
import { query } from '../pool/query.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { namesOf } from './cluster-sizes.ts';
import type { SessionContext } from './context.ts';
import { askShard, withConnectionOf } from './everywhere.ts';
import type { SessionState } from './state.ts';

interface Place {
  readonly value: bigint;
  readonly isCalled: boolean;
  readonly upwards: boolean;
}

/** The statement as the home shard alone answers it. Rejects with SqlError and ServerError. */
export async function asHomeAnswers(
  merge: ClusterMerge,
  state: SessionState,
  context: SessionContext,
): Promise<ConcatMerge> {
  const places = await placesOf(merge, state, context);
  const statistics = await statisticsOf(merge, state, context);
  const before = withLeaves(merge.marked, (leaf) => {
    const told = leaf === SEQUENCE_LEAF ? places : statistics;
    // A backslash before the quotes of a name stands for itself: strings are standard-conforming.
    return told.replaceAll("'", "''");
  });
  return {
    how: 'concat',
    shardSql: { before, after: '', pushLimit: false },
    ...{ hiddenColumns: 0, sort: [], distinct: false, limit: null, offset: null, locks: null },
  };
}

/** As drive.sequence_row() takes it. */
async function placesOf(
  { sequences }: ClusterMerge,
  state: SessionState,
  context: SessionContext,
): Promise<string> {
  const wanted = sequences === null ? 'NULL' : textArray(sequences);
  const places = new Map<string, Place>();
  const asksForNone = sequences !== null && sequences.length === 0;
  for (const { id } of asksForNone ? [] : context.topology().shards) {
    const sql = `SELECT * FROM drive.sequence_states(${wanted})`;
    const { rows } = await withConnectionOf(state)(id, (connection) => query(connection, sql));
    for (const [name, value, called, upwards] of rows) {
      const own = { value: BigInt(value!), isCalled: called === 't', upwards: upwards === 't' };
      const known = places.get(name!);
      if (known === undefined || isFarther(own, known)) places.set(name!, own);
    }
  }
  const text = [...places].map(([name, { value, isCalled }]) => [name, [String(value), isCalled]]);
  return JSON.stringify(Object.fromEntries(text));
}

/** What the other shards have counted, as the functions of schema drive take it. */
async function statisticsOf(
  { statistics }: ClusterMerge,
  state: SessionState,
  context: SessionContext,
): Promise<string> {
  if (statistics.length === 0) return '';
  const tables = [...context.topology().catalog.tables()].filter(hasParts);
  const sql = `SELECT drive.statistics(${textArray(statistics)}, ${namesOf(tables)})`;
  const told: string[] = [];
  for (const { id } of context.topology().shards) {
    if (id === HOME_SHARD) continue;
    const { rows } = await askShard(id, state, (connection) => query(connection, sql));
    told.push(rows[0]![0]!);
  }
  return `[${told.join()}]`;
}

/** The last value of all that were given; where none was, the first that will be. */
function isFarther(own: Place, known: Place): boolean {
  if (own.isCalled !== known.isCalled) return own.isCalled;
  if (own.value === known.value) return false;
  return own.value > known.value === (own.isCalled === own.upwards);
}
