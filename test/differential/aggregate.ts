// Generator of aggregate and window calls.

import { condition } from './condition.ts';
import type { Expressions, Sight } from './expression.ts';
import { list, literal, option, type Part, text } from './tree.ts';
import type { Type } from './type.ts';

export interface Typed {
  readonly part: Part;
  readonly type: Type;
}

const SUMS: Partial<Record<Type, Type>> = {
  int: 'big',
  small: 'big',
  big: 'num',
  num: 'num',
  price: 'num',
  flt: 'flt',
  real: 'real',
  iv: 'iv',
  money: 'money',
};
const AVERAGES: Partial<Record<Type, Type>> = {
  int: 'num',
  small: 'num',
  big: 'num',
  num: 'num',
  price: 'num',
  flt: 'flt',
  real: 'flt',
  iv: 'iv',
};
const NUMBERS: readonly Type[] = [
  'int',
  'int',
  'price',
  'big',
  'num',
  'flt',
  'small',
  'real',
  'iv',
];

export function aggregate(make: Expressions, sight: Sight, depth: number): Typed {
  const { random } = make;
  const filter = () =>
    random.chance(0.15) ? option(' FILTER (WHERE ', condition(make, sight, 1), ')') : '';
  const call = (type: Type, ...parts: readonly Part[]): Typed => ({
    type,
    part: text(...parts, filter()),
  });
  const arg = (type: Type) => make.of(type, sight, depth);
  const type = make.typeInSight(sight);
  const number = random.pick(NUMBERS);
  const distinct = () => (random.chance(0.2) ? option('DISTINCT ') : '');
  switch (random.int(0, 13)) {
    case 0:
    case 1:
      return call('big', 'count(*)');
    case 2:
      return call('big', 'count(', distinct(), arg(type), ')');
    case 3:
    case 4:
      return call(SUMS[number]!, 'sum(', distinct(), arg(number), ')');
    case 5:
      return number in AVERAGES
        ? call(AVERAGES[number]!, 'avg(', distinct(), arg(number), ')')
        : call('big', 'count(*)');
    case 6:
    case 7:
      return call(type, random.pick(['min(', 'max(']), distinct(), arg(type), ')');
    case 8:
      return call('bool', random.pick(['bool_and(', 'bool_or(', 'every(']), arg('bool'), ')');
    case 9: {
      const by = arg(type);
      return call(
        'text',
        'array_agg(',
        by,
        ' ORDER BY ',
        by,
        random.pick(['', ' DESC', ' NULLS FIRST']),
        ')::text',
      );
    }
    case 10: {
      const by = arg('text');
      return call('text', 'string_agg(', by, ", ',' ORDER BY ", by, ' COLLATE "C"', ')');
    }
    case 11:
      return call(
        type,
        'percentile_disc(',
        random.pick(['0.5', '0.1', '1']),
        ') WITHIN GROUP (ORDER BY ',
        arg(type),
        random.pick(['', ' DESC']),
        ')',
      );
    case 12:
      return call(
        'num',
        random.pick(['stddev(', 'var_pop(', 'variance(', 'stddev_pop(']),
        arg(random.pick(['int', 'price'] as const)),
        ')',
      );
    default:
      return random.pick([
        () => call('int', random.pick(['bit_and(', 'bit_or(', 'bit_xor(']), arg('int'), ')'),
        () =>
          call('jsonb', 'jsonb_agg(', arg(type), ' ORDER BY ', arg('text'), ' COLLATE "C"', ')'),
        () => call('big', 'regr_count(', arg('flt'), ', ', arg('flt'), ')'),
        () =>
          call('big', 'rank(', literal('int', '3'), ') WITHIN GROUP (ORDER BY ', arg('int'), ')'),
      ])();
  }
}

/** `total`: SQL that orders all rows. */
export function windowCall(
  make: Expressions,
  sight: Sight,
  total: Part,
  names: readonly string[],
): Typed {
  const { random } = make;
  const type = make.typeInSight(sight);
  const order = (): Part =>
    random.chance(0.7)
      ? total
      : text(
          make.of(make.typeInSight(sight), sight, 1),
          random.pick(['', ' DESC', ' NULLS FIRST']),
        );
  const partition = (): Part =>
    random.chance(0.5)
      ? option('PARTITION BY ', list([make.of(make.typeInSight(sight), sight, 1)]), ' ')
      : '';
  const frame = (): Part =>
    random.chance(0.4)
      ? option(
          random.pick([' ROWS', ' GROUPS']),
          ' BETWEEN ',
          random.pick(['1 PRECEDING', 'UNBOUNDED PRECEDING', 'CURRENT ROW']),
          ' AND ',
          random.pick(['1 FOLLOWING', 'UNBOUNDED FOLLOWING', 'CURRENT ROW']),
          random.pick(['', '', ' EXCLUDE CURRENT ROW', ' EXCLUDE TIES']),
        )
      : '';
  const over = (framed: boolean): Part =>
    names.length > 0 && random.chance(0.4)
      ? ` OVER ${random.pick(names)}`
      : text(
          ' OVER (',
          partition(),
          random.chance(0.85) ? text('ORDER BY ', order(), framed ? frame() : '') : '',
          ')',
        );
  const arg = (wanted: Type) => make.of(wanted, sight, 1);
  const call = (of: Type, framed: boolean, ...parts: readonly Part[]): Typed => ({
    type: of,
    part: text(...parts, over(framed)),
  });
  switch (random.int(0, 6)) {
    case 0:
      return call('big', false, random.pick(['row_number()', 'rank()', 'dense_rank()']));
    case 1:
      return call('int', false, 'ntile(3)');
    case 2:
      return call(
        type,
        false,
        random.pick(['lag(', 'lead(']),
        arg(type),
        random.pick(['', ', 2']),
        ')',
      );
    case 3:
      return call(type, true, random.pick(['first_value(', 'last_value(']), arg(type), ')');
    case 4: {
      const number = random.pick(['int', 'price', 'big'] as const);
      return call(SUMS[number]!, true, 'sum(', arg(number), ')');
    }
    case 5:
      return call(type, true, random.pick(['min(', 'max(']), arg(type), ')');
    default:
      return call(
        'big',
        true,
        'count(*)',
        random.chance(0.3) ? option(' FILTER (WHERE ', condition(make, sight, 1), ')') : '',
      );
  }
}
