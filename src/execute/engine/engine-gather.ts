// Engine gather: the rows that the merge engine computes, as those of any merge.

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

/** Positions count characters of the engine's text, which the client has not sent. */
export function withoutPosition(error: unknown): unknown {
  if (!(error instanceof ServerError) || !error.fields.all.has('P')) return error;
  const all = new Map(error.fields.all);
  all.delete('P');
  return new ServerError({ ...error.fields, all });
}
