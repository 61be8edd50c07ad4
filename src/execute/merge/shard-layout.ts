// Shard layout: which column of a shard's row holds what when each shard has aggregated its rows.

import type {
  AggregateMerge,
  AggregateState,
  AverageState,
  GroupValue,
  ShardColumn,
} from '../../plan/plan.ts';
import { TYPE } from '../../value/type-oid.ts';
import type { FieldDescription } from '../../wire/row.ts';

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

type Fields = readonly FieldDescription[];

/** The merge that asks for variances, too, of the averages that `output`, what is put out, shows to be of floats. */
export function withShownVariances(merge: AggregateMerge, output: Fields): AggregateMerge {
  const shows = (value: GroupValue, index: number) =>
    value.from === 'state' && value.index === index;
  return withVariances(merge, (_, index) =>
    merge.output.some((value, i) => shows(value, index) && output[i]?.typeOid === TYPE.float8),
  );
}

/** Of all averages of floats, by a shard's row; `merge` itself where it lacks none. */
export function withAllVariances(merge: AggregateMerge, row: Fields): AggregateMerge {
  return withVariances(merge, ({ column }) => row[column]?.typeOid === TYPE.float8);
}

function withVariances(
  merge: AggregateMerge,
  isFloat: (state: AverageState, index: number) => boolean,
): AggregateMerge {
  const asked: string[] = [];
  const first = aggregateColumnCount(merge);
  const states = merge.states.map((state, index) => {
    const lacks = state.combine === 'avg' && state.varianceColumn === null;
    if (!lacks || !isFloat(state, index)) return state;
    return { ...state, varianceColumn: first + asked.push(state.variance) - 1 };
  });
  if (asked.length === 0) return merge;
  const { shardSql } = merge;
  const before = [shardSql.before, ...asked].join(', ');
  return { ...merge, states, shardSql: { ...shardSql, before } };
}

/** Columns of a shard's row. */
export function aggregateColumnCount(merge: AggregateMerge): number {
  const ends = merge.states.flatMap((state) => [
    state.column + partialCount(state),
    state.combine === 'avg' && state.varianceColumn !== null ? state.varianceColumn + 1 : 0,
  ]);
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
