// Group values: the grouping expressions and aggregates of a merged group, read from its row.

import { notSupported } from '../../base/errors.ts';
import type { AggregateMerge, GroupValue } from '../../plan/plan.ts';
import type { OutputStyle } from '../../value/output-style.ts';
import { binaryAverager } from '../../value/sum.ts';
import { textOutput } from '../../value/text-output.ts';
import { TYPE, typeName } from '../../value/type-oid.ts';
import type { FieldDescription } from '../../wire/row.ts';
import { internal } from './shard-fields.ts';
import { groupBinaryColumn, passedColumn } from './shard-layout.ts';

/** A merged group: laid out as a shard's row, its partials combined. */
export type GroupRow = (Buffer | null)[];

export interface ValueReader {
  readonly typeOid: number;
  /** The value in binary format; null is SQL's NULL. */
  readonly binary: (row: GroupRow) => Buffer | null;
}

/** How to read `value`'s binary form. 0A000 for averages of types that are not proven. */
export function valueReader(
  merge: AggregateMerge,
  fields: readonly FieldDescription[],
  value: GroupValue,
): ValueReader {
  if (value.from === 'group') return columnReader(fields, groupBinaryColumn(value.index));
  const { combine, column } = merge.states[value.index]!;
  if (combine === 'count' || combine === 'sum') return columnReader(fields, column);
  if (combine === 'min' || combine === 'max') return columnReader(fields, column + 1);
  const sumType = fields[column]!.typeOid;
  const averager = binaryAverager(sumType);
  if (averager === null) {
    throw notSupported(
      `avg over sums of type ${typeName(sumType)} of several shards`,
      'Cast the argument to numeric or double precision, or give the sharding key.',
    );
  }
  return {
    typeOid: averager.typeOid,
    binary: (row) => {
      const sum = row[column]!;
      const count = row[column + 1]!;
      if (sum === null || count === null || count.readBigInt64BE(0) === 0n) return null;
      return averager.divide(sum, count);
    },
  };
}

function columnReader(fields: readonly FieldDescription[], column: number): ValueReader {
  return { typeOid: fields[column]!.typeOid, binary: (row) => row[column]! };
}

/** How to read `value` in the format of the client's column `field`. */
export function outputReader(
  merge: AggregateMerge,
  fields: readonly FieldDescription[],
  value: GroupValue,
  field: FieldDescription,
  style: OutputStyle,
): (row: GroupRow) => Buffer | null {
  const { typeOid, binary } = valueReader(merge, fields, value);
  if (typeOid !== field.typeOid) {
    throw internal(
      `column "${field.name}" of type ${typeName(field.typeOid)} ` +
        `is merged as type ${typeName(typeOid)}`,
    );
  }
  if (field.format === 1) return binary;
  const passed = passedColumn(merge, value);
  if (passed !== null) return (row) => row[passed]!;
  const text = textOutput(typeOid, style);
  if (text === null) throw unknownText(typeOid);
  return (row) => {
    const bytes = binary(row);
    return bytes === null ? null : text(bytes);
  };
}

function unknownText(typeOid: number): Error {
  const hints: ReadonlyMap<number, string> = new Map<number, string>([
    [TYPE.interval, 'SET IntervalStyle = postgres, or ask for binary results.'],
    [TYPE.float8, 'SET extra_float_digits = 1, or ask for binary results.'],
  ]);
  return notSupported(
    `an aggregate of type ${typeName(typeOid)} of several shards as text`,
    hints.get(typeOid) ?? 'Cast the argument to numeric, or give the sharding key.',
  );
}
