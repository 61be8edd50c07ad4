// Group keys: strings that are equal exactly when PostgreSQL says the values are equal.

import { notSupported } from '../base/errors.ts';
import { unpaddedLength } from './compare.ts';
import { decodeInterval, intervalSpan } from './interval.ts';
import { parseInterval } from './interval-text.ts';
import { numericKey } from './numeric-binary.ts';
import { DEFAULT_OUTPUT_STYLE, type OutputStyle } from './output-style.ts';
import { TYPE } from './type-oid.ts';

/** The key of one value; a copy, no view on its bytes. */
export type GroupKey = (value: Buffer) => string;

/** Types with one byte string per value, in both formats. */
const PLAIN: ReadonlySet<number> = new Set<number>([
  TYPE.bool,
  TYPE.char,
  TYPE.int2,
  TYPE.int4,
  TYPE.int8,
  TYPE.oid,
  TYPE.money,
  TYPE.date,
  TYPE.time,
  TYPE.timestamp,
  TYPE.timestamptz,
  TYPE.uuid,
  TYPE.bytea,
  TYPE.text,
  TYPE.varchar,
  TYPE.name,
]);

const BINARY: ReadonlyMap<number, GroupKey> = new Map<number, GroupKey>([
  [TYPE.float4, (value) => floatKey(value.readFloatBE(0), value)],
  [TYPE.float8, (value) => floatKey(value.readDoubleBE(0), value)],
  [TYPE.numeric, numericKey],
  [TYPE.interval, (value) => intervalSpan(decodeInterval(value)).toString()],
  [TYPE.bpchar, blankPaddedKey],
]);

const TEXT: ReadonlyMap<number, GroupKey> = new Map<number, GroupKey>([
  [TYPE.float4, floatTextKey],
  [TYPE.float8, floatTextKey],
  [TYPE.numeric, numericTextKey],
  [TYPE.interval, intervalTextKey],
  [TYPE.bpchar, blankPaddedKey],
]);

/**
 * How values of a type in `format` (0 text as a session of `style` gets it, 1 binary) become keys;
 * null where equal keys are not proven to mean equal values. Texts are equal when their bytes are:
 * nondeterministic collations are for the planner to keep away.
 */
export function groupKey(
  typeOid: number,
  format: number,
  style: OutputStyle = DEFAULT_OUTPUT_STYLE,
): GroupKey | null {
  if (PLAIN.has(typeOid)) return bytesKey;
  if (format === 1) return BINARY.get(typeOid) ?? null;
  const isFloat = typeOid === TYPE.float4 || typeOid === TYPE.float8;
  // With fewer digits than needed different values have the same text.
  if (isFloat && style.extraFloatDigits < 1) return null;
  if (typeOid === TYPE.interval && style.intervalStyle !== 'postgres') return null;
  return TEXT.get(typeOid) ?? null;
}

/** One character a byte: keeps bytes that are not valid UTF-8 apart, and is fast. */
function bytesKey(value: Buffer): string {
  return value.toString('latin1');
}

function floatKey(number: number, value: Buffer): string {
  if (number === 0) return '0';
  return Number.isNaN(number) ? 'NaN' : bytesKey(value);
}

function blankPaddedKey(value: Buffer): string {
  return value.toString('latin1', 0, unpaddedLength(value));
}

function floatTextKey(value: Buffer): string {
  const text = bytesKey(value);
  return text === '-0' ? '0' : text;
}

function numericTextKey(value: Buffer): string {
  const text = bytesKey(value);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function intervalTextKey(value: Buffer): string {
  const text = bytesKey(value);
  if (text === 'infinity' || text === '-infinity') return text;
  const interval = parseInterval(text);
  if (interval !== null) return intervalSpan(interval).toString();
  throw notSupported(
    `cannot compare the interval "${text}" across shards`,
    'SET IntervalStyle = postgres, or ask for binary results.',
  );
}
