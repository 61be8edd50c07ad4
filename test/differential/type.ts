// Types of generated tables: literals of statements, values of rows, and what can be done with each.

import { ARRAYS, type ArrayType } from './array-type.ts';
import {
  DATES,
  INTERVALS,
  LOCAL_TIMES,
  quoted,
  TIMES,
  typed,
  UUIDS,
  WORDS,
} from './sample-value.ts';

export type Type =
  | ArrayType
  | 'int'
  | 'small'
  | 'big'
  | 'num'
  | 'price'
  | 'flt'
  | 'real'
  | 'text'
  | 'vc'
  | 'bp'
  | 'bool'
  | 'date'
  | 'ts'
  | 'tsp'
  | 'time'
  | 'iv'
  | 'uuid'
  | 'bytea'
  | 'jsonb'
  | 'mood'
  | 'inet'
  | 'range'
  | 'ranges'
  | 'pair'
  | 'even'
  | 'json'
  | 'ci'
  | 'de'
  | 'cc'
  | 'money'
  | 'bits'
  | 'bit4'
  | 'timetz'
  | 'mac'
  | 'oid'
  | 'named'
  | 'chr'
  | 'hundreds'
  | 'dates'
  | 'label'
  | 'citext'
  | 'hs'
  | 'tsv'
  | 'point'
  | 'times'
  | 'spans'
  | 'xml'
  | 'tsq'
  | 'path'
  | 'box'
  | 'circle'
  | 'lsn'
  | 'mac8'
  | 'cidr'
  | 'kind';

export interface TypeFacts {
  /** The type's name in SQL. */
  readonly sql: string;
  /** As a column's type, where that is more. */
  readonly column?: string;
  /** Literals in statements; the first is the simplest. */
  readonly values: readonly string[];
  /** Values of rows. */
  readonly rows: readonly string[];
  /** Values of rows where these are at the ends of what the type holds. */
  readonly extremes?: readonly string[];
}

export const LITERALS: Readonly<Record<Type, TypeFacts>> = {
  ...ARRAYS,
  int: {
    sql: 'int4',
    values: ['1', '0', '2', '3', '5', '7', '42', '-1', '-17', '10'],
    rows: ['0', '1', '2', '3', '3', '4', '5', '7', '7', '8', '9', '10', '42', '-1', '-17', '100'],
    extremes: ['2147483647', '-2147483648'],
  },
  small: {
    sql: 'int2',
    values: ['1::int2', '0::int2', '7::int2', '-1::int2'],
    rows: ['0', '1', '2', '3', '-1', '-7'],
    extremes: ['32767', '-32768'],
  },
  big: {
    sql: 'int8',
    values: ['1::int8', '0::int8', '2147483648', '-1::int8', '9223372036854775807'],
    rows: [
      '0',
      '1',
      '2',
      '42',
      '2147483648',
      '-2147483649',
      '9223372036854775807',
      '-9223372036854775808',
      '9007199254740993',
      '9007199254740992',
    ],
  },
  num: {
    sql: 'numeric',
    values: ['1.5', '0.0', '-2.25', '3.0', '1e20', '0.000001', "'NaN'::numeric"],
    rows: [
      '0',
      '0.1',
      '1.5',
      '-2.25',
      '1e25',
      '-1e25',
      '0.0000000000000000001',
      "'NaN'",
      '123456789012345678901234567890.5',
      '3',
      '7.00',
      "'Infinity'",
    ],
    extremes: ["'-Infinity'", '1e1000', '1e-1000', '-99999999999999999999.999999999'],
  },
  price: {
    sql: 'numeric',
    column: 'numeric(12,2)',
    values: ['1.00', '0.00', '9.99', '-5.50'],
    rows: ['0.00', '1.10', '9.99', '9.99', '100.05', '-5.50', '1234567890.12'],
    extremes: ['9999999999.99', '-9999999999.99'],
  },
  flt: {
    sql: 'float8',
    values: ["'1.5'::float8", "'0'::float8", "'-2.25'::float8", "'NaN'::float8"],
    rows: [
      '0',
      '0.25',
      '1.5',
      '-2.75',
      '-2.75',
      '1000',
      "'NaN'",
      "'Infinity'",
      "'-Infinity'",
      "'-0'",
    ],
    extremes: ["'1e308'", "'-1e308'", "'5e-324'"],
  },
  real: {
    sql: 'float4',
    values: ["'1.5'::float4", "'0'::float4"],
    rows: ['0', '0.25', '1.5', '-2.75', '64'],
    extremes: ["'3.4e38'", "'1e-45'", "'NaN'"],
  },
  text: {
    sql: 'text',
    values: WORDS,
    rows: WORDS,
    extremes: ["repeat('x', 3000)", "repeat('ä', 900)", "'\u{1f600}'", "E'a\\tb\\nc'"],
  },
  vc: {
    sql: 'varchar',
    column: 'varchar(8)',
    values: ["'b'::varchar", "'A'::varchar"],
    rows: WORDS,
  },
  bp: {
    sql: 'bpchar',
    column: 'char(4)',
    values: ["'b'::bpchar", "'ab '::bpchar"],
    rows: quoted('a', 'ab', 'ab ', 'B', '', 'zz'),
  },
  bool: { sql: 'bool', values: ['true', 'false'], rows: ['true', 'false', 'true'] },
  date: {
    sql: 'date',
    values: typed('date', ...DATES),
    rows: quoted(...DATES),
    extremes: quoted('4713-01-01 BC', '5874897-12-31'),
  },
  ts: {
    sql: 'timestamptz',
    values: typed('timestamptz', ...TIMES),
    rows: quoted(...TIMES, 'infinity'),
    extremes: quoted('4713-11-24 00:00:00+00 BC', '294276-12-31 23:59:59.999999+00', '-infinity'),
  },
  tsp: {
    sql: 'timestamp',
    values: typed('timestamp', ...LOCAL_TIMES),
    rows: quoted(...LOCAL_TIMES),
    extremes: quoted('4713-11-24 00:00:00 BC', '294276-12-31 23:59:59.999999', '-infinity'),
  },
  time: {
    sql: 'time',
    values: typed('time', '00:00', '12:34:56'),
    rows: quoted('00:00', '24:00', '12:34:56.789', '12:34:56'),
  },
  iv: {
    sql: 'interval',
    values: typed('interval', ...INTERVALS),
    rows: quoted(...INTERVALS),
    extremes: quoted('178000000 years', 'infinity', '-infinity', '2147483647 days'),
  },
  uuid: { sql: 'uuid', values: typed('uuid', ...UUIDS), rows: quoted(...UUIDS) },
  bytea: {
    sql: 'bytea',
    values: ["'\\x00ff'::bytea", "'\\x'::bytea"],
    rows: ["'\\x'", "'\\x00'", "'\\x00ff'", "'\\xdeadbeef'"],
  },
  jsonb: {
    sql: 'jsonb',
    values: typed('jsonb', '{}', '1', '{"a":1}', '[1,2]', 'null'),
    rows: quoted('{}', '1', '{"a":1}', '{"a":1.0}', '[1,2]', 'null', '"x"', '{"b":[],"a":null}'),
    extremes: quoted('1e400', '{"a": {"a": [1, {"a": null}]}}', '"\\u00e4"'),
  },
  mood: {
    sql: 'mood',
    values: typed('mood', 'sad', 'ok', 'happy'),
    rows: quoted('sad', 'ok', 'happy'),
  },
  inet: {
    sql: 'inet',
    values: typed('inet', '10.0.0.1', '::1'),
    rows: quoted('10.0.0.1', '10.0.0.0/8', '::1', '192.168.1.0/24'),
  },
  range: {
    sql: 'int4range',
    values: typed('int4range', 'empty', '[1,5)'),
    rows: quoted('empty', '[1,5)', '[1,4]', '(,3]', '[7,)'),
  },
  ranges: {
    sql: 'int4multirange',
    values: typed('int4multirange', '{}', '{[1,5)}'),
    rows: quoted('{}', '{[1,5)}', '{[1,3),[3,5)}', '{(,0),[7,9]}'),
  },
  // Of two fields, n and word.
  pair: {
    sql: 'pair',
    values: typed('pair', '(1,a)', '(,b)'),
    rows: quoted('(1,a)', '(1,A)', '(2,)', '(,b)', '(7,"x, y")'),
  },
  even: { sql: 'even', values: ["'2'::even", "'0'::even"], rows: quoted('0', '2', '42', '-2') },
  json: {
    sql: 'json',
    values: typed('json', '{"a":1}', '[1, 2]'),
    rows: quoted('{"a":1}', '{"a": 1}', '{"b":[],"a":null}', 'null', '[1,2]'),
  },
  ci: { sql: 'text', column: 'text COLLATE nocase', values: WORDS, rows: WORDS },
  de: { sql: 'text', column: 'text COLLATE german', values: WORDS, rows: WORDS },
  cc: { sql: 'text', column: 'text COLLATE "C"', values: WORDS, rows: WORDS },
  money: {
    sql: 'money',
    values: ["'1.5'::money"],
    rows: quoted('0', '1.5', '-3.25'),
    extremes: quoted('92233720368547758.07'),
  },
  bits: {
    sql: 'bit varying',
    column: 'bit varying(6)',
    values: ["'101'::varbit"],
    rows: ["B'101'", "B''", "B'0'", "B'1010'"],
  },
  bit4: { sql: 'bit(4)', values: ["B'1010'"], rows: ["B'0000'", "B'1010'", "B'1111'"] },
  timetz: {
    sql: 'timetz',
    values: typed('timetz', '12:00:00+02'),
    rows: quoted('12:00:00+02', '10:00:00+00', '24:00:00-07', '00:00:00+05:30'),
  },
  mac: {
    sql: 'macaddr',
    values: typed('macaddr', '08:00:2b:01:02:03'),
    rows: quoted('08:00:2b:01:02:03', 'ff:ff:ff:ff:ff:ff'),
  },
  oid: { sql: 'oid', values: typed('oid', '1', '26'), rows: ['0', '26', '4294967295'] },
  named: { sql: 'name', values: typed('name', 'a'), rows: quoted('a', 'B', 'ä', '') },
  chr: { sql: '"char"', values: typed('"char"', 'a'), rows: quoted('a', 'B', '', '~') },
  hundreds: {
    sql: 'numeric',
    column: 'numeric(6,-2)',
    values: ['100', '1200'],
    rows: ['100', '-51', '49', '99999900'],
  },
  dates: {
    sql: 'daterange',
    values: typed('daterange', 'empty', '[2026-01-01,2026-02-01)'),
    rows: quoted('empty', '[2026-01-01,2026-02-01)', '[2026-01-01,2026-01-31]', '(,infinity)'),
  },
  label: { sql: 'label', values: ["'b'::label", "'Ä'::label"], rows: WORDS },
  citext: { sql: 'citext', values: ["'a'::citext", "'Ä'::citext"], rows: WORDS },
  hs: {
    sql: 'hstore',
    values: typed('hstore', '', 'a=>1'),
    rows: quoted('', 'a=>1', 'b=>2, a=>1', 'a=>NULL'),
  },
  tsv: {
    sql: 'tsvector',
    values: typed('tsvector', 'a:1 b'),
    rows: quoted('a:1 b', '', "'x y':2A"),
  },
  point: { sql: 'point', values: typed('point', '(1,2)'), rows: quoted('(1,2)', '(0,-1)') },
  times: {
    sql: 'tstzrange',
    values: typed('tstzrange', 'empty', '[2026-01-01 00:00+00,2026-06-01 00:00+00)'),
    rows: quoted(
      'empty',
      '[2026-01-01 00:00+00,2026-06-01 00:00+00)',
      '(2026-03-29 01:30+00,)',
      '[2026-03-29 03:30+02,2026-03-29 03:30+02]',
      '(,infinity]',
    ),
  },
  spans: {
    sql: 'numrange',
    values: typed('numrange', 'empty', '[1.5,3)'),
    rows: quoted('empty', '[1.5,3)', '[1.50,3.0)', '(,0]', '(-1,NaN]'),
  },
  xml: {
    sql: 'xml',
    values: typed('xml', '<a/>', '<a b="1">x</a>'),
    rows: quoted('<a/>', '<a b="1">x</a>', 'no element', '<a><b>1</b><b>2</b></a>'),
  },
  tsq: {
    sql: 'tsquery',
    values: typed('tsquery', 'a', 'a & !b'),
    rows: quoted('a', 'a & !b', 'x <-> y', 'a:*A | b'),
  },
  path: {
    sql: 'jsonpath',
    values: typed('jsonpath', '$.a', '$[*] ? (@ > 1)'),
    rows: quoted('$.a', 'strict $[*]', '$.* ? (@ == null)'),
  },
  box: {
    sql: 'box',
    values: typed('box', '(1,2),(0,0)'),
    rows: quoted('(1,2),(0,0)', '(0,0),(0,0)', '(-1,3),(2,-2)'),
  },
  circle: {
    sql: 'circle',
    values: typed('circle', '<(1,2),3>'),
    rows: quoted('<(1,2),3>', '<(0,0),0>', '<(-1,0.1),0.3>'),
  },
  lsn: { sql: 'pg_lsn', values: typed('pg_lsn', '0/10'), rows: quoted('0/0', '0/10', 'FF/A0') },
  mac8: {
    sql: 'macaddr8',
    values: typed('macaddr8', '08:00:2b:01:02:03:04:05'),
    rows: quoted('08:00:2b:01:02:03:04:05', '08:00:2b:01:02:03', 'ff:ff:ff:ff:ff:ff:ff:ff'),
  },
  cidr: {
    sql: 'cidr',
    values: typed('cidr', '10.0.0.0/8'),
    rows: quoted('10.0.0.0/8', '10.1.0.0/16', '::1', '192.168.0.1/32'),
  },
  /** Of users' types the number is another on every server, but above those of all others. */
  kind: { sql: 'regtype', values: typed('regtype', 'int4', 'mood'), rows: quoted('int4', 'mood') },
};
