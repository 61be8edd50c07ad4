// Broadcast: a statement on all shards, each of which gets the rows of small leaves as parameters.

import { SqlError } from '../../base/errors.ts';
import { SQLSTATE } from '../../base/sqlstate.ts';
import type { Broadcast } from '../../plan/engine-plan.ts';
import type { AggregateMerge, ConcatMerge } from '../../plan/plan.ts';
import type { ServerConnection } from '../../pool/server-connection.ts';
import type { Description } from '../describe.ts';
import { type Gather, openGather } from '../gather.ts';
import type { BoundParameters } from '../parameters.ts';

type Merge = ConcatMerge | AggregateMerge;

/** The merge with the leaves in their places; `relations`: of all leaves, as SQL. */
export function givenTo({ small, merge }: Broadcast, relations: readonly string[]): Merge {
  const named = (sql: string) =>
    small.reduce((text, leaf) => {
      const name = new RegExp(`pg_temp\\.drive_leaf_${leaf + 1}(?!\\d)`, 'g');
      return text.replace(name, () => relations[leaf]!);
    }, sql);
  const { before, after, pushLimit } = merge.shardSql;
  const shardSql = { before: named(before), after: named(after), pushLimit };
  if (merge.how === 'concat') return { ...merge, shardSql };
  const states = merge.states.map((state) =>
    state.combine === 'avg' ? { ...state, variance: named(state.variance) } : state,
  );
  return { ...merge, shardSql, states };
}

export interface BroadcastRequest {
  /** Of the client's statement. */
  readonly description: Description;
  readonly resultFormats: readonly number[];
  /** As of GatherRequest. */
  readonly batchRows: number | null;
  readonly rowsMax: number;
  readonly bytesMax: number;
}

/**
 * With its first rows, so that types that cannot be merged are met before the client is told
 * anything: null then, with nothing owed. Rejects as openGather does.
 */
export async function openBroadcast(
  merge: Merge,
  parameters: BoundParameters,
  connections: readonly ServerConnection[],
  request: BroadcastRequest,
): Promise<Gather | null> {
  const { fields } = request.description;
  const description = { fields, parameterTypes: parameters.types };
  const gather = await openGather({
    ...request,
    keep: null,
    merge,
    parameters,
    connections,
    description,
  });
  let first: readonly Buffer[];
  try {
    const { value, done } = await gather.batches.next();
    first = done ? [] : value;
  } catch (error) {
    await gather.close();
    if (error instanceof SqlError && error.code === SQLSTATE.featureNotSupported) return null;
    throw error;
  }
  async function* batches(): AsyncGenerator<readonly Buffer[]> {
    if (first.length > 0) yield first;
    yield* gather.batches;
  }
  const generator = batches();
  return {
    batches: generator,
    close: async () => {
      await generator.return(undefined);
      await gather.close();
    },
    late: () => gather.late(),
  };
}
