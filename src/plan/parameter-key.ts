// Parameter keys: sharding keys read from the bytes of bound parameters, text or binary.

import { notSupported } from '../base/errors.ts';
import { parseInt8 } from '../sql/integer.ts';
import { parseArrayText, roundToInt8 } from './key.ts';

const OID = {
  oid: 26,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  float4: 700,
  float8: 701,
  varchar: 1043,
};
const NUMERIC_OID = 1700;

/** Types whose values as a key are known: 0 and unknown (705) are left to the server. */
const KEY_TYPES: ReadonlySet<number> = new Set([0, 705, 1042, NUMERIC_OID, ...Object.values(OID)]);

/**
 * A scalar parameter's key. `typeOid` is 0 where the client left the type to the server, which then
 * takes the key column's. null: no shard, or a value the server will refuse. Throws SqlError 0A000
 * for a floating point number past 2^53, which may equal several keys, and for a type that is no
 * number or text.
 */
export function keyOfParameter(value: Buffer, format: 0 | 1, typeOid: number): bigint | null {
  if (!KEY_TYPES.has(typeOid)) {
    throw notSupported(
      `a parameter of type oid ${typeOid} as sharding key`,
      'Send the key as bigint.',
    );
  }
  if (typeOid === OID.float4 || typeOid === OID.float8) return keyOfFloat(value, format, typeOid);
  if (typeOid === OID.oid && format === 1) {
    return value.length === 4 ? BigInt(value.readUInt32BE(0)) : null;
  }
  if (format === 0) {
    const text = value.toString('latin1');
    return typeOid === NUMERIC_OID ? roundToInt8(text) : (parseInt8(text) ?? roundToInt8(text));
  }
  if (typeOid === NUMERIC_OID) return keyOfNumeric(value);
  if (typeOid === OID.text || typeOid === OID.varchar) {
    return parseInt8(value.toString('latin1'));
  }
  return keyOfBinaryInteger(value);
}

function keyOfBinaryInteger(value: Buffer): bigint | null {
  if (value.length === 8) return value.readBigInt64BE(0);
  if (value.length === 4) return BigInt(value.readInt32BE(0));
  if (value.length === 2) return BigInt(value.readInt16BE(0));
  return null;
}

function keyOfFloat(value: Buffer, format: 0 | 1, typeOid: number): bigint | null {
  let number: number;
  if (format === 0) {
    number = Number(value.toString('latin1'));
    if (typeOid === OID.float4) number = Math.fround(number);
  } else if (value.length === 8) number = value.readDoubleBE(0);
  else if (value.length === 4) number = value.readFloatBE(0);
  else return null;
  if (!Number.isFinite(number)) return null;
  if (Math.abs(number) > Number.MAX_SAFE_INTEGER) {
    throw notSupported(
      'a floating point sharding key past 2^53 may mean several keys',
      'Send the key as bigint.',
    );
  }
  return BigInt(roundHalfEven(number));
}

/** As rint(), which PostgreSQL casts floating point numbers with. */
function roundHalfEven(number: number): number {
  const floor = Math.floor(number);
  const rest = number - floor;
  if (rest !== 0.5) return Math.round(number);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** numeric_recv: four int16 (digits, weight, sign, scale), then digits in base 10,000. */
function keyOfNumeric(value: Buffer): bigint | null {
  if (value.length < 8) return null;
  const count = value.readUInt16BE(0);
  const weight = value.readInt16BE(2);
  const sign = value.readUInt16BE(4);
  if (value.length !== 8 + 2 * count || (sign !== 0 && sign !== 0x4000)) return null;
  // 10,000^5 is past every int8.
  if (count > 0 && weight > 4) return null;
  let text = sign === 0 ? '' : '-';
  if (weight < 0) text += '0';
  for (let i = 0; i <= weight; i++) text += digitsAt(value, i, count);
  text += '.';
  for (let i = weight + 1; i < 0; i++) text += '0000';
  for (let i = Math.max(weight + 1, 0); i < count; i++) text += digitsAt(value, i, count);
  return roundToInt8(text);
}

function digitsAt(value: Buffer, index: number, count: number): string {
  return index < count ? String(value.readUInt16BE(8 + 2 * index)).padStart(4, '0') : '0000';
}

/** The keys in an array for `= ANY($n)`; NULL elements match nothing and are left out. */
export function keysOfArray(value: Buffer, format: 0 | 1): readonly bigint[] {
  const keys: bigint[] = [];
  if (format === 0) {
    for (const element of parseArrayText(value.toString('latin1')) ?? []) {
      const key = element === null ? null : (parseInt8(element) ?? roundToInt8(element));
      if (key !== null) keys.push(key);
    }
    return keys;
  }
  if (value.length < 12) return keys;
  const dimensions = value.readInt32BE(0);
  const elementOid = value.readInt32BE(8);
  let at = 12 + 8 * dimensions;
  while (dimensions > 0 && at + 4 <= value.length) {
    const length = value.readInt32BE(at);
    at += 4;
    if (length < 0) continue;
    if (at + length > value.length) break;
    const key = keyOfParameter(value.subarray(at, at + length), 1, elementOid);
    if (key !== null) keys.push(key);
    at += length;
  }
  return keys;
}
