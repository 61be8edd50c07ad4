// Generator of conditions, those on the sharding key among them.

import { type Expressions, type Sight, TEXT_TYPES } from './expression.ts';
import { predicate } from './predicate.ts';
import { expression, list, type Node, option, type Part, untyped } from './tree.ts';
import { LITERALS, type Type } from './type.ts';

export function condition(make: Expressions, sight: Sight, depth: number): Node {
  const { random } = make;
  const e = (...parts: readonly Part[]) => expression('bool', ...parts);
  if (depth <= 0) return comparison(make, sight, 0);
  switch (random.int(0, 15)) {
    case 0:
    case 1:
      return e(
        '(',
        condition(make, sight, depth - 1),
        random.pick([' AND ', ' OR ']),
        condition(make, sight, depth - 1),
        ')',
      );
    case 2:
      return e('NOT (', condition(make, sight, depth - 1), ')');
    case 3: {
      const type = make.typeInSight(sight);
      return e('(', make.of(type, sight, depth - 1), ' IS ', option('NOT '), 'NULL)');
    }
    case 4: {
      const type = make.typeInSight(sight);
      const items = [make.literal(type), make.literal(type), make.of(type, sight, 0)];
      return e('(', make.of(type, sight, depth - 1), option(' NOT'), ' IN (', list(items), '))');
    }
    case 5: {
      const type = make.typeInSight(sight);
      return e(
        '(',
        make.of(type, sight, depth - 1),
        ' BETWEEN ',
        option('SYMMETRIC '),
        make.literal(type),
        ' AND ',
        make.literal(type),
        ')',
      );
    }
    case 6:
      return e(
        '(',
        make.of(random.pick(TEXT_TYPES), sight, depth - 1),
        random.pick([' LIKE ', ' NOT LIKE ', ' ILIKE ']),
        random.pick(["'a%'", "'_'", "'%b%'"]),
        ')',
      );
    case 7:
      return e(
        '((',
        condition(make, sight, depth - 1),
        random.pick([') IS TRUE)', ') IS NOT FALSE)', ') IS UNKNOWN)']),
      );
    case 8:
    case 9:
      return make.subQueries > 0
        ? subQuery(make, sight, depth - 1)
        : comparison(make, sight, depth - 1);
    case 10:
    case 11:
      return predicate(make, sight, depth - 1);
    default:
      return comparison(make, sight, depth - 1);
  }
}

function comparison(make: Expressions, sight: Sight, depth: number): Node {
  const { random } = make;
  const type = make.typeInSight(sight);
  const operator = random.pick([
    ' = ',
    ' = ',
    ' <> ',
    ' < ',
    ' <= ',
    ' > ',
    ' >= ',
    ' IS DISTINCT FROM ',
    ' IS NOT DISTINCT FROM ',
  ]);
  const left = make.of(type, sight, depth);
  const right = random.chance(0.6)
    ? random.chance(0.2)
      ? untyped(type, random.pick(LITERALS[type].values))
      : make.literal(type)
    : make.of(comparableType(make, type), sight, depth);
  return expression('bool', '(', left, operator, right, ')');
}

/** Another type that PostgreSQL compares with it. */
function comparableType(make: Expressions, type: Type): Type {
  const families: readonly (readonly Type[])[] = [
    ['int', 'small', 'big', 'num', 'price', 'flt', 'real', 'even', 'hundreds'],
    ['text', 'vc', 'cc', 'bp', 'named', 'label', 'citext'],
    ['ts', 'tsp', 'date'],
    ['time', 'timetz'],
  ];
  const family = families.find((each) => each.includes(type));
  return family === undefined || make.random.chance(0.5) ? type : make.random.pick(family);
}

function subQuery(make: Expressions, sight: Sight, depth: number): Node {
  const { random } = make;
  make.subQueries -= 1;
  const type = make.typeInSight(sight);
  const e = (...parts: readonly Part[]) => expression('bool', ...parts);
  const rows = (types: readonly Type[]) => make.queries.rows(types, sight, depth);
  switch (random.int(0, 5)) {
    case 5: {
      const other = make.typeInSight(sight);
      const row = list([make.of(type, sight, 1), make.of(other, sight, 1)]);
      const found = [' FROM (', rows([type, other]), ') AS pairs (p, q) ORDER BY p, q LIMIT 1'];
      return e(
        '((',
        row,
        ')',
        random.pick([' = ', ' < ', ' >= ', ' <> ']),
        '(SELECT p, q',
        ...found,
        '))',
      );
    }
    case 0:
      return e(option('NOT '), 'EXISTS (', rows([type]), ')');
    case 1:
      return e('(', make.of(type, sight, 1), option(' NOT'), ' IN (', rows([type]), '))');
    case 2:
      return e(
        '(',
        make.of(type, sight, 1),
        random.pick([' = ', ' <> ', ' < ', ' >= ']),
        random.pick(['ANY (', 'ALL (']),
        rows([type]),
        '))',
      );
    case 3: {
      const other = make.typeInSight(sight);
      return e(
        '((',
        make.of(type, sight, 1),
        ', ',
        make.of(other, sight, 1),
        ')',
        option(' NOT'),
        ' IN (',
        rows([type, other]),
        '))',
      );
    }
    default:
      return e('(', make.of(type, sight, 1), ' = (', make.queries.value(type, sight, depth), '))');
  }
}
