// Time parameter: the start of a transaction as the last parameter of a statement.

import { TYPE } from '../value/type-oid.ts';
import type { Description } from './describe.ts';
import { type BoundParameters, formatAt } from './parameters.ts';

/** Bound and described with `time`, as text, as parameter `index`, 0-based. */
export function boundWithTime(
  index: number,
  time: string,
  parameters: BoundParameters,
  description: Description,
): { parameters: BoundParameters; description: Description } {
  const values = Array.from({ length: index }, (_, i) => parameters.values[i] ?? null);
  const types = Array.from({ length: index }, (_, i) => description.parameterTypes[i] ?? 0);
  const parameterTypes = [...types, TYPE.timestamptz];
  return {
    parameters: {
      values: [...values, Buffer.from(time)],
      formats: [...values.map((_, i) => formatAt(parameters.formats, i)), 0],
      types: parameterTypes,
    },
    description: { ...description, parameterTypes },
  };
}
