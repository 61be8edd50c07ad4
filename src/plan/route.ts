// Targets: the shards a route means once literals and parameters are known.

import { HOME_SHARD } from '../topology/shard.ts';
import type { Topology } from '../topology/topology.ts';
import { keyOfLiteral } from './key.ts';
import { keyOfParameter, keysOfArray } from './parameter-key.ts';
import type { KeySource, Route, RoutedPlan } from './plan.ts';

/** What a statement is run with. Parameters are 0-based views on the Bind message. */
export interface BoundValues {
  /** The slot-th literal as written: `42`, `'42'`. */
  literal(slot: number): string;
  readonly parameterCount: number;
  parameter(index: number): Buffer | null;
  parameterFormat(index: number): 0 | 1;
  /** Type oid as declared in Parse; 0: left to the server. */
  parameterType(index: number): number;
}

/**
 * Sorted, distinct shard ids; at least one. `preferred` is the shard for what any shard can answer.
 * Throws SqlError 0A000 for a key that cannot be told from the value given.
 */
export function targetsOf(
  route: Route,
  values: BoundValues,
  topology: Topology,
  preferred: number = HOME_SHARD,
): readonly number[] {
  switch (route.kind) {
    case 'home':
      return HOME;
    case 'any':
      return [preferred];
    case 'all':
      return topology.shards.map((shard) => shard.id);
    case 'shard':
      return [route.shard];
    case 'keys':
      return route.keys.length === 1
        ? oneKey(route.keys[0]!, values, topology, preferred)
        : manyKeys(route.keys, values, topology, preferred);
  }
}

const HOME: readonly number[] = Object.freeze([HOME_SHARD]);

function oneKey(
  source: KeySource,
  values: BoundValues,
  topology: Topology,
  preferred: number,
): readonly number[] {
  if (source.from === 'parameter' && source.array) {
    return manyKeys([source], values, topology, preferred);
  }
  const key = keyOf(source, values);
  return [key === null ? preferred : topology.placement.shardOf(key)];
}

function manyKeys(
  sources: readonly KeySource[],
  values: BoundValues,
  topology: Topology,
  preferred: number,
): readonly number[] {
  const { placement } = topology;
  const shards = new Set<number>();
  for (const source of sources) {
    if (source.from === 'parameter' && source.array) {
      const array = values.parameter(source.index);
      if (array === null) continue;
      for (const key of keysOfArray(array, values.parameterFormat(source.index))) {
        shards.add(placement.shardOf(key));
      }
      continue;
    }
    const key = keyOf(source, values);
    if (key !== null) shards.add(placement.shardOf(key));
  }
  if (shards.size === 0) return [preferred];
  return [...shards].sort((a, b) => a - b);
}

/** The shard that is sent the statement as it is; null: none, for the answer of that one would be another. */
export function onlyTarget(
  { asIsAtHome, strays }: Pick<RoutedPlan, 'asIsAtHome' | 'strays'>,
  targets: readonly number[],
): number | null {
  const [only, ...others] = targets;
  if (only === undefined || others.length > 0 || strays !== null) return null;
  return asIsAtHome && only !== HOME_SHARD ? null : only;
}

/** The keys themselves, without NULLs. Throws as targetsOf. */
export function keysOf(
  sources: readonly KeySource[],
  values: BoundValues,
): readonly (bigint | number)[] {
  return sources.flatMap((source): readonly (bigint | number)[] => {
    if (source.from === 'parameter' && source.array) {
      const array = values.parameter(source.index);
      return array === null ? [] : [...keysOfArray(array, values.parameterFormat(source.index))];
    }
    const key = keyOf(source, values);
    return key === null ? [] : [key];
  });
}

/** A key within ±(2^53 - 1) may come as a number, which is the cheaper one to place. */
function keyOf(source: KeySource, values: BoundValues): bigint | number | null {
  if (source.from === 'constant') return source.value;
  if (source.from === 'literal') {
    const raw = values.literal(source.slot);
    const short = shortInteger(raw);
    if (short >= 0) return source.negated ? -short : short;
    const key = source.negated ? negate(raw) : keyOfLiteral(raw);
    return key;
  }
  const value = values.parameter(source.index);
  if (value === null) return null;
  const format = values.parameterFormat(source.index);
  if (format === 1 && value.length === 4 && values.parameterType(source.index) === 0) {
    return value.readInt32BE(0);
  }
  return keyOfParameter(value, format, values.parameterType(source.index));
}

/** -9223372036854775808 is a key though 9223372036854775808 is none. */
function negate(raw: string): bigint | null {
  return keyOfLiteral(`-${raw}`);
}

/** Up to nine digits, quoted or not; -1 for anything else. */
function shortInteger(raw: string): number {
  let start = 0;
  let end = raw.length;
  if (raw.charCodeAt(0) === 39) {
    start = 1;
    end--;
  }
  if (end - start > 9 || end <= start) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = raw.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
