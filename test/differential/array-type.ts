// Types of arrays in generated tables.

import { quoted, typed } from './sample-value.ts';
import type { TypeFacts } from './type.ts';

export type ArrayType =
  | 'ints'
  | 'texts'
  | 'nums'
  | 'moods'
  | 'pairs'
  | 'evens'
  | 'flts'
  | 'stamps'
  | 'bools'
  | 'docs'
  | 'days';

export const ARRAYS: Readonly<Record<ArrayType, TypeFacts>> = {
  ints: {
    sql: 'int4[]',
    values: typed('int4[]', '{}', '{1,2}', '{NULL}', '{3}'),
    rows: quoted('{}', '{1,2}', '{1,NULL}', '{2,1}'),
  },
  texts: {
    sql: 'text[]',
    values: typed('text[]', '{}', '{a,B}', '{NULL,""}'),
    rows: quoted('{}', '{a,B}', '{NULL,"",","}', '{"a\\"b"}', '{{a,b},{c,d}}'),
  },
  nums: {
    sql: 'numeric[]',
    values: typed('numeric[]', '{}', '{1.50,NaN}'),
    rows: quoted('{}', '{1.5}', '{1.50}', '{NULL,1e20}', '[0:1]={1,2}'),
  },
  moods: {
    sql: 'mood[]',
    values: typed('mood[]', '{}', '{ok,happy}'),
    rows: quoted('{}', '{sad}', '{ok,happy}', '{NULL}'),
  },
  pairs: {
    sql: 'pair[]',
    values: typed('pair[]', '{}', '{"(1,a)"}'),
    rows: quoted('{}', '{"(1,a)","(,b)"}', '{"(1,A)"}', '{NULL}'),
  },
  evens: {
    sql: 'even[]',
    values: typed('even[]', '{}', '{2,42}'),
    rows: quoted('{}', '{0,2}', '{NULL}', '{{2,4},{6,8}}'),
  },
  flts: {
    sql: 'float8[]',
    values: typed('float8[]', '{}', '{0.1,NaN}'),
    rows: quoted('{}', '{0.1,-0}', '{0.3333333333333333,Infinity}', '{{1,2},{3,NULL}}'),
  },
  stamps: {
    sql: 'timestamptz[]',
    values: typed('timestamptz[]', '{}', '{2026-03-29 01:30+00}'),
    rows: quoted('{}', '{2026-03-29 03:30+02,infinity}', '{2026-10-25 02:30+01,NULL}'),
  },
  bools: {
    sql: 'bool[]',
    values: typed('bool[]', '{t}'),
    rows: quoted('{}', '{t,f}', '{NULL}', '{t}'),
  },
  docs: {
    sql: 'jsonb[]',
    values: typed('jsonb[]', '{}', '{1}'),
    rows: quoted('{}', '{"{\\"a\\": 1}"}', '{null,NULL}', '{"\\"x\\""}'),
  },
  days: {
    sql: 'date[]',
    values: typed('date[]', '{}', '{2026-01-01}'),
    rows: quoted('{}', '{2026-01-01,-infinity}', '{0044-03-15 BC}', '{NULL}'),
  },
};
