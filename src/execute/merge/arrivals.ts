// Arrivals: the batches of several shards in the order they come, none waiting for a slow shard.

import type { ShardRows } from './merge-request.ts';

type Arrival =
  | { readonly input: ShardRows; readonly batch: readonly Buffer[] | null }
  | { readonly error: unknown };

/**
 * Each shard is asked for its next batch when its last one has been taken, so at most one batch of
 * each is held here. Rethrows what a shard's next() threw. Closing leaves the open next() calls to
 * settle by themselves, whatever becomes of them.
 */
export async function* arrivals(inputs: readonly ShardRows[]): AsyncGenerator<readonly Buffer[]> {
  const arrived: Arrival[] = [];
  let wake: (() => void) | null = null;
  const arrive = (arrival: Arrival) => {
    arrived.push(arrival);
    wake?.();
  };
  const ask = (input: ShardRows) => {
    input.next().then(
      (batch) => arrive({ input, batch }),
      (error: unknown) => arrive({ error }),
    );
  };
  inputs.forEach(ask);
  let open = inputs.length;
  while (open > 0) {
    const arrival = arrived.shift();
    if (arrival === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      wake = null;
      continue;
    }
    if ('error' in arrival) throw arrival.error;
    if (arrival.batch === null) {
      open--;
      continue;
    }
    yield arrival.batch;
    ask(arrival.input);
  }
}
