// The text of intervals in IntervalStyle postgres, written and read.

import { type Interval, intervalInfinity } from './interval.ts';

/** interval_out with IntervalStyle = postgres. Source: EncodeInterval in datetime.c. */
export function formatInterval(value: Interval): string {
  const infinity = intervalInfinity(value);
  if (infinity !== 0) return infinity > 0 ? 'infinity' : '-infinity';
  const parts: string[] = [];
  let before = false;
  const units: readonly (readonly [number, string])[] = [
    [Math.trunc(value.months / 12), 'year'],
    [value.months % 12, 'mon'],
    [value.days, 'day'],
  ];
  for (const [amount, unit] of units) {
    if (amount === 0) continue;
    const plus = before && amount > 0 ? '+' : '';
    parts.push(`${plus}${amount} ${unit}${amount === 1 ? '' : 's'}`);
    before = amount < 0;
  }
  if (parts.length === 0 || value.microseconds !== 0n) {
    const sign = value.microseconds < 0n ? '-' : before ? '+' : '';
    parts.push(sign + formatClock(value.microseconds));
  }
  return parts.join(' ');
}

function formatClock(microseconds: bigint): string {
  const total = microseconds < 0n ? -microseconds : microseconds;
  const two = (count: bigint) => count.toString().padStart(2, '0');
  const seconds = total / 1_000_000n;
  const fraction = (total % 1_000_000n).toString().padStart(6, '0').replace(/0+$/, '');
  const clock = `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}`;
  return fraction === '' ? clock : `${clock}.${fraction}`;
}

/** Months, days and microseconds in one of each unit. */
const UNITS: ReadonlyMap<string, readonly [number, number, bigint]> = new Map([
  ['year', [12, 0, 0n]],
  ['mon', [1, 0, 0n]],
  ['month', [1, 0, 0n]],
  ['week', [0, 7, 0n]],
  ['day', [0, 1, 0n]],
  ['hour', [0, 0, 3_600_000_000n]],
  ['minute', [0, 0, 60_000_000n]],
  ['second', [0, 0, 1_000_000n]],
]);

const PART =
  /^(?:([+-]?\d{1,10}) ([a-z]+?)s?|([+-]?)(\d{1,10}):(\d\d):(\d\d)(?:\.(\d{1,6}))?)(?: |$)/;

/**
 * Reads what formatInterval writes and other whole numbers of units: `1 day -02:00:00`, `2 hours`.
 * null for every other of interval_in's many forms.
 */
export function parseInterval(text: string): Interval | null {
  let rest = text.trim();
  if (rest === 'infinity' || rest === '-infinity' || rest === '') return null;
  const sum = { months: 0, days: 0, microseconds: 0n };
  const seen = new Set<string>();
  while (rest !== '') {
    const match = PART.exec(rest);
    if (match === null) return null;
    const [whole, amount, unit] = match;
    const kind = amount === undefined ? 'clock' : unit!;
    if (seen.has(kind)) return null;
    seen.add(kind);
    if (amount === undefined) {
      sum.microseconds += clockMicroseconds(match);
    } else {
      const one = UNITS.get(unit!);
      if (one === undefined) return null;
      sum.months += Number(amount) * one[0];
      sum.days += Number(amount) * one[1];
      sum.microseconds += BigInt(amount.replace('+', '')) * one[2];
    }
    rest = rest.slice(whole.length);
  }
  const bounded =
    Math.max(Math.abs(sum.months), Math.abs(sum.days)) < 0x7fffffff &&
    BigInt.asIntN(64, sum.microseconds) === sum.microseconds;
  return bounded ? sum : null;
}

function clockMicroseconds(match: RegExpExecArray): bigint {
  const [, , , sign, hours, minutes, seconds, fraction = ''] = match;
  const whole = BigInt(hours!) * 3600n + BigInt(minutes!) * 60n + BigInt(seconds!);
  const microseconds = whole * 1_000_000n + BigInt(fraction.padEnd(6, '0'));
  return sign === '-' ? -microseconds : microseconds;
}
