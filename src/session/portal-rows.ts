// Portal rows: what a portal is sent of an answer's rows, as many as it asks for, and how it ends.

import { MERGE_BATCH_ROWS } from '../base/limits.ts';
import { PORTAL_SUSPENDED } from '../wire/extended.ts';
import { encodeCommandComplete } from '../wire/query.ts';
import { encodeRowDescription, type FieldDescription, frameDataRow } from '../wire/row.ts';
import { type Execution, isDescribed, type RunnerDependencies } from './execution.ts';
import { closeRunning, type RunningGather } from './running-gather.ts';
import type { OpenPortal } from './state.ts';

type Answering = Pick<RunnerDependencies, 'client' | 'state'>;

/** Rows that have all been gathered. */
export interface GatheredAnswer {
  readonly fields: readonly FieldDescription[];
  /** Bodies of DataRow. */
  readonly rows: readonly Buffer[];
  readonly tag: string;
}

/** Answers with rows that have all been gathered, and everything else but ReadyForQuery. */
export function answerGathered(
  { fields, rows, tag }: GatheredAnswer,
  execution: Execution,
  d: Answering,
): Promise<void> {
  return answerRows({ ...atHand(rows), tag }, fields, execution, d);
}

/** The same for rows that are still to come. */
export function answerRows(
  running: RunningGather,
  fields: readonly FieldDescription[],
  execution: Execution,
  d: Answering,
): Promise<void> {
  if (isDescribed(execution)) d.client.write(encodeRowDescription([...fields]));
  const { open = null, maxRows = 0 } = execution.extended ?? {};
  if (open !== null) open.running = running;
  return sendRows(running, open, maxRows, d);
}

/** Sends `maxRows` at most (0: all), and the tag or that there may be more. `open`: the portal they belong to. */
export async function sendRows(
  running: RunningGather,
  open: OpenPortal | null,
  maxRows: number,
  { client, state }: Answering,
): Promise<void> {
  const limit = maxRows === 0 ? Number.POSITIVE_INFINITY : maxRows;
  let sent = 0;
  let suspended = false;
  try {
    for (;;) {
      if (running.rest.length === 0) {
        const { value, done } = await running.gather.batches.next();
        if (done) break;
        running.rest = value;
      }
      const rows = running.rest.slice(0, limit - sent);
      running.rest = running.rest.slice(rows.length);
      sent += rows.length;
      const bytes = Buffer.concat(rows.map(frameDataRow));
      if (bytes.length > 0 && !client.write(bytes)) await client.drained();
      if (sent === limit) {
        suspended = true;
        break;
      }
    }
  } finally {
    if (!suspended) {
      if (open !== null) open.running = null;
      await closeRunning(running);
    }
  }
  // It has ended the transaction there, whether one server would have come to that row or not.
  const late = suspended || state.transaction === null ? null : running.gather.late();
  if (late !== null) throw late;
  // Of what was done at once it counts the rows that were sent now, too.
  const { tag = 'SELECT 0' } = running;
  client.write(suspended ? PORTAL_SUSPENDED : encodeCommandComplete(counting(tag, sent)));
  if (open !== null && !suspended) open.ended = { tag: counting(tag, 0) };
}

/** The tag of as many rows; that of EXPLAIN and SHOW counts none. */
const counting = (tag: string, rows: number): string => tag.replace(/\d+$/, `${rows}`);

/** Rows that have all been gathered, to be sent as many as are asked for. */
export function atHand(rows: readonly Buffer[]): RunningGather {
  async function* slices(): AsyncGenerator<readonly Buffer[]> {
    for (let at = 0; at < rows.length; at += MERGE_BATCH_ROWS) {
      yield rows.slice(at, at + MERGE_BATCH_ROWS);
    }
  }
  const batches = slices();
  const close = async () => {
    await batches.return(undefined);
  };
  return { gather: { batches, close, late: () => null }, rest: [], release: () => undefined };
}
