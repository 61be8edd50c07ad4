// Locked engine: FOR UPDATE of what the merge engine computes; rows are found, then locked.

import { arrayOf } from '../execute/engine/array-parameter.ts';
import { lockRows } from '../execute/locked-rows.ts';
import { withoutHidden } from '../execute/merge/concat.ts';
import { formatAt, resolveBound, rowsWanted } from '../execute/parameters.ts';
import { RowSet } from '../execute/row-set.ts';
import { type EngineLocks, IDENTITY } from '../plan/engine-plan.ts';
import type { EngineInput, EngineMerge } from '../plan/plan.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { columnAt } from '../wire/row.ts';
import { openEngineRun } from './engine-run.ts';
import { withConnectionOf } from './everywhere.ts';
import type { GatherRun } from './gather-run.ts';
import { atHand } from './portal-rows.ts';
import { closeRunning, type RunningGather } from './running-gather.ts';

type EngineRun = Pick<GatherRun, 'execution' | 'description' | 'state' | 'context'>;

/**
 * The first rows in order that can be locked, and no others. A row that is no more as it was found may
 * have changed while it was waited for: all are computed again. Such rows come behind those that were
 * locked before. Rejects as openEngineRun does.
 */
export async function openLockedEngine(
  merge: EngineMerge,
  locks: EngineLocks,
  run: EngineRun,
): Promise<RunningGather> {
  const parameters = { ...run.execution.parameters, types: run.description.parameterTypes };
  const limit = resolveBound(locks.limit, 'LIMIT', parameters);
  const offset = resolveBound(locks.offset, 'OFFSET', parameters) ?? 0n;
  const visible = run.description.fields?.length ?? 0;
  const tried = new Set<string>();
  const locked: Buffer[] = [];
  let left = rowsWanted(limit, offset);
  for (let isFirst = true; ; isFirst = false) {
    const bound = left === null ? '' : ` LIMIT ${left + BigInt(tried.size)}`;
    const found = await find({ ...merge, ...bounded(merge, bound), locks: null }, locks, run);
    const fresh = found.filter((row) => !tried.has(identityOf(row, visible)));
    const next = left === null ? fresh : fresh.slice(0, Number(left));
    for (const row of next) tried.add(identityOf(row, visible));
    const own = isFirst || next.length > 0 ? await lockAll(next, visible, locks, run) : [];
    locked.push(...own);
    if (left !== null) left -= BigInt(own.length);
    if (own.length < next.length && left !== 0n) continue;
    return atHand(locked.slice(Number(offset)).map((row) => withoutHidden(row, visible)));
  }
}

function bounded({ alone, within }: EngineMerge, bound: string) {
  const withBound = (input: EngineInput): EngineInput => ({
    ...input,
    sql: input.sql + bound,
    marked: input.marked + bound,
  });
  return { alone: withBound(alone), within: within && withBound(within) };
}

/** All rows, with what tells them apart behind their columns. */
async function find(
  merge: EngineMerge,
  { tables }: EngineLocks,
  { execution, description, state, context }: EngineRun,
): Promise<readonly Buffer[]> {
  const fields = description.fields ?? [];
  const resultFormats = [
    ...fields.map((_, i) => formatAt(execution.resultFormats, i)),
    ...tables.flatMap(() => IDENTITY.map(() => 1)),
  ];
  const asked = { ...execution, resultFormats, extended: null };
  const running = await openEngineRun(merge, asked, description, state, context);
  const set = new RowSet(context.mergeBytesMax);
  try {
    for await (const rows of running.gather.batches) set.add(rows);
  } finally {
    await closeRunning(running);
  }
  return set.rows;
}

/** What stands behind the visible columns. */
function identityOf(row: Buffer, visible: number): string {
  let at = 2;
  for (let i = 0; i < visible; i++) at += 4 + Math.max(row.readInt32BE(at), 0);
  return row.toString('latin1', at);
}

/** Those of the rows that are locked now, of each table; shard by shard, in their order. */
async function lockAll(
  rows: readonly Buffer[],
  visible: number,
  { tables }: EngineLocks,
  { state }: EngineRun,
): Promise<readonly Buffer[]> {
  let left = rows;
  for (const [i, table] of tables.entries()) {
    const first = visible + i * IDENTITY.length;
    const shardOf = (row: Buffer) => columnAt(row, first)!.readInt32BE();
    const locked = new Set<Buffer>();
    // The right to lock is looked at even where there is no row.
    const shards = left.length === 0 ? [HOME_SHARD] : [...new Set(left.map(shardOf))];
    for (const shard of shards.sort((a, b) => a - b)) {
      const own = left.filter((row) => shardOf(row) === shard);
      const [, ...columns] = IDENTITY;
      const arrays = columns.map(({ typeOid }, j) => arrayOf(own, first + 1 + j, typeOid));
      const positions = await withConnectionOf(state)(shard, (connection) =>
        lockRows(connection, table, arrays),
      );
      for (const position of positions) locked.add(own[position]!);
    }
    left = left.filter((row) => locked.has(row));
  }
  return left;
}
