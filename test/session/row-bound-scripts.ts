// Scripts about LIMIT and OFFSET by parameters, whose types clients choose.

import { type Step, say, step } from '../support/transcript.ts';

const ALL = 'SELECT user_id, id FROM files ORDER BY user_id, id';

const BINARY = { formats: [1] };
const FLOAT4 = 700;
const FLOAT8 = 701;
const NUMERIC = 1700;

const integer = (bytes: number, value: number): Buffer => {
  const buffer = Buffer.alloc(bytes);
  buffer.writeIntBE(value, Math.max(0, bytes - 6), Math.min(bytes, 6));
  return buffer;
};
const float4 = (value: number): Buffer => {
  const buffer = Buffer.alloc(4);
  buffer.writeFloatBE(value);
  return buffer;
};
const float8 = (value: number): Buffer => {
  const buffer = Buffer.alloc(8);
  buffer.writeDoubleBE(value);
  return buffer;
};

const asked = (sql: string, type: number, value: Buffer | string): Step =>
  step([
    say.parse(sql, '', [type]),
    say.bind([value], '', '', typeof value === 'string' ? {} : BINARY),
    say.execute(),
    say.sync,
  ]);

/** By the fact they show. */
export const rowBoundScripts: Readonly<Record<string, readonly Step[]>> = {
  'LIMIT by integers of any length': [
    asked(`${ALL} LIMIT $1`, 20, integer(8, 2)),
    asked(`${ALL} LIMIT $1`, 23, integer(4, 2)),
    asked(`${ALL} LIMIT $1`, 21, integer(2, 2)),
    step([say.parse(`${ALL} LIMIT $1 OFFSET 1`, 's'), say.sync]),
    ...['9223372036854775807', '-1', ' +2 ', null].map((value) =>
      step([say.bind([value], 's'), say.execute(), say.sync]),
    ),
  ],
  'LIMIT by floating-point numbers, of which a half is rounded to what is even': [
    ...[2.5, 3.5, 2.4, 0.5, -0.5, -1].map((value) =>
      asked(`${ALL} LIMIT $1`, FLOAT8, float8(value)),
    ),
    asked(`${ALL} LIMIT $1`, FLOAT4, float4(2.5)),
    asked(`${ALL} LIMIT $1`, FLOAT8, '1.5'),
  ],
  'OFFSET by decimals, of which a half is rounded away from zero': [
    ...['2.5', '2.4', '1e1', '-0.4', '-0.5'].map((value) =>
      asked(`${ALL} LIMIT 3 OFFSET $1`, NUMERIC, value),
    ),
    asked('SELECT count(*) FROM files WHERE id > $1 LIMIT $1', NUMERIC, '0.5'),
  ],
  'LIMIT and OFFSET by what is no integer': [
    `PREPARE f (float8) AS ${ALL} LIMIT $1`,
    ...["EXECUTE f ('1e30')", "EXECUTE f ('NaN')", "EXECUTE f ('-Infinity')"],
    `PREPARE n (numeric) AS ${ALL} LIMIT 3 OFFSET $1`,
    ...["EXECUTE n ('NaN')", "EXECUTE n ('-Infinity')", "EXECUTE n ('1e30')"],
  ].map((sql) => step(say.query(sql))),
};
