// BoundParameters: the values a Bind gave to the parameters of a statement.

import { notSupported, SqlError } from '../base/errors.ts';
import { FIRST_USER_OID } from '../base/oid.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { RowBound } from '../plan/plan.ts';
import { mayName, valueThere } from '../pool/renumber.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { ShardOids } from '../topology/shard-oids.ts';
import { checkedBinary } from '../value/binary-input.ts';
import { isNumber, toBigint } from '../value/cast.ts';
import { DEFAULT_OUTPUT_STYLE } from '../value/output-style.ts';
import { binaryFromText } from '../value/text-input.ts';
import { TYPE, typeName } from '../value/type-oid.ts';

/** As in Bind: views on the message's bytes; formats has 0, 1 or as many entries as values. */
export interface BoundParameters {
  readonly values: readonly (Buffer | null)[];
  readonly formats: readonly number[];
  /** Type oids as the client declared them in Parse; 0 or missing: left to the server. */
  readonly types: readonly number[];
}

/**
 * Parameter types for `sql` as the server of `connection` numbers them; given as the home shard does.
 * A type that it is not known to have is left to it: it finds the type as the home shard did.
 */
export function typesOn(
  { shard, oids }: Numbered,
  types: readonly number[],
  sql: string,
): number[] {
  const { mapping, isKnown } = oids;
  if (shard.id === HOME_SHARD || (isKnown && mapping === null)) return [...types];
  return types.map((oid, i) => {
    if (oid < FIRST_USER_OID) return oid;
    // Where the parameter does not occur, there is nothing to find its type by.
    const left = new RegExp(`\\$${i + 1}(?!\\d)`).test(sql) ? 0 : TYPE.text;
    return mapping?.typesThere.get(oid) ?? left;
  });
}

type Numbered = Pick<ServerConnection, 'shard' | 'oids'>;

/** The values as the server of `connection` reads them; `types` are the home shard's. */
export function valuesOn(
  { oids: { mapping } }: Numbered,
  { values, formats, types }: BoundParameters,
): (Buffer | null)[] {
  if (mapping === null) return [...values];
  return values.map((value, i) =>
    value === null || formatAt(formats, i) === 0
      ? value
      : valueThere(mapping, value, types[i] ?? 0),
  );
}

/** Whether values in binary seem to name types, for which their own types must be known. */
export function namesTypes(
  { mapping }: ShardOids,
  values: readonly (Buffer | null)[],
  formats: readonly number[],
): boolean {
  if (mapping === null) return false;
  return values.some(
    (value, i) => value !== null && formatAt(formats, i) === 1 && mayName(mapping, value),
  );
}

export const NO_PARAMETERS: BoundParameters = Object.freeze({ values: [], formats: [], types: [] });

/** Format code of the index-th of several values: none given is text, one is for all. */
export function formatAt(formats: readonly number[], index: number): 0 | 1 {
  const code = formats.length > 1 ? formats[index] : formats[0];
  return code === 1 ? 1 : 0;
}

/**
 * The client's parameters, with types as one server resolved them, and arrays in binary behind; null: one that
 * does not occur in the statement.
 */
export function withArrays(
  { values, formats, types }: BoundParameters,
  arrays: readonly (Buffer | null)[],
): BoundParameters {
  return {
    values: [...values, ...arrays],
    formats: [...values.map((_, i) => formatAt(formats, i)), ...arrays.map(() => 1)],
    types: [...types, ...arrays.map((array) => (array === null ? TYPE.text : 0))],
  };
}

/**
 * The value of LIMIT (`what` = LIMIT) or OFFSET; null is no bound. Throws 2201W, 2201X, and what a server would where
 * a parameter's value is none of its type or no bigint.
 */
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

/** No more rows are ever there to be had, and a server takes so many with some to spare as its LIMIT. */
const ROWS_MAX = 1n << 62n;

/** How many rows to ask for, of which `offset` are passed over; null: all. */
export function rowsWanted(limit: bigint | null, offset: bigint): bigint | null {
  if (limit === null) return null;
  return limit + offset < ROWS_MAX ? limit + offset : ROWS_MAX;
}

function parameterBigint(
  index: number,
  { values, formats, types }: BoundParameters,
): bigint | null {
  const value = values[index] ?? null;
  if (value === null) return null;
  const typeOid = types[index] || TYPE.int8;
  if (!isNumber(typeOid)) {
    const what = `LIMIT or OFFSET over several shards by a parameter of type ${typeName(typeOid)}`;
    throw notSupported(what, 'Give it as a number.');
  }
  const binary =
    formatAt(formats, index) === 1
      ? checkedBinary(typeOid, value)
      : binaryFromText(typeOid, value.toString('utf8'), DEFAULT_OUTPUT_STYLE);
  return toBigint(typeOid, binary);
}
