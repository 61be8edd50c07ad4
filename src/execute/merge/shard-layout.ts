// Shard layout: which column of a shard's row holds what when each shard has aggregated its rows.

import type { AggregateMerge, AggregateState, GroupValue, ShardColumn } from '../../plan/plan.ts';

/** Where the value of a grouping expression stands in the client's format. */
function groupTextColumn(group: number): number {
  return group * 2;
}

/** Where the same value stands in binary. */
export function groupBinaryColumn(group: number): number {
  return group * 2 + 1;
}

function partialCount(state: AggregateState): number {
  return state.combine === 'count' || state.combine === 'sum' ? 1 : 2;
}

/** Columns of a shard's row. */
export function aggregateColumnCount(merge: AggregateMerge): number {
  const ends = merge.states.map((state) => state.column + partialCount(state));
  return Math.max(merge.groupCount * 2, ...ends);
}

/** The column whose bytes are passed on in the client's format; null: the value is computed. */
export function passedColumn(merge: AggregateMerge, value: GroupValue): number | null {
  if (value.from === 'group') return groupTextColumn(value.index);
  const state = merge.states[value.index]!;
  return state.combine === 'min' || state.combine === 'max' ? state.column : null;
}

/**
 * The columns to fetch as text. A value that is put out both as text and in binary is fetched as
 * text here: its binary column serves the other.
 */
export function textColumns(
  merge: AggregateMerge,
  outputFormats: readonly number[],
): ReadonlySet<number> {
  const columns = new Set<number>();
  merge.output.forEach((value, i) => {
    const column = passedColumn(merge, value);
    if (column !== null && outputFormats[i] !== 1) columns.add(column);
  });
  return columns;
}

/** The position of a column in a row of `count` columns. */
export function columnPosition(column: ShardColumn, count: number): number {
  return 'index' in column ? column.index : count - 1 - column.fromEnd;
}
