// Copy runner: a COPY over several shards, between a client's socket and the shards.

import { makeCopiesAlike } from '../execute/copies-alike.ts';
import { type CopyIn, type CopyInResult, openCopyIn } from '../execute/copy-in.ts';
import { openCopyOut } from '../execute/copy-out.ts';
import { type TimedCopyIn, timedCopyIn } from '../execute/copy-timed.ts';
import { refuseStrays } from '../execute/straying.ts';
import type { CopyInMerge, CopyOutMerge } from '../plan/copy-merge.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { releaseMemory } from '../wire/bytes.ts';
import { encodeCopyInResponse } from '../wire/copy.ts';
import { encodeNoticeFields } from '../wire/error-response.ts';
import { encodeCommandComplete } from '../wire/query.ts';
import type { ClientStream } from './client-stream.ts';
import { startOf } from './clock.ts';
import type { CopyInbox } from './copy-inbox.ts';
import type { Execution, RunnerDependencies } from './execution.ts';
import type { SessionState } from './state.ts';

/** Answers with everything but ReadyForQuery. `connections`: one a target, owing nothing. */
export async function runCopy(
  d: RunnerDependencies,
  execution: Execution,
  merge: CopyInMerge | CopyOutMerge,
  targets: readonly number[],
  connections: () => Promise<{ connections: ServerConnection[]; release: () => void }>,
): Promise<void> {
  const { routes } = d.context.counters;
  if (merge.how === 'copyIn') {
    routes.written += 1;
    await copyIn(d, execution, merge, targets);
    return;
  }
  routes.gathered += 1;
  const lent = await connections();
  try {
    d.state.settlePlan();
    await sendCopyOut(d.client, lent.connections, execution.sql, merge);
  } finally {
    lent.release();
  }
}

/** All rows on all shards, or none. */
async function copyIn(
  d: RunnerDependencies,
  execution: Execution,
  merge: CopyInMerge,
  targets: readonly number[],
): Promise<void> {
  const { context, state, client, inbox } = d;
  const own = state.transaction === null ? state.beginOwn() : null;
  const timed = targets.length > 1 ? await timedAt(merge, state) : null;
  const copy = await openCopyIn({
    transaction: state.transaction!,
    targets,
    sql: timed?.sql ?? execution.sql,
    merge,
    leading: timed?.leading ?? null,
    placement: context.topology().placement,
    failed: () => inbox.abort(new Error('a shard has refused its rows')),
    notice: (fields) => client.write(encodeNoticeFields(fields)),
  });
  inbox.open(execution.extended?.afterCopy ?? 'none');
  client.write(encodeCopyInResponse(copy.response));
  d.copiesIn();
  const { tag, rows } = await fill(copy, inbox);
  if (execution.plan.op === 'routed') {
    const { strays, alike } = execution.plan;
    if (strays !== null) {
      await refuseStrays(state.transaction!, targets, strays, context.topology().placement);
    }
    await makeCopiesAlike(state.transaction!, alike, context.mergeBytesMax);
  }
  if (own !== null) await state.endTransaction('commit');
  state.copied = rows;
  client.write(encodeCommandComplete(tag));
}

/** On the server whose time is the transaction's. */
async function timedAt(merge: CopyInMerge, state: SessionState): Promise<TimedCopyIn | null> {
  if (merge.timed === null) return null;
  const time = await startOf(state);
  const [first] = state.transaction!.participants.values();
  return timedCopyIn(first!, merge.timed, merge.format, time);
}

async function fill(copy: CopyIn, inbox: CopyInbox): Promise<CopyInResult> {
  try {
    for (;;) {
      if (copy.hasFailed) throw new Error('a shard has refused its rows');
      const next = await inbox.next();
      if (next.event === 'done') return await copy.finish();
      if (next.event === 'fail') throw await copy.failedByClient(next.reason);
      for (const chunk of next.chunks) {
        const ready = copy.push(chunk);
        if (copy.copies) releaseMemory(chunk);
        if (ready !== null) await ready;
      }
    }
  } catch (error) {
    // What a server says about an earlier row is what one PostgreSQL would have said.
    throw (await copy.stop('the COPY has failed elsewhere')) ?? error;
  }
}

/** Answers with everything but ReadyForQuery. */
export async function sendCopyOut(
  client: ClientStream,
  connections: readonly ServerConnection[],
  sql: string,
  merge: CopyOutMerge,
): Promise<void> {
  const copy = await openCopyOut(connections, sql, merge);
  try {
    for await (const bytes of copy.messages) {
      if (!client.pass(bytes)) await client.drained();
      // Left to the collector, it would come for each 64 MB by collecting everything.
      if (client.backlogBytes === 0) releaseMemory(bytes);
    }
  } finally {
    await copy.close();
  }
  client.write(encodeCommandComplete(`COPY ${copy.rows()}`));
}
