// Combine: adds the partial results of a shard's row to those of the group it belongs to.

import { notSupported } from '../../base/errors.ts';
import type { AggregateMerge, AggregateState, AverageState } from '../../plan/plan.ts';
import { combinedVariance, encodeFloat8, type Spread } from '../../value/float.ts';
import { type BinaryAdder, binaryAdder } from '../../value/sum.ts';
import { TYPE, typeName } from '../../value/type-oid.ts';
import type { FieldDescription } from '../../wire/row.ts';
import type { GroupRow } from './group-value.ts';
import { provenComparator } from './row-order.ts';
import { internal } from './shard-fields.ts';

/** Changes `group` by the partials of `row`; both are laid out as a shard's row. */
export type Combiner = (group: GroupRow, row: GroupRow) => void;

/** One for each column pair to combine. 0A000 naming the first type that is not proven. */
export function combiners(
  merge: AggregateMerge,
  fields: readonly FieldDescription[],
): readonly Combiner[] {
  return merge.states.flatMap((state) => stateCombiners(state, fields));
}

function stateCombiners(
  state: AggregateState,
  fields: readonly FieldDescription[],
): readonly Combiner[] {
  const { combine, column } = state;
  const typeOid = fields[column]!.typeOid;
  switch (combine) {
    case 'count':
      return [countCombiner(column, fields)];
    case 'sum':
      return [addingCombiner(column, provenAdder(typeOid, combine))];
    case 'avg': {
      const sums = addingCombiner(column, provenAdder(typeOid, combine));
      const counts = countCombiner(column + 1, fields);
      if (typeOid !== TYPE.float8) return [sums, counts];
      return [varianceCombiner(state), sums, counts];
    }
    default:
      return [extremeCombiner(combine, column, fields)];
  }
}

function countCombiner(column: number, fields: readonly FieldDescription[]): Combiner {
  if (fields[column]!.typeOid !== TYPE.int8) throw internal('a partial count is not a bigint');
  return addingCombiner(column, provenAdder(TYPE.int8, 'count'));
}

function provenAdder(typeOid: number, aggregate: string): BinaryAdder {
  const adder = binaryAdder(typeOid);
  if (adder !== null) return adder;
  throw notSupported(
    `${aggregate} with partial sums of type ${typeName(typeOid)} of several shards`,
    'Cast the argument to numeric or double precision, or give the sharding key.',
  );
}

/** A partial sum over no values is NULL and counts for nothing. */
function addingCombiner(column: number, add: BinaryAdder): Combiner {
  return (group, row) => {
    const more = row[column]!;
    if (more === null) return;
    const sum = group[column]!;
    group[column] = sum === null ? Buffer.from(more) : add(sum, more);
  };
}

/**
 * PostgreSQL computes the variance beside an average of floating-point numbers, and fails where that
 * overflows. Reads the sums and counts of both before they are added.
 */
function varianceCombiner({ column, varianceColumn }: AverageState): Combiner {
  if (varianceColumn === null) {
    throw internal('an average of floating-point numbers lacks their variance');
  }
  const read = (row: GroupRow): Spread | null => {
    const [sum, count, variance] = [row[column]!, row[column + 1]!, row[varianceColumn]!];
    if (sum === null || count === null || variance === null) return null;
    return {
      count: Number(count.readBigInt64BE(0)),
      sum: sum.readDoubleBE(0),
      variance: variance.readDoubleBE(0),
    };
  };
  return (group, row) => {
    const more = read(row);
    if (more === null) return;
    const spread = read(group);
    group[varianceColumn] =
      spread === null
        ? Buffer.from(row[varianceColumn]!)
        : encodeFloat8(combinedVariance(spread, more));
  };
}

/** The winner's bytes in the client's format move along with those compared. */
function extremeCombiner(
  combine: 'min' | 'max',
  column: number,
  fields: readonly FieldDescription[],
): Combiner {
  const compare = provenComparator(fields[column + 1]!.typeOid, combine);
  const direction = combine === 'min' ? 1 : -1;
  return (group, row) => {
    const candidate = row[column + 1]!;
    if (candidate === null) return;
    const best = group[column + 1]!;
    if (best !== null && compare(candidate, best) * direction >= 0) return;
    group[column + 1] = Buffer.from(candidate);
    const shown = row[column]!;
    group[column] = shown === null ? null : Buffer.from(shown);
  };
}
