// BoundParameters: the values a Bind gave to the parameters of a statement.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { RowBound } from '../plan/plan.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { FIRST_USER_TYPE_OID, TYPE } from '../value/type-oid.ts';

/** As in Bind: views on the message's bytes; formats has 0, 1 or as many entries as values. */
export interface BoundParameters {
  readonly values: readonly (Buffer | null)[];
  readonly formats: readonly number[];
  /** Type oids as the client declared them in Parse; 0 or missing: left to the server. */
  readonly types: readonly number[];
}

/**
 * Parameter types as a shard is told them for `sql`. The oids of types made by users are those of the
 * home shard; elsewhere the server finds the type as the home shard did, from the statement.
 */
export function typesOn(shard: number, types: readonly number[], sql: string): number[] {
  if (shard === HOME_SHARD) return [...types];
  return types.map((oid, i) => {
    if (oid < FIRST_USER_TYPE_OID) return oid;
    // The rows of an INSERT that go to other shards have taken their parameters along.
    return new RegExp(`\\$${i + 1}(?!\\d)`).test(sql) ? 0 : TYPE.text;
  });
}

export const NO_PARAMETERS: BoundParameters = Object.freeze({ values: [], formats: [], types: [] });

/** Format code of the index-th of several values: none given is text, one is for all. */
export function formatAt(formats: readonly number[], index: number): 0 | 1 {
  const code = formats.length > 1 ? formats[index] : formats[0];
  return code === 1 ? 1 : 0;
}

/**
 * Types as one server resolved them, for `sql` on another: it has other oids for users' types, and
 * finds them by itself where the parameter occurs.
 */
export function portableTypes(types: readonly number[], sql: string): number[] {
  return types.map((oid, i) => {
    if (oid < FIRST_USER_TYPE_OID) return oid;
    return new RegExp(`\\$${i + 1}(?!\\d)`).test(sql) ? 0 : TYPE.text;
  });
}

/** The client's parameters, with types as one server resolved them, and arrays in binary behind. */
export function withArrays(
  { values, formats, types }: BoundParameters,
  arrays: readonly Buffer[],
  sql: string,
): BoundParameters {
  return {
    values: [...values, ...arrays],
    formats: [...values.map((_, i) => formatAt(formats, i)), ...arrays.map(() => 1)],
    types: [...portableTypes(types, sql), ...arrays.map(() => 0)],
  };
}

/** The value of LIMIT (`what` = LIMIT) or OFFSET; null is no bound. Throws 2201W, 2201X, 22P02. */
export function resolveBound(
  bound: RowBound,
  what: 'LIMIT' | 'OFFSET',
  parameters: BoundParameters,
): bigint | null {
  if (bound === null) return null;
  const value = bound.from === 'constant' ? bound.value : parameterBigint(bound.index, parameters);
  if (value !== null && value < 0n) {
    throw new SqlError({
      code:
        what === 'LIMIT'
          ? SQLSTATE.invalidRowCountInLimitClause
          : SQLSTATE.invalidRowCountInResultOffsetClause,
      message: `${what} must not be negative`,
    });
  }
  return value;
}

function parameterBigint(index: number, parameters: BoundParameters): bigint | null {
  const value = parameters.values[index] ?? null;
  if (value === null) return null;
  if (formatAt(parameters.formats, index) === 1) {
    if (value.length === 8) return value.readBigInt64BE();
    if (value.length === 4) return BigInt(value.readInt32BE());
    if (value.length === 2) return BigInt(value.readInt16BE());
  } else {
    const text = value.toString('latin1').trim();
    if (/^[+-]?\d+$/.test(text)) return BigInt(text.replace(/^\+/, ''));
  }
  throw new SqlError({
    code: SQLSTATE.invalidTextRepresentation,
    message: `invalid input syntax for type bigint: "${value.toString('utf8')}"`,
  });
}
