// Key values: an integer sharding key read from SQL text, as PostgreSQL's input functions read it.

import { inInt8Range, parseInt8 } from '../sql/integer.ts';

const NUMERIC_INPUT = /^\s*([+-]?)(\d[\d_]*)?(?:\.([\d_]*))?(?:[eE]([+-]?\d+))?\s*$/;

/**
 * A numeric as the int8 that assignment and casts round it to, half away from zero. A key is never
 * equal to a fraction, so where one is only compared any shard will do. null: no int8 at all.
 */
export function roundToInt8(text: string): bigint | null {
  const match = NUMERIC_INPUT.exec(text);
  if (match === null) return parseInt8(text);
  const [, sign, wholeText = '', fractionText = '', exponentText = '0'] = match;
  if (wholeText === '' && fractionText === '') return null;
  const exponent = Number(exponentText);
  // Past this no int8 is left, and the digits need not be made to see it.
  if (exponent > 400_000) return null;
  const fraction = fractionText.replaceAll('_', '');
  const digits = (wholeText.replaceAll('_', '') + fraction).replace(/^0+/, '');
  const magnitude = shift(digits === '' ? '0' : digits, exponent - fraction.length);
  return magnitude === null ? null : inInt8Range(sign === '-' ? -magnitude : magnitude);
}

/** digits × 10^power, rounded half up; null when longer than any int8. */
function shift(digits: string, power: number): bigint | null {
  if (digits === '0') return 0n;
  if (digits.length + power > 20) return null;
  if (power >= 0) return BigInt(digits + '0'.repeat(power));
  const whole = digits.slice(0, power);
  const first = digits.length + power >= 0 ? digits.at(power)! : '0';
  return BigInt(whole) + (first >= '5' ? 1n : 0n);
}

/** A literal as written in SQL: '42', 42, 42.0. null: no shard, or the server's error. */
export function keyOfLiteral(raw: string): bigint | null {
  if (raw.charCodeAt(0) === 39) return parseInt8(raw.slice(1, -1).replaceAll("''", "'"));
  return roundToInt8(raw);
}

/** The elements of an array's text form, nested or not; null elements as null, bad text: null. */
export function parseArrayText(text: string): readonly (string | null)[] | null {
  const body = text.trim().replace(/^(?:\[[^\]]*\])+=/, '');
  if (!body.startsWith('{') || !body.endsWith('}')) return null;
  const elements: (string | null)[] = [];
  const element = /\s*(?:"((?:[^"\\]|\\.)*)"|([^",{}\\\s][^",{}\\]*)|([{},]))/gy;
  let depth = 0;
  while (element.lastIndex < body.length) {
    const match = element.exec(body);
    if (match === null) return /^\s*$/.test(body) ? elements : null;
    if (match[3] === '{') depth++;
    else if (match[3] === '}') {
      depth--;
      if (depth === 0) return body.slice(element.lastIndex).trim() === '' ? elements : null;
    } else if (match[1] !== undefined) elements.push(match[1].replace(/\\(.)/g, '$1'));
    else if (match[2] !== undefined) {
      const word = match[2].trim();
      elements.push(word.toUpperCase() === 'NULL' ? null : word);
    }
  }
  return null;
}
