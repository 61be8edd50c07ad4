// Sequence reads: where the cluster's sequences are, from where each shard's are.

import { quoteLiteral } from '../base/quote.ts';
import { withLeaves } from '../plan/engine-plan.ts';
import type { ConcatMerge } from '../plan/plan.ts';
import type { SequencesMerge } from '../plan/sequence-merge.ts';
import { query } from '../pool/query.ts';
import type { SessionContext } from './context.ts';
import { withConnectionOf } from './everywhere.ts';
import type { SessionState } from './state.ts';

interface Place {
  readonly value: bigint;
  readonly isCalled: boolean;
  readonly upwards: boolean;
}

/** The statement as the home shard alone answers it. Rejects with SqlError and ServerError. */
export async function mergeWithStates(
  { sequences, marked }: SequencesMerge,
  state: SessionState,
  context: SessionContext,
): Promise<ConcatMerge> {
  const wanted = sequences === null ? 'NULL' : `ARRAY[${sequences.map(quoteLiteral)}]::text[]`;
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
  // A backslash before the quotes of a name stands for itself: strings are standard-conforming.
  const literal = JSON.stringify(Object.fromEntries(text)).replaceAll("'", "''");
  const before = withLeaves(marked, () => literal);
  return {
    how: 'concat',
    shardSql: { before, after: '', pushLimit: false },
    ...{ hiddenColumns: 0, sort: [], distinct: false, limit: null, offset: null, locks: null },
  };
}

/** The last value of all that were given; where none was, the first that will be. */
function isFarther(own: Place, known: Place): boolean {
  if (own.isCalled !== known.isCalled) return own.isCalled;
  if (own.value === known.value) return false;
  return own.value > known.value === (own.isCalled === own.upwards);
}
