// Generator of aggregate and window calls.

import type { Random } from '../support/random.ts';
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

/** Types of which PostgreSQL knows no least and no greatest value. */
export const WITHOUT_MAX: ReadonlySet<Type> = new Set([
  'bool',
  'uuid',
  'bytea',
  'jsonb',
  'json',
  'bits',
  'range',
  'ranges',
  'pair',
]);

export function aggregate(make: Expressions, sight: Sight, depth: number): Typed {
  const { random } = make;
  const filter = () =>
    random.chance(0.15) ? option(' FILTER (WHERE ', condition(make, sight, 1), ')') : '';
  const call = (type: Type, ...parts: readonly Part[]): Typed => ({
    type,
    part: text(...parts, filter()),
  });
  const asText = ({ part }: Typed): Typed => ({ type: 'text', part: text('(', part, ')::text') });
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
    case 7: {
      const most = WITHOUT_MAX.has(type) && random.chance(0.95) ? 'int' : type;
      return call(most, random.pick(['min(', 'max(']), distinct(), arg(most), ')');
    }
    case 8:
      return call('bool', random.pick(['bool_and(', 'bool_or(', 'every(']), arg('bool'), ')');
    case 9: {
      const by = arg(type);
      const sorted = [' ORDER BY ', by, random.pick(['', ' DESC', ' NULLS FIRST'])];
      return asText(
        random.chance(0.3)
          ? call(type, 'array_agg(DISTINCT ', by, ...(random.chance(0.5) ? sorted : []), ')')
          : call(type, random.pick(['array_agg(', 'array_agg(', 'json_agg(']), by, ...sorted, ')'),
      );
    }
    case 10: {
      const by = arg('text');
      return random.chance(0.2)
        ? call('text', 'string_agg(DISTINCT ', by, ", ',')")
        : call('text', 'string_agg(', by, ", ',' ORDER BY ", by, ' COLLATE "C"', ')');
    }
    case 11:
      return random.chance(0.4)
        ? orderedSet(call, arg, random, type)
        : call(
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
        () => call('big', 'count(DISTINCT (', list([arg(type), arg('int')]), '))'),
        () => asText(call('ranges', 'range_agg(', arg('range'), ')')),
        () => call('range', 'range_intersect_agg(', arg('range'), ')'),
        () => call('jsonb', 'jsonb_object_agg(', arg('int'), '::text, ', arg('int'), ')'),
      ])();
  }
}

/** A function WITHIN GROUP that is not percentile_disc of one share. */
function orderedSet(
  call: (type: Type, ...parts: readonly Part[]) => Typed,
  arg: (type: Type) => Part,
  random: Random,
  type: Type,
): Typed {
  const order = (part: Part) => [' WITHIN GROUP (ORDER BY ', part, random.pick(['', ' DESC']), ')'];
  return random.pick([
    () => call(type, 'mode()', ...order(arg(type))),
    () =>
      call(
        'flt',
        'percentile_cont(',
        random.pick(['0.5', '0.25', '1']),
        ')',
        ...order(arg(random.pick(['int', 'small', 'price'] as const))),
      ),
    () =>
      call(
        'big',
        random.pick(['rank(', 'dense_rank(']),
        literal('int', '3', random.chance(0.5)),
        ')',
        ...order(arg('int')),
      ),
    () => call('flt', random.pick(['percent_rank(', 'cume_dist(']), '3)', ...order(arg('int'))),
    () =>
      call(
        'big',
        'rank(',
        list([literal('int', '3'), literal('text', "'a'")]),
        ') WITHIN GROUP (ORDER BY ',
        list([arg('int'), arg('text')]),
        ')',
      ),
  ])();
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
  const exclusion = () =>
    random.pick(['', '', '', ' EXCLUDE CURRENT ROW', ' EXCLUDE TIES', ' EXCLUDE GROUP']);
  const frame = (): Part =>
    random.chance(0.4)
      ? option(
          random.pick([' ROWS', ' GROUPS']),
          ' BETWEEN ',
          random.pick(['1 PRECEDING', 'UNBOUNDED PRECEDING', 'CURRENT ROW']),
          ' AND ',
          random.pick(['1 FOLLOWING', 'UNBOUNDED FOLLOWING', 'CURRENT ROW']),
          exclusion(),
        )
      : '';
  /** By the distance of values; NULLs and equal values are in or out together. */
  const ranged = (): Part =>
    text(
      'ORDER BY ',
      make.of(random.pick(['int', 'price', 'date'] as const), sight, 0),
      random.pick(['', ' DESC', ' NULLS FIRST']),
      option(
        ' RANGE BETWEEN ',
        random.pick(['UNBOUNDED PRECEDING', 'CURRENT ROW', "'3' PRECEDING"]),
        ' AND ',
        random.pick(['UNBOUNDED FOLLOWING', 'CURRENT ROW', "'2' FOLLOWING"]),
        exclusion(),
      ),
    );
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
  switch (random.int(0, 8)) {
    case 0:
      return call('big', false, random.pick(['row_number()', 'rank()', 'dense_rank()']));
    case 7:
      return call('flt', false, random.pick(['percent_rank()', 'cume_dist()']));
    case 8:
      return call(type, true, 'nth_value(', arg(type), ', 2)');
    case 1:
      return call('int', false, 'ntile(3)');
    case 2:
      return call(
        type,
        false,
        random.pick(['lag(', 'lead(']),
        arg(type),
        random.pick(['', ', 2', ', 0']),
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
