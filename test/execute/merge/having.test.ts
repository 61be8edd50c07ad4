// HAVING: three-valued logic and the types in which PostgreSQL compares.

import { describe, expect, it } from 'vitest';
import type { MergeParameter } from '../../../src/execute/merge/merge-request.ts';
import type { Condition, ConditionOperand } from '../../../src/plan/plan.ts';
import { TYPE } from '../../../src/value/type-oid.ts';
import {
  ArrayShard,
  aggregate,
  collect,
  field,
  float8,
  int4,
  int8,
  numeric,
  text,
  type Value,
} from './shard-rows.ts';

type Comparing = '=' | '<>' | '<' | '<=' | '>' | '>=';
type Literal = ConditionOperand & { readonly from: 'literal' };

const MAX: ConditionOperand = { from: 'state', index: 0 };
const literal = (kind: Literal['kind'], value = ''): Literal => ({
  from: 'literal',
  kind,
  text: value,
});
const compare = (op: Comparing, right: ConditionOperand): Condition => ({ op, left: MAX, right });

/** Whether the group of one max() over `value` passes. */
async function passes(
  typeOid: number,
  value: Value,
  having: Condition,
  parameter?: MergeParameter,
): Promise<boolean> {
  const fields = [field(typeOid, 1), field(typeOid, 1)];
  const rows = await collect({
    merge: aggregate({
      groupCount: 0,
      states: [{ combine: 'max', column: 0 }],
      output: [{ from: 'state', index: 0 }],
      having,
    }),
    inputs: [new ArrayShard(fields, [[value, value]])],
    output: [field(typeOid, 1)],
    parameter: () => parameter!,
  });
  return rows.length === 1;
}

const TRUE = compare('=', literal('integer', '1'));
const FALSE = compare('=', literal('integer', '2'));
const UNKNOWN = compare('=', literal('null'));
const and = (...args: Condition[]): Condition => ({ op: 'and', args });
const or = (...args: Condition[]): Condition => ({ op: 'or', args });
const not = (arg: Condition): Condition => ({ op: 'not', arg });

describe('Conditions', () => {
  it.each([
    ['true', TRUE, true],
    ['false', FALSE, false],
    ['unknown', UNKNOWN, false],
    ['NOT unknown', not(UNKNOWN), false],
    ['NOT false', not(FALSE), true],
    ['unknown OR true', or(UNKNOWN, TRUE), true],
    ['NOT (unknown AND false)', not(and(UNKNOWN, FALSE)), true],
    ['NOT (unknown OR false)', not(or(UNKNOWN, FALSE)), false],
    ['unknown AND true', and(UNKNOWN, TRUE), false],
    ['true AND true', and(TRUE, TRUE), true],
    ['IS NULL', { op: 'isNull', value: { from: 'state', index: 0 } } as Condition, false],
  ] as const)('%s', async (_, condition, expected) => {
    expect(await passes(TYPE.int4, int4(1), condition)).toBe(expected);
  });

  it('on NULL are unknown but for IS NULL', async () => {
    expect(await passes(TYPE.int4, null, TRUE)).toBe(false);
    expect(await passes(TYPE.int4, null, not(TRUE))).toBe(false);
    const isNull: Condition = { op: 'isNull', value: { from: 'state', index: 0 } };
    expect(await passes(TYPE.int4, null, isNull)).toBe(true);
  });
});

describe('Comparisons with literals', () => {
  const real = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatBE(value);
    return bytes;
  };
  it.each([
    [
      'an integer with a decimal as numeric',
      TYPE.int4,
      int4(2),
      '<',
      literal('decimal', '2.5'),
      true,
    ],
    [
      'an integer with a huge one as numeric',
      TYPE.int8,
      int8((1n << 63n) - 1n),
      '<',
      literal('integer', '9223372036854775808'),
      true,
    ],
    [
      'bigints exactly',
      TYPE.int8,
      int8((1n << 53n) + 1n),
      '=',
      literal('integer', '9007199254740992'),
      false,
    ],
    [
      'a numeric with an integer',
      TYPE.numeric,
      numeric('3.000'),
      '=',
      literal('integer', '3'),
      true,
    ],
    [
      'a double with a decimal as double',
      TYPE.float8,
      float8(0.1),
      '=',
      literal('decimal', '0.1'),
      true,
    ],
    [
      'a real with a decimal as double',
      TYPE.float4,
      real(0.1),
      '=',
      literal('decimal', '0.1'),
      false,
    ],
    ['a real with a string as real', TYPE.float4, real(0.1), '=', literal('string', '0.1'), true],
    [
      'an integer with a string as integer',
      TYPE.int4,
      int4(12),
      '>',
      literal('string', ' 9 '),
      true,
    ],
    ['text with a string as text', TYPE.text, text('12'), '>', literal('string', '9'), false],
    ['character without its blanks', TYPE.bpchar, text('a   '), '=', literal('string', 'a'), true],
    ['a boolean', TYPE.bool, Buffer.from([1]), '=', literal('boolean', 'true'), true],
    ['digits with separators', TYPE.int4, int4(1000), '=', literal('integer', '1_000'), true],
    ['hexadecimal digits', TYPE.int4, int4(-31), '=', literal('integer', '-0x1F'), true],
  ] as const)('take %s', async (_, typeOid, value, op, right, expected) => {
    expect(await passes(typeOid, value, compare(op, right))).toBe(expected);
  });

  it('refuse a string that is not of the type', async () => {
    const bad = compare('>', literal('string', 'abc'));
    await expect(passes(TYPE.int4, int4(1), bad)).rejects.toMatchObject({ code: '22P02' });
  });

  it.each([
    ['text with a number', TYPE.text, text('1'), literal('integer', '1')],
    ['jsonb', 3802, text('{}'), literal('string', '{}')],
  ] as const)('refuse %s', async (_, typeOid, value, right) => {
    await expect(passes(typeOid, value, compare('=', right))).rejects.toMatchObject({
      code: '0A000',
    });
  });
});

describe('Comparisons with parameters', () => {
  const PARAMETER: ConditionOperand = { from: 'parameter', index: 0 };
  const above = compare('>', PARAMETER);
  it.each([
    ['text of an integer', { value: text('41'), format: 0, typeOid: TYPE.int8 }, true],
    ['a binary integer', { value: int8(42), format: 1, typeOid: TYPE.int8 }, false],
    ['a binary numeric', { value: numeric('41.5'), format: 1, typeOid: TYPE.numeric }, true],
    ['text of unknown type', { value: text('41'), format: 0, typeOid: TYPE.unknown }, true],
    ['NULL', { value: null, format: 0, typeOid: TYPE.int8 }, false],
  ] as const)('take %s', async (_, parameter, expected) => {
    expect(await passes(TYPE.int4, int4(42), above, parameter)).toBe(expected);
  });

  it('refuse a binary value of the wrong length', async () => {
    const parameter = { value: int4(1), format: 1, typeOid: TYPE.int8 } as const;
    await expect(passes(TYPE.int4, int4(42), above, parameter)).rejects.toMatchObject({
      code: '22P03',
    });
  });
});
