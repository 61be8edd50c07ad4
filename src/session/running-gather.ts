// Running gather: a merge whose rows are on their way to the client, or wait for it to ask for more.

import type { Gather } from '../execute/gather.ts';

export interface RunningGather {
  readonly gather: Gather;
  /** Rows fetched from the merge and not yet sent. */
  rest: readonly Buffer[];
  /** Gives back what the merge has borrowed; after gather.close(). */
  readonly release: () => void;
  /** In place of SELECT and how many it was. */
  readonly tag?: string;
}

export async function closeRunning(running: RunningGather): Promise<void> {
  await running.gather.close();
  running.release();
}
