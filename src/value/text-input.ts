// Text input: literals and parameters as text made into values in binary format, or refused.

import { notSupported, SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { parseDate, parseTime, parseTimestamp, parseTimestamptz } from './datetime.ts';
import { parseFloat8 } from './float.ts';
import { encodeInterval } from './interval.ts';
import { parseInterval } from './interval-text.ts';
import { parseNumeric } from './numeric.ts';
import { encodeNumeric } from './numeric-binary.ts';
import type { OutputStyle } from './output-style.ts';
import { TYPE, typeName } from './type-oid.ts';

/** Bytes, lowest and highest value of the integer types. */
const INTEGERS: ReadonlyMap<number, readonly [number, bigint, bigint]> = new Map([
  [TYPE.int2, [2, -32_768n, 32_767n]],
  [TYPE.int4, [4, -(1n << 31n), (1n << 31n) - 1n]],
  [TYPE.int8, [8, -(1n << 63n), (1n << 63n) - 1n]],
]);

const BOOLEAN_WORDS: readonly (readonly [word: string, lengthMin: number, value: number])[] = [
  ['true', 1, 1],
  ['false', 1, 0],
  ['yes', 1, 1],
  ['no', 1, 0],
  ['on', 2, 1],
  ['off', 2, 0],
  ['1', 1, 1],
  ['0', 1, 0],
];

/** NAMEDATALEN - 1: longer names are cut. */
const NAME_BYTES_MAX = 63;

/** 0x1f, 0b1 and 1_000 are numbers since PostgreSQL 16. */
const MODERN_NUMBER = /^\s*[+-]?(0[xob]|\d[\d.]*_)/i;

/**
 * The value that a type's input function makes of `text`, in binary format. 22P02 or 22003 when
 * PostgreSQL would say so, 0A000 for forms that the proxy does not read.
 */
export function binaryFromText(typeOid: number, text: string, style: OutputStyle): Buffer {
  const integer = INTEGERS.get(typeOid);
  if (integer !== undefined) return integerFromText(typeOid, text, integer);
  switch (typeOid) {
    case TYPE.text:
    case TYPE.varchar:
    case TYPE.bpchar:
    case TYPE.name:
      return textFromText(typeOid, text);
    case TYPE.bool:
      return booleanFromText(text);
    case TYPE.numeric:
    case TYPE.float4:
    case TYPE.float8:
      return numberFromText(typeOid, text);
    case TYPE.uuid:
      return uuidFromText(text);
    case TYPE.bytea:
      if (/^\\x([0-9a-f]{2})*$/i.test(text)) return Buffer.from(text.slice(2), 'hex');
      throw unread(typeOid, text);
    case TYPE.interval: {
      // A leading minus spans all fields under sql_standard.
      const value = style.intervalStyle === 'sql_standard' ? null : parseInterval(text);
      if (value === null) throw unread(typeOid, text);
      return encodeInterval(value);
    }
    default:
      return momentFromText(typeOid, text);
  }
}

function textFromText(typeOid: number, text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  if (typeOid === TYPE.name && bytes.length > NAME_BYTES_MAX) throw unread(typeOid, text);
  return bytes;
}

function integerFromText(
  typeOid: number,
  text: string,
  [length, lowest, highest]: readonly [number, bigint, bigint],
): Buffer {
  const trimmed = text.trim();
  if (!/^[+-]?\d+$/.test(trimmed)) throw invalid(typeOid, text);
  const value = BigInt(trimmed.replace(/^\+/, ''));
  if (value < lowest || value > highest) {
    throw new SqlError({
      code: SQLSTATE.numericValueOutOfRange,
      message: `value "${text}" is out of range for type ${typeName(typeOid)}`,
    });
  }
  const wide = Buffer.allocUnsafe(8);
  wide.writeBigInt64BE(value);
  return wide.subarray(8 - length);
}

function numberFromText(typeOid: number, text: string): Buffer {
  if (typeOid === TYPE.numeric) {
    const value = parseNumeric(text);
    if (value === null) throw invalid(typeOid, text);
    return encodeNumeric(value);
  }
  const value = parseFloat8(text);
  if (value === null) throw invalid(typeOid, text);
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleBE(value);
  if (typeOid === TYPE.float8) return bytes;
  // A double half-way between two reals no longer tells on which side the decimal was; beyond the
  // reals' normal range lie PostgreSQL's own range errors.
  const magnitude = Math.abs(value);
  const isNormal = magnitude > 1.2e-38 && magnitude < 3.4e38;
  const isHalfWay = (bytes.readUInt32BE(4) & 0x1fffffff) === 0x10000000;
  if (Number.isFinite(value) && value !== 0 && (isHalfWay || !isNormal)) {
    throw unread(typeOid, text);
  }
  bytes.writeFloatBE(value);
  return bytes.subarray(0, 4);
}

function booleanFromText(text: string): Buffer {
  const word = text.trim().toLowerCase();
  const found = BOOLEAN_WORDS.find(([full, min]) => word.length >= min && full.startsWith(word));
  if (found === undefined) throw invalid(TYPE.bool, text);
  return Buffer.from([found[2]]);
}

/** Source: string_to_uuid: braces, and hyphens after any group of four digits. */
function uuidFromText(text: string): Buffer {
  const bare = text.startsWith('{') && text.endsWith('}') ? text.slice(1, -1) : text;
  if (!/^([0-9a-f]{4}-?){7}[0-9a-f]{4}$/i.test(bare)) throw invalid(TYPE.uuid, text);
  return Buffer.from(bare.replaceAll('-', ''), 'hex');
}

function momentFromText(typeOid: number, text: string): Buffer {
  if (typeOid === TYPE.date) {
    const days = parseDate(text);
    if (days === null) throw unread(typeOid, text);
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeInt32BE(days);
    return bytes;
  }
  const microseconds = momentMicroseconds(typeOid, text);
  if (microseconds === null) throw unread(typeOid, text);
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigInt64BE(microseconds);
  return bytes;
}

function momentMicroseconds(typeOid: number, text: string): bigint | null {
  if (typeOid === TYPE.time) return parseTime(text);
  if (typeOid === TYPE.timestamp) return parseTimestamp(text);
  return typeOid === TYPE.timestamptz ? parseTimestamptz(text) : null;
}

function invalid(typeOid: number, text: string): SqlError {
  if (MODERN_NUMBER.test(text)) return unread(typeOid, text);
  return new SqlError({
    code: SQLSTATE.invalidTextRepresentation,
    message: `invalid input syntax for type ${typeName(typeOid)}: "${text}"`,
  });
}

function unread(typeOid: number, text: string): SqlError {
  return notSupported(
    `cannot compare "${text}" with a value of type ${typeName(typeOid)} across shards`,
    'Write the value in ISO form, times with an explicit offset, or give the sharding key.',
  );
}
