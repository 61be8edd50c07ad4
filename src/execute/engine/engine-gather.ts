// Engine gather: the rows that the merge engine computes, as those of any merge.

import { SqlError } from '../../base/errors.ts';
import { SQLSTATE } from '../../base/sqlstate.ts';
import { severalShards } from '../../plan/unsupported.ts';
import { ServerError } from '../../pool/query.ts';
import type { Gather } from '../gather.ts';
import type { PortalStream } from '../portal-stream.ts';
import type { ShardStream } from '../shard-stream.ts';

/**
 * `ended` is called once the server owes nothing; `isWell`: without an error. `told`: a row as the client is to
 * have it; null: as it is.
 */
export function engineGather(
  stream: Pick<ShardStream | PortalStream, 'next' | 'discard'>,
  ended: (isWell: boolean) => Promise<void>,
  told: ((row: Buffer) => Buffer) | null = null,
): Gather {
  let isWell = true;
  async function* batches(): AsyncGenerator<readonly Buffer[]> {
    try {
      for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
        yield told === null ? batch : batch.map(told);
      }
    } catch (error) {
      isWell = false;
      throw withoutPosition(error);
    }
  }
  const generator = batches();
  return {
    batches: generator,
    close: async () => {
      await generator.return(undefined);
      await stream.discard();
      await ended(isWell);
    },
    // What it has met there, the rows have told.
    late: () => null,
  };
}

/** What another transaction has made, and not yet committed. */
const UNKNOWN: ReadonlySet<string | undefined> = new Set([
  SQLSTATE.undefinedObject,
  SQLSTATE.undefinedFunction,
  SQLSTATE.undefinedSchema,
]);

/** A copy's row where a row of its table is meant. */
const NAMES_COPY = /\bdrive_leaf_\d+\b|\brecord\b/;

/**
 * Positions count characters of the engine's text, which the client has not sent. That the statement is right its
 * description has told: what the engine does not know then is refused. `isBeside`: it is in another transaction.
 */
export function withoutPosition(error: unknown, isBeside = false): unknown {
  if (!(error instanceof ServerError)) return error;
  const { code, message } = error.fields;
  const isUnknown = UNKNOWN.has(code);
  if (isBeside && isUnknown && (error.fields.all.has('P') || code === SQLSTATE.undefinedSchema)) {
    return new SqlError(severalShards('engineInTransaction'));
  }
  if (!error.fields.all.has('P')) return error;
  if ((isUnknown || code === SQLSTATE.cannotCoerce) && NAMES_COPY.test(message)) {
    return new SqlError(severalShards('text'));
  }
  const all = new Map(error.fields.all);
  all.delete('P');
  return new ServerError({ ...error.fields, all });
}
