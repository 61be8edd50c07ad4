// Generator of window calls.

import { SUMS, type Typed, WITHOUT_MAX } from './aggregate.ts';
import { condition } from './condition.ts';
import type { Expressions, Sight } from './expression.ts';
import { list, literal, option, type Part, text } from './tree.ts';
import type { Type } from './type.ts';

const STARTS = ['1 PRECEDING', 'UNBOUNDED PRECEDING', 'CURRENT ROW', '1 FOLLOWING'];
const ENDS = ['1 FOLLOWING', 'UNBOUNDED FOLLOWING', 'CURRENT ROW', '1 PRECEDING'];
/** By the distance of values: what is added to each type. */
const DISTANCES = {
  int: ["'3'", "'0'"],
  price: ["'2.5'"],
  date: ["'1 month'", "'3 days'"],
  ts: ["'1 day'", "'02:00'"],
  tsp: ["'1 year'"],
  flt: ["'0.5'", "'Infinity'"],
  num: ["'1'"],
  time: ["'01:00'"],
  iv: ["'1 day'"],
} as const;

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
  const exclusion = () =>
    random.pick(['', '', '', ' EXCLUDE CURRENT ROW', ' EXCLUDE TIES', ' EXCLUDE GROUP']);
  const frame = (): Part => {
    if (!random.chance(0.4)) return '';
    const mode = random.pick([' ROWS', ' GROUPS']);
    const start = random.pick(STARTS);
    if (random.chance(0.15) && start !== '1 FOLLOWING')
      return option(mode, ` ${start}`, exclusion());
    const far = random.chance(0.2) ? text(literal('int', '2', true), ' FOLLOWING') : null;
    return option(mode, ` BETWEEN ${start} AND `, far ?? random.pick(ENDS), exclusion());
  };
  /** By the distance of values; NULLs and equal values are in or out together. */
  const ranged = (): Part => {
    const kinds = Object.keys(DISTANCES) as (keyof typeof DISTANCES)[];
    const kind = random.pick(kinds);
    const distance = () => random.pick(DISTANCES[kind]);
    const starts = ['UNBOUNDED PRECEDING', 'CURRENT ROW', `${distance()} PRECEDING`];
    const ends = ['UNBOUNDED FOLLOWING', 'CURRENT ROW', `${distance()} FOLLOWING`];
    return text(
      'ORDER BY ',
      make.of(kind, sight, 0),
      random.pick(['', ' DESC', ' NULLS FIRST']),
      option(` RANGE BETWEEN ${random.pick(starts)} AND ${random.pick(ends)}`, exclusion()),
    );
  };
  const over = (framed: boolean): Part =>
    names.length > 0 && random.chance(0.4)
      ? random.chance(0.7)
        ? ` OVER ${random.pick(names)}`
        : text(` OVER (${random.pick(names)}`, framed ? frame() : '', ')')
      : text(
          ' OVER (',
          partition(),
          framed && random.chance(0.2)
            ? ranged()
            : random.chance(0.85)
              ? text('ORDER BY ', order(), framed ? frame() : '')
              : '',
          ')',
        );
  const arg = (wanted: Type) => make.of(wanted, sight, 1);
  const call = (of: Type, framed: boolean, ...parts: readonly Part[]): Typed => ({
    type: of,
    part: text(...parts, over(framed)),
  });
  switch (random.int(0, 9)) {
    case 0:
      return call('big', false, random.pick(['row_number()', 'rank()', 'dense_rank()']));
    case 7:
      return call('flt', false, random.pick(['percent_rank()', 'cume_dist()']));
    case 8:
      return call(type, true, 'nth_value(', arg(type), ', ', random.pick(['1', '2']), ')');
    case 9:
      return random.pick([
        () => call('num', true, 'avg(', arg('int'), ')'),
        () => call('bool', true, 'bool_and(', arg('bool'), ')'),
        () => call('num', true, 'var_pop(', arg('price'), ')'),
        () => call('big', true, 'total(', arg('int'), ')'),
      ])();
    case 1:
      return call('int', false, 'ntile(3)');
    case 2:
      return call(
        type,
        false,
        random.pick(['lag(', 'lead(']),
        arg(type),
        random.chance(0.25) ? text(', 1, ', arg(type)) : random.pick(['', ', 2', ', 0']),
        ')',
      );
    case 3:
      return call(type, true, random.pick(['first_value(', 'last_value(']), arg(type), ')');
    case 4: {
      const number = random.pick(['int', 'price', 'big'] as const);
      return call(SUMS[number]!, true, 'sum(', arg(number), ')');
    }
    case 5: {
      const most = WITHOUT_MAX.has(type) ? 'int' : type;
      return call(most, true, random.pick(['min(', 'max(']), arg(most), ')');
    }
    default:
      return call(
        'big',
        true,
        'count(*)',
        random.chance(0.3) ? option(' FILTER (WHERE ', condition(make, sight, 1), ')') : '',
      );
  }
}
