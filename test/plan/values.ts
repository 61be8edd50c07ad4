// Bound values for route tests: literals and parameters as a session would give them.

import type { BoundValues } from '../../src/plan/route.ts';

export interface Parameter {
  readonly value: Buffer | null;
  readonly format: 0 | 1;
  readonly type: number;
}

export const text = (value: string, type = 0): Parameter => ({
  value: Buffer.from(value),
  format: 0,
  type,
});

export const binary = (value: Buffer, type = 0): Parameter => ({ value, format: 1, type });

export const nothing: Parameter = { value: null, format: 0, type: 0 };

export function values(
  parameters: readonly Parameter[],
  literals: readonly string[] = [],
): BoundValues {
  return {
    literal: (slot) => literals[slot]!,
    parameterCount: parameters.length,
    parameter: (index) => parameters[index]!.value,
    parameterFormat: (index) => parameters[index]!.format,
    parameterType: (index) => parameters[index]!.type,
  };
}

export function int2(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

export function int4(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function int8(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

export function float8(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
}

/** array_send: one dimension. */
export function array(elementOid: number, elements: readonly (Buffer | null)[]): Buffer {
  const hasNull = elements.includes(null) ? 1 : 0;
  const head = [elements.length === 0 ? 0 : 1, hasNull, elementOid];
  if (elements.length > 0) head.push(elements.length, 1);
  const parts = head.map(int4);
  for (const element of elements) {
    parts.push(int4(element?.length ?? -1));
    if (element !== null) parts.push(element);
  }
  return Buffer.concat(parts);
}
