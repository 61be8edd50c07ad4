// Generator of predicates that only some types know: patterns, arrays, ranges, rows, documents.

import type { Expressions, Sight } from './expression.ts';
import { expression, list, literal, type Node, type Part } from './tree.ts';
import type { Type } from './type.ts';

const COMPARED = [' = ', ' <> ', ' < ', ' <= ', ' > ', ' >= '];

export function predicate(make: Expressions, sight: Sight, depth: number): Node {
  const { random } = make;
  const of = (wanted: Type) => make.of(wanted, sight, depth);
  const e = (...parts: readonly Part[]) => expression('bool', ...parts);
  return random.pick([
    () => rowComparison(make, sight, depth),
    () => rowComparison(make, sight, depth),
    () => anyOf(make, sight, depth),
    () => anyOf(make, sight, depth),
    () =>
      e(
        '(',
        of('text'),
        random.pick([" ~ '^[a-z]'", " ~* 'A'", " !~ 'b'", " SIMILAR TO '%(a|b)'"]),
        ')',
      ),
    () =>
      e('(', of('text'), random.pick([" LIKE ANY ('{a%,%b}')", " NOT LIKE ALL ('{a%,z}')"]), ')'),
    () => e('(', of('range'), random.pick([' @> ', ' && ']), of('range'), ')'),
    () => e('(', of('range'), random.pick([' -|- ', ' << ', ' &> ']), make.literal('range'), ')'),
    () => e('(', of('range'), ' @> ', of('int'), ')'),
    () => e('(', of('ranges'), ' @> ', of(random.pick(['int', 'range'] as const)), ')'),
    () => e('(', of('ints'), random.pick([' @> ', ' && ', ' <@ ']), of('ints'), ')'),
    () => e('(', of('int'), ' = ANY (', of('ints'), '))'),
    () => e('(', of('jsonb'), random.pick([' @> ', ' <@ ']), of('jsonb'), ')'),
    () => e('(', of('jsonb'), random.pick([" ? 'a'", " ?| '{a,b}'", " @? '$.a'"]), ')'),
    () => e('(', of('inet'), random.pick([' << ', ' >>= ', ' && ']), make.literal('inet'), ')'),
    () => e('(', of('hs'), random.pick([" ? 'a'", " @> 'a=>1'", " ?| '{a,b}'"]), ')'),
    () => e('(', of('tsv'), random.pick([" @@ 'a'::tsquery", " @@ 'a <-> b'::tsquery"]), ')'),
    () => e('(', of('tsv'), ' @@ ', of('tsq'), ')'),
    () =>
      e("(to_tsvector('simple', ", of('text'), ") @@ websearch_to_tsquery('simple', 'a or b'))"),
    () => e('(', of('times'), random.pick([' @> ', ' && ', ' <@ ']), of('times'), ')'),
    () => e('(', of('times'), ' @> ', of('ts'), ')'),
    () => e('(', of('spans'), random.pick([' @> ', ' -|- ', ' << ']), make.literal('spans'), ')'),
    () => e('(', of(random.pick(['num', 'price'] as const)), ' <@ ', of('spans'), ')'),
    () => e('(', of('even'), ' = ANY (', of('evens'), '))'),
    () => e('(', of('jsonb'), random.pick([' @? ', ' @@ ']), of('path'), ')'),
    () => e("xpath_exists('//b', ", of('xml'), ')'),
    () => e('(', of('xml'), random.pick([' IS DOCUMENT', ' IS NOT DOCUMENT']), ')'),
    () => e('(', of('box'), random.pick([' && ', ' @> ', ' << ']), make.literal('box'), ')'),
    () => e('(', of('ts'), ' < now())'),
    () => e('(', of('date'), random.pick([' <= CURRENT_DATE', ' > current_date - 100']), ')'),
    () => e('(', of('point'), random.pick([' << ', ' ~= ']), make.literal('point'), ')'),
    () =>
      e('(', of('dates'), random.pick([' @> ', ' << ']), of(random.pick(['dates'] as const)), ')'),
    () => e('(', of('dates'), ' @> ', of('date'), ')'),
    () => e('(', of('mood'), ' = ANY (', of('moods'), '))'),
    () => e('(', of('pair'), ' = ANY (', of('pairs'), '))'),
    () => e('(', of('label'), random.pick(COMPARED), of('text'), ')'),
    () =>
      e('(', of('citext'), random.pick([...COMPARED, ' ~ ', ' LIKE ']), make.literal('text'), ')'),
    () => e('JSON_EXISTS(', of('jsonb'), random.pick([", '$.a'", ", '$[*] ? (@ > 1)'"]), ')'),
    () =>
      e('(', of('text'), random.pick([' IS JSON', ' IS NOT JSON OBJECT', ' IS JSON SCALAR']), ')'),
    () => e('(', of('text'), random.pick([' IS NFC NORMALIZED', " COLLATE german > 'a'"]), ')'),
    () => wholeRows(make, sight) ?? rowComparison(make, sight, depth),
    () => e('isempty(', of('range'), ')'),
    () => e('((', of('date'), ', ', of('date'), ") OVERLAPS ('2026-01-01', '2026-02-01'))"),
    () => e('starts_with(', of('text'), ", 'a')"),
    () => e('(num_nulls(', list([of('int'), of('text'), of('date')]), ') < 2)'),
  ])();
}

/** By a list of values: a literal of an array, a parameter, a constructor. */
function anyOf(make: Expressions, sight: Sight, depth: number): Node {
  const { random } = make;
  const type = random.pick(['int', 'int', 'big', 'text', 'date', 'price'] as const);
  const values = [make.literal(type), make.literal(type), make.of(type, sight, 0)];
  const array = (): Part =>
    random.chance(0.4)
      ? literal(
          'ints',
          random.pick(["'{1,42}'::int4[]", "'{}'::int4[]", "'{7,NULL}'::int4[]"]),
          true,
        )
      : expression('ints', 'ARRAY[', list(values), ']');
  const isNumber = type !== 'text' && type !== 'date';
  const against = isNumber ? array() : expression('texts', 'ARRAY[', list(values), ']');
  return expression(
    'bool',
    '(',
    make.of(type, sight, depth),
    random.pick(COMPARED),
    random.pick(['ANY (', 'ANY (', 'ALL (']),
    against,
    '))',
  );
}

function rowComparison(make: Expressions, sight: Sight, depth: number): Node {
  const { random } = make;
  const types = Array.from({ length: random.int(2, 3) }, () => make.typeInSight(sight));
  const row = (one: (type: Type) => Part): Part =>
    expression('pair', random.pick(['(', 'ROW(']), list(types.map(one)), ')');
  const left = row((type) => make.of(type, sight, depth));
  if (random.chance(0.2))
    return expression('bool', '(', left, random.pick([' IS NULL)', ' IS NOT NULL)']));
  const right = row((type) =>
    random.chance(0.7) ? make.literal(type) : make.of(type, sight, depth),
  );
  return expression(
    'bool',
    '(',
    left,
    random.pick([...COMPARED, ' IS DISTINCT FROM ', ' IS NOT DISTINCT FROM ']),
    right,
    ')',
  );
}

/** Of a relation's row as one value. */
function wholeRows(make: Expressions, sight: Sight): Node | null {
  const { random } = make;
  const named = [...sight.own, ...sight.outer].filter(({ name }) => name !== '');
  if (named.length === 0) return null;
  const { name } = random.pick(named);
  return expression(
    'bool',
    random.pick([
      `(${name} IS NULL)`,
      `(${name} IS NOT NULL)`,
      `(${name}.* IS DISTINCT FROM ${name})`,
      `(to_jsonb(${name}) ? 'id')`,
    ]),
  );
}
