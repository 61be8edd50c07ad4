// Generator of operations and calls that give a value of a wanted type.

import { condition } from './condition.ts';
import { type Expressions, ORDERED_TYPES, type Sight, TEXT_TYPES, TYPES } from './expression.ts';
import { jsonMade, jsonValue } from './json-operation.ts';
import { expression, list, type Node, type Part } from './tree.ts';
import type { Type } from './type.ts';

export function operation(make: Expressions, type: Type, sight: Sight, depth: number): Node | null {
  const { random } = make;
  const of = (wanted: Type) => make.of(wanted, sight, depth);
  const e = (...parts: readonly Part[]) => expression(type, ...parts);
  switch (type) {
    case 'int':
      return random.pick([
        () => e('(', of('int'), random.pick([' + ', ' - ', ' * ']), make.literal('int'), ')'),
        () => e('(', of('int'), ' + ', of('int'), ')'),
        () =>
          e('(', of('int'), random.pick([' / ', ' % ']), random.pick(['2', '3', '7', '-4']), ')'),
        () => e('length(', of('text'), ')'),
        () => e('abs(', of('int'), ')'),
        () => e('-', '(', of('int'), ')'),
        () =>
          e(
            'extract(',
            random.pick(['year', 'month', 'dow', 'hour']),
            ' FROM ',
            of(random.pick(['ts', 'tsp'] as const)),
            ')::int4',
          ),
        () => e('cardinality(', of('ints'), ')'),
        () => e('(', of('ints'), ')[1]'),
        () => e('(', of('small'), ' + ', of('int'), ')'),
        () => e(of('bool'), '::int4'),
        () => e('(', of('date'), " - '2026-01-01'::date)"),
        () => e('strpos(', of('text'), ", 'a')"),
        () => e('array_position(', of('ints'), ', ', of('int'), ')'),
        () => e('(', of('pair'), ').n'),
        () => e('upper(', of('range'), ')'),
        () => e('(', of('even'), ' + 1)'),
        () => e('twice(', of('int'), ')'),
        () => e('cardinality(', of(random.pick(['nums', 'moods', 'pairs'] as const)), ')'),
        () => e('(', of('pairs'), ')[1].n'),
        () => jsonValue(make, 'int', sight, depth),
        () => e('width_bucket(', of('price'), ', 0, 10, 3)'),
        () => e('(', of('evens'), ')[1]'),
        () => e('numnode(', of('tsq'), ')'),
        () => e('cardinality(', "xpath('//b/text()', ", of('xml'), '))'),
      ])();
    case 'big':
      return random.pick([
        () => e('(', of('int'), ')::int8'),
        () => e('(', of('int'), '::int8 * 3)'),
      ])();
    case 'num':
      return random.pick([
        () =>
          e(
            '(',
            of('num'),
            random.pick([' + ', ' - ']),
            of(random.pick(['price', 'int', 'big'] as const)),
            ')',
          ),
        () => e('(', of('price'), ' * ', make.literal('num'), ')'),
        () => e('(', of('price'), ' / ', random.pick(['3', '7.0', '2']), ')'),
        () => e('round(', of('price'), ', 1)'),
        () => e('(', of('big'), '::numeric * 10)'),
        () => e('abs(', of('num'), ')'),
      ])();
    case 'price':
      return e('(', of('int'), ')::numeric(12,2)');
    case 'flt':
      return random.pick([
        () => e('(', of('flt'), random.pick([' + ', ' - ']), of('flt'), ')'),
        () => e('(', of('flt'), ' * 2)'),
        () => e('(', of('int'), ')::float8'),
        () => e('abs(', of('flt'), ')'),
      ])();
    case 'text':
      return random.pick([
        () => e('(', of('text'), ' || ', of(random.pick(TEXT_TYPES)), ')'),
        () =>
          e(
            random.pick(['upper', 'lower', 'reverse', 'initcap']),
            '(',
            of(random.pick(TEXT_TYPES)),
            ')',
          ),
        () => e('left(', of('text'), ', 1)'),
        () => e('(', of(random.pick(ORDERED_TYPES)), ')::text'),
        () => e('concat_ws(', list(["'-'", of('int'), of('text')]), ')'),
        () => e('to_char(', of('ts'), ", 'YYYY-MM-DD HH24:MI TZ')"),
        () =>
          e(
            '(',
            of(random.pick(TEXT_TYPES)),
            ' COLLATE ',
            random.pick(['"C"', 'german', 'nocase']),
            ')',
          ),
        () => e('md5(', of('text'), ')'),
        () => e('(', of(random.pick(['jsonb', 'json'] as const)), " ->> 'a')"),
        () => e('(', of(random.pick(['json', 'ranges', 'pair', 'texts'] as const)), ')::text'),
        () => e('substring(', of('text'), ' FROM 1 FOR 2)'),
        () => e('replace(', of('text'), ", 'a', 'bb')"),
        () => e('lpad(', of('text'), ", 3, '*')"),
        () => e("format('%s/%s', ", list([of('int'), of('text')]), ')'),
        () => e('array_to_string(', of('texts'), ", ',', '-')"),
        () => e('encode(', of('bytea'), ", 'hex')"),
        () => e('(', of('pair'), ').word'),
        () => e('jsonb_path_query_first(', of('jsonb'), ", '$.a')::text"),
        () => e('trim(', random.pick(['BOTH', 'LEADING']), " 'a' FROM ", of('text'), ')'),
        () => wholeRow(make, sight) ?? e('md5(', of('text'), ')'),
        () =>
          e('(', of(random.pick(['hs', 'tsv', 'point', 'label', 'citext'] as const)), ')::text'),
        () => e('(', of('hs'), " -> 'a')"),
        () => e('quote_nullable(', of('chr'), '::text)'),
        () => e('regexp_replace(', of('text'), ", '[aä]', 'x', 'gi')"),
        () => e('split_part(', of('text'), ", 'a', 1)"),
        () => e('(', of('texts'), ')[1]'),
        () => e('to_char(', of('price'), ", 'FM9G990D00')"),
        () => e('host(', of('inet'), ')'),
        () => e('pg_typeof(', of(random.pick(TYPES)), ')::text'),
        () => jsonValue(make, 'text', sight, depth),
        () => listedRows(make, type, sight, depth),
      ])();
    case 'bool':
      return e('(', condition(make, sight, depth), ')');
    case 'date':
      return random.pick([() => e('(', of('ts'), ')::date'), () => e('(', of('tsp'), ')::date')])();
    case 'ts':
      return random.pick([
        () => e("date_trunc('day', ", of('ts'), ')'),
        () => e('(', of('ts'), ' + ', make.literal('iv'), ')'),
        () => e('(', of('tsp'), ')::timestamptz'),
        () => e('(', of('tsp'), " AT TIME ZONE 'Europe/Berlin')"),
      ])();
    case 'tsp':
      return random.pick([
        () => e('(', of('ts'), " AT TIME ZONE 'America/New_York')"),
        () => e('(', of('date'), ')::timestamp'),
      ])();
    case 'iv':
      return random.pick([
        () => e('(', of('iv'), ' * 2)'),
        () => e('(', of('ts'), ' - ', of('ts'), ')'),
        () => e('justify_days(', of('iv'), ')'),
        () => e('(', of('time'), " - '01:00'::time)"),
      ])();
    case 'label':
      return e('(', of('text'), ')::label');
    case 'citext':
      return random.pick([
        () => e('(', of('text'), ')::citext'),
        () => e('(', of('citext'), ' || ', of('citext'), ')::citext'),
      ])();
    case 'hs':
      return e('(', of('hs'), " || hstore('b', ", of('text'), '))');
    case 'nums':
      return e('ARRAY[', list([of('num'), of('price')]), ']');
    case 'flts':
      return e('ARRAY[', list([of('flt'), of('real')]), ']::float8[]');
    case 'stamps':
      return e('(', of('stamps'), ' || ', of('ts'), ')');
    case 'bools':
      return e('ARRAY[', list([of('bool'), of('bool')]), ']');
    case 'docs':
      return e('ARRAY[', list([of('jsonb')]), ']');
    case 'days':
      return e('array_append(', list([of('days'), of('date')]), ')');
    case 'kind':
      return e('pg_typeof(', of(random.pick(TYPES)), ')');
    case 'lsn':
      return e('greatest(', list([of('lsn'), of('lsn')]), ')');
    case 'cidr':
      return e('(', of('cidr'), ')::cidr');
    case 'circle':
      return e('circle(', of('point'), ', abs(', of('flt'), '))');
    case 'moods':
      return e('ARRAY[', list([of('mood'), of('mood')]), ']');
    case 'pairs':
      return e('ARRAY[', list([of('pair')]), ']');
    case 'tsv':
      return random.pick([
        () => e("to_tsvector('simple', ", of('text'), ')'),
        () => e("to_tsvector('english', ", of('text'), ')'),
        () => e('(', of('tsv'), ' || ', of('tsv'), ')'),
      ])();
    case 'real':
      return e('ts_rank(', list([of('tsv'), of('tsq')]), ')');
    case 'tsq':
      return random.pick([
        () => e("plainto_tsquery('simple', ", of('text'), ')'),
        () => e('(', of('tsq'), random.pick([' && ', ' || ', ' <-> ']), of('tsq'), ')'),
      ])();
    case 'times':
      return random.pick([
        () => e('tstzrange(least(', list([of('ts'), "'2026-06-01'"]), "), '2026-06-01', '[]')"),
        () => e('(', of('times'), ' * ', of('times'), ')'),
      ])();
    case 'spans':
      return random.pick([
        () => e('numrange(least(', list([of('num'), '3']), '), 3)'),
        () => e('(', of('spans'), ' * ', of('spans'), ')'),
      ])();
    case 'evens':
      return random.pick([
        () => e('ARRAY[', list([of('even'), of('even')]), ']'),
        () => e('(', of('evens'), ' || ', of('even'), ')'),
      ])();
    case 'xml':
      return random.pick([
        () => e('xmlelement(name a, xmlattributes(', of('int'), ' AS b), ', of('text'), ')'),
        () => e('xmlforest(', of('text'), ' AS a, ', of('int'), ' AS b)'),
        () => e('xmlconcat(', list([of('xml'), of('xml')]), ')'),
      ])();
    case 'box':
      return e('box(', list([of('point'), of('point')]), ')');
    case 'dates':
      return e('daterange(least(', list([of('date'), "'2026-01-01'"]), "), 'infinity')");
    case 'point':
      return e('point(', of('int'), ', ', of('int'), ')');
    case 'ints':
      return random.pick([
        () => e('ARRAY[', list([of('int'), of('int')]), ']'),
        () => e('(', of('ints'), ' || ', of('int'), ')'),
        () => e('(', of('ints'), ')[1:2]'),
        () => e('array_remove(', of('ints'), ', ', of('int'), ')'),
        () => arrayOfRows(make, sight, depth),
      ])();
    case 'texts':
      return random.pick([
        () => e('ARRAY[', list([of('text'), of('text')]), ']'),
        () => e('string_to_array(', of('text'), ", 'a')"),
      ])();
    case 'range':
      return random.pick([
        () => e('int4range(least(', list([of('int'), '3']), '), 7)'),
        () => e('(', of('range'), ' * ', of('range'), ')'),
      ])();
    case 'ranges':
      return random.pick([
        () => e('(', of('range'), ')::int4multirange'),
        () => e('(', of('ranges'), random.pick([' + ', ' * ', ' - ']), of('ranges'), ')'),
      ])();
    case 'pair':
      return e('ROW(', of('int'), ', ', of('text'), ')::pair');
    case 'json':
      return e('json_build_array(', list([of('int'), of('text')]), ')');
    case 'jsonb':
      return random.pick([
        () => e('jsonb_build_object(', list(["'k'", of(random.pick(TYPES))]), ')'),
        () => e('to_jsonb(', of(random.pick(['int', 'pair', 'ints'] as const)), ')'),
        () => e('(', of('jsonb'), " - 'a')"),
        () => e('(', of('jsonb'), " #> '{a}')"),
        () => e('(', of('jsonb'), ")['a']"),
        () => jsonMade(make, sight, depth),
      ])();
    default:
      return null;
  }
}

function wholeRow(make: Expressions, sight: Sight): Node | null {
  const named = sight.own.filter(({ name }) => name !== '');
  if (named.length === 0) return null;
  const { name } = make.random.pick(named);
  return expression(
    'text',
    make.random.pick([`(${name})::text`, `row_to_json(${name})::text`, `ROW(${name}.*)::text`]),
  );
}

/** The sorted values of a sub-query as one text. */
function listedRows(make: Expressions, type: Type, sight: Sight, depth: number): Node {
  if (make.subQueries <= 0) return make.leaf(type, sight);
  make.subQueries -= 1;
  const rows = make.queries.rows(['int'], sight, depth);
  return expression(
    type,
    make.random.pick([
      '(SELECT array_agg(q ORDER BY q)::text FROM (',
      "(SELECT string_agg(q::text, ',' ORDER BY q) FROM (",
    ]),
    rows,
    ') AS listed (q))',
  );
}

/** The values of a sub-query in their order. */
function arrayOfRows(make: Expressions, sight: Sight, depth: number): Node {
  if (make.subQueries <= 0) return make.leaf('ints', sight);
  make.subQueries -= 1;
  const rows = make.queries.rows(['int'], sight, depth);
  return expression('ints', 'ARRAY(SELECT q FROM (', rows, ') AS listed (q) ORDER BY q)');
}
