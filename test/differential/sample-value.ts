// Sample values: what several of the generated types choose theirs of.

export const quoted = (...values: readonly string[]) =>
  values.map((value) => `'${value.replaceAll("'", "''")}'`);
export const typed = (type: string, ...values: readonly string[]) =>
  quoted(...values).map((value) => `${value}::${type}`);

export const WORDS = quoted(
  '',
  'a',
  'A',
  'b',
  'ab',
  'Ab',
  'ä',
  'Ä',
  'z',
  'Z',
  'a b',
  'a-b',
  'ab1',
  'ß',
  'ss',
  '_',
  '10',
  '9',
  'é',
  "o'x",
  'a\\b',
  '%',
);
export const DATES = [
  '2026-01-01',
  '2026-03-29',
  '2025-12-31',
  '1999-02-28',
  '2024-02-29',
  'infinity',
  '-infinity',
  '0044-03-15 BC',
];
export const TIMES = [
  '2026-03-29 01:30:00+00',
  '2026-03-29 03:30:00+02',
  '2026-10-25 02:30:00+01',
  '2025-12-31 23:59:59.999999+00',
  '1970-01-01 00:00:00-08',
  '2026-01-01 00:00:00+00',
  '2026-01-01 05:30:00+05:30',
];
export const LOCAL_TIMES = [
  '2026-03-29 01:30:00',
  '2026-03-29 03:30:00',
  '2025-12-31 23:59:59.5',
  '2026-01-01',
  'infinity',
];
export const INTERVALS = [
  '1 day',
  '24 hours',
  '1 month',
  '30 days',
  '-1 year',
  '0',
  '1 day 02:03:04.5',
  '-00:00:01',
];
export const UUIDS = [
  '00000000-0000-0000-0000-000000000000',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '7f000000-0000-4000-8000-000000000001',
];
