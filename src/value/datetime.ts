// Dates and times from their ISO texts, which mean the same under every DateStyle.

/** Days from 1970-01-01 to PostgreSQL's epoch, 2000-01-01. */
const EPOCH_DAYS = 10_957;
const DAY_MICROSECONDS = 86_400_000_000n;

const DATE = '(\\d{4})-(\\d\\d)-(\\d\\d)';
const CLOCK = '(\\d\\d):(\\d\\d)(?::(\\d\\d)(?:\\.(\\d{1,6}))?)?';
const ZONE = '(Z|[+-]\\d\\d(?::?\\d\\d)?)';
const DATE_ONLY = new RegExp(`^${DATE}$`);
const CLOCK_ONLY = new RegExp(`^${CLOCK}$`);
const TIMESTAMP = new RegExp(`^${DATE}(?:[ T]${CLOCK})?$`);
const ZONED_TIMESTAMP = new RegExp(`^${DATE}[ T]${CLOCK} ?${ZONE}$`);

/** `2024-02-29` as days since 2000-01-01; null for any other form and for days that are not. */
export function parseDate(text: string): number | null {
  const match = DATE_ONLY.exec(text.trim());
  return match === null ? null : daysOf(match, 1);
}

/** `13:37:00.5` as microseconds since midnight, up to 24:00:00. */
export function parseTime(text: string): bigint | null {
  const match = CLOCK_ONLY.exec(text.trim());
  return match === null ? null : clockOf(match, 1);
}

/** `2024-02-29 13:37:00.5` without a zone as microseconds since 2000-01-01. */
export function parseTimestamp(text: string): bigint | null {
  const match = TIMESTAMP.exec(text.trim());
  return match === null ? null : timestampOf(match);
}

/** As parseTimestamp, with an offset: `… +02`, `…Z`. Without one TimeZone decides: null. */
export function parseTimestamptz(text: string): bigint | null {
  const match = ZONED_TIMESTAMP.exec(text.trim());
  if (match === null) return null;
  const local = timestampOf(match);
  const zone = match[8]!;
  if (local === null || zone === 'Z') return local;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3).replace(':', ''));
  // MAX_TZDISP_HOUR of timestamp.h.
  if (Number(zone.slice(1, 3)) > 15 || minutes % 60 !== Number(zone.slice(3).replace(':', ''))) {
    return null;
  }
  const offset = BigInt(minutes) * 60_000_000n;
  return zone.startsWith('-') ? local + offset : local - offset;
}

function timestampOf(match: RegExpExecArray): bigint | null {
  const days = daysOf(match, 1);
  const clock = match[4] === undefined ? 0n : clockOf(match, 4);
  return days === null || clock === null ? null : BigInt(days) * DAY_MICROSECONDS + clock;
}

function daysOf(match: RegExpExecArray, at: number): number | null {
  const [year, month, day] = [at, at + 1, at + 2].map((i) => Number(match[i]));
  const date = new Date(0);
  date.setUTCFullYear(year!, month! - 1, day!);
  if (year === 0 || date.getUTCMonth() !== month! - 1 || date.getUTCDate() !== day) return null;
  return date.getTime() / 86_400_000 - EPOCH_DAYS;
}

function clockOf(match: RegExpExecArray, at: number): bigint | null {
  const [hours, minutes, seconds] = [0, 1, 2].map((i) => Number(match[at + i] ?? 0));
  if (minutes! > 59 || seconds! > 59) return null;
  const whole = BigInt(hours! * 3600 + minutes! * 60 + seconds!) * 1_000_000n;
  const microseconds = whole + BigInt((match[at + 3] ?? '').padEnd(6, '0'));
  return microseconds > DAY_MICROSECONDS ? null : microseconds;
}
