// Having: conditions over merged groups, with PostgreSQL's comparison types and SQL's NULLs.

import { notSupported } from '../../base/errors.ts';
import type { Condition, ConditionOperand } from '../../plan/plan.ts';
import { checkedBinary } from '../../value/binary-input.ts';
import { binaryCast, comparisonType } from '../../value/cast.ts';
import type { OutputStyle } from '../../value/output-style.ts';
import { binaryFromText } from '../../value/text-input.ts';
import { TYPE, typeName } from '../../value/type-oid.ts';
import type { GroupRow, ValueReader } from './group-value.ts';
import type { MergeParameter } from './merge-request.ts';
import { provenComparator } from './row-order.ts';
import { internal } from './shard-fields.ts';

/** true, false, or null for SQL's unknown. */
export type Test = (row: GroupRow) => boolean | null;

export interface HavingContext {
  readonly reader: (value: ConditionOperand & { readonly from: 'group' | 'state' }) => ValueReader;
  readonly parameter: (index: number) => MergeParameter;
  readonly style: OutputStyle;
}

type Comparison = Condition & { readonly op: '=' | '<>' | '<' | '<=' | '>' | '>=' };

/** One side of a comparison: a value of a known type, or a text that takes the other side's. */
type Operand = ValueReader | { readonly unknownText: string } | null;

const VERDICTS: Readonly<Record<Comparison['op'], (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '<>': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

/** Compiles a condition. 22P02, 22003 for bad literals, 0A000 for types that are not proven. */
export function conditionTest(condition: Condition, context: HavingContext): Test {
  switch (condition.op) {
    case 'and':
    case 'or': {
      const tests = condition.args.map((arg) => conditionTest(arg, context));
      return connective(tests, condition.op === 'or');
    }
    case 'not': {
      const test = conditionTest(condition.arg, context);
      return (row) => {
        const result = test(row);
        return result === null ? null : !result;
      };
    }
    case 'isNull': {
      const { binary } = context.reader(condition.value);
      return (row) => binary(row) === null;
    }
    default:
      return comparison(condition, context);
  }
}

/** OR for `decisive` true, AND for false: one such argument decides, else unknown ones do. */
function connective(tests: readonly Test[], decisive: boolean): Test {
  return (row) => {
    let unknown = false;
    for (const test of tests) {
      const result = test(row);
      if (result === decisive) return decisive;
      if (result === null) unknown = true;
    }
    return unknown ? null : !decisive;
  };
}

function comparison(condition: Comparison, context: HavingContext): Test {
  const left = operand(condition.left, context);
  const right = operand(condition.right, context);
  // The operators are strict: a NULL on either side makes the result unknown.
  if (left === null || right === null) return () => null;
  const typeOid = commonType(left, right);
  const compare = provenComparator(typeOid, 'HAVING');
  const verdict = VERDICTS[condition.op];
  const readLeft = castReader(left, typeOid, context.style);
  const readRight = castReader(right, typeOid, context.style);
  return (row) => {
    const a = readLeft(row);
    const b = readRight(row);
    return a === null || b === null ? null : verdict(compare(a, b));
  };
}

function commonType(left: NonNullable<Operand>, right: NonNullable<Operand>): number {
  if ('unknownText' in left) return 'unknownText' in right ? TYPE.text : right.typeOid;
  if ('unknownText' in right) return left.typeOid;
  const common = comparisonType(left.typeOid, right.typeOid);
  if (common !== null) return common;
  const types = `${typeName(left.typeOid)} with type ${typeName(right.typeOid)}`;
  throw notSupported(
    `HAVING compares type ${types} over several shards`,
    'Cast one side to the type of the other.',
  );
}

function castReader(
  from: NonNullable<Operand>,
  typeOid: number,
  style: OutputStyle,
): (row: GroupRow) => Buffer | null {
  if ('unknownText' in from) {
    const value = binaryFromText(typeOid, from.unknownText, style);
    return () => value;
  }
  const { binary } = from;
  if (from.typeOid === typeOid) return binary;
  const cast = binaryCast(from.typeOid, typeOid);
  return (row) => {
    const value = binary(row);
    return value === null ? null : cast(value);
  };
}

/** null: the operand is NULL whatever the row. */
function operand(source: ConditionOperand, context: HavingContext): Operand {
  switch (source.from) {
    case 'group':
    case 'state':
      return context.reader(source);
    case 'parameter':
      return parameterOperand(context.parameter(source.index), context.style);
    case 'literal':
      return literalOperand(source.kind, source.text, context.style);
  }
}

function parameterOperand(parameter: MergeParameter, style: OutputStyle): Operand {
  const { value, format, typeOid } = parameter;
  if (value === null) return null;
  if (typeOid === 0 || typeOid === TYPE.unknown) return { unknownText: value.toString('utf8') };
  if (format === 1) return constant(typeOid, checkedBinary(typeOid, value));
  return constant(typeOid, binaryFromText(typeOid, value.toString('utf8'), style));
}

function literalOperand(
  kind: (ConditionOperand & { readonly from: 'literal' })['kind'],
  text: string,
  style: OutputStyle,
): Operand {
  switch (kind) {
    case 'null':
      return null;
    case 'string':
      return { unknownText: text };
    case 'boolean':
      return constant(TYPE.bool, binaryFromText(TYPE.bool, text, style));
    case 'decimal':
      return constant(TYPE.numeric, binaryFromText(TYPE.numeric, decimalText(text), style));
    case 'integer':
      return integerOperand(decimalText(text), style);
  }
}

/** An integer literal is an int4, int8 or numeric, whichever is the first to hold it. */
function integerOperand(text: string, style: OutputStyle): Operand {
  const value = BigInt(text);
  const typeOid =
    BigInt.asIntN(32, value) === value
      ? TYPE.int4
      : BigInt.asIntN(64, value) === value
        ? TYPE.int8
        : TYPE.numeric;
  return constant(typeOid, binaryFromText(typeOid, text, style));
}

/** Without the digit separators, and 0x, 0o, 0b as decimal. */
function decimalText(text: string): string {
  const match = /^([+-]?)\s*(0[xob][\da-f]+|[\d.]+(?:e[+-]?\d+)?)$/i.exec(text.replaceAll('_', ''));
  if (match === null) throw internal(`not a number: ${text}`);
  const [, sign, digits] = match;
  const isRadix = /^0[xob]/i.test(digits!);
  return (sign === '-' ? '-' : '') + (isRadix ? BigInt(digits!).toString() : digits!);
}

function constant(typeOid: number, value: Buffer): ValueReader {
  return { typeOid, binary: () => value };
}
