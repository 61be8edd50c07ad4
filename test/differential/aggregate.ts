// Generator of aggregate calls.

import { condition } from './condition.ts';
import type { Expressions, Sight } from './expression.ts';
import { orderedSet } from './ordered-set.ts';
import { statistic } from './statistic.ts';
import { list, option, type Part, text } from './tree.ts';
import type { Type } from './type.ts';

export interface Typed {
  readonly part: Part;
  readonly type: Type;
}

export const SUMS: Partial<Record<Type, Type>> = {
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
  'mac',
  'bit4',
  'dates',
  'tsv',
  'point',
  'hs',
  'times',
  'spans',
  'xml',
  'tsq',
  'path',
  'box',
  'circle',
  'mac8',
  'cidr',
  'kind',
]);

/** What `min` and `max` give of a type, where that is another. */
const MOST: Partial<Record<Type, Type>> = { named: 'text', chr: 'text', label: 'text', vc: 'text' };

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
      return call(MOST[most] ?? most, random.pick(['min(', 'max(']), distinct(), arg(most), ')');
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
      return orderedSet({ call, arg, random, type });
    case 12:
      return statistic({ call, arg, random });
    default:
      return random.pick([
        () => call('int', random.pick(['bit_and(', 'bit_or(', 'bit_xor(']), arg('int'), ')'),
        () =>
          call('jsonb', 'jsonb_agg(', arg(type), ' ORDER BY ', arg('text'), ' COLLATE "C"', ')'),
        () => call('big', 'count(DISTINCT (', list([arg(type), arg('int')]), '))'),
        () => asText(call('ranges', 'range_agg(', arg('range'), ')')),
        () => call('ranges', 'range_agg(', arg('ranges'), ')'),
        () => call('range', 'range_intersect_agg(', arg('range'), ')'),
        () => call('jsonb', 'jsonb_object_agg(', arg('int'), '::text, ', arg('int'), ')'),
        () => call('jsonb', 'jsonb_object_agg_strict(', arg('int'), '::text, ', arg('int'), ')'),
        () => asText(jsonConstructor(make, call, arg, type)),
        () => call('bytea', 'string_agg(', arg('bytea'), ", '\\x2c' ORDER BY ", arg('int'), ')'),
        () => call(type, 'any_value(', arg(type), ')'),
        () => asText(call('ints', 'array_agg(', arg('ints'), ' ORDER BY ', arg('int'), ')')),
        () =>
          asText(
            call('texts', 'array_agg(', arg('text'), ' ORDER BY ', severalOrders(make, arg), ')'),
          ),
        () =>
          call('text', 'string_agg(', arg('text'), ', ', arg('vc'), ' ORDER BY ', arg('int'), ')'),
        () => call('big', 'count(', wholeRow(make, sight), ')'),
        () => call('big', 'total(', arg('int'), ')'),
        () => asText(call('times', 'range_agg(', arg('times'), ')')),
        () => call('spans', 'range_intersect_agg(', arg('spans'), ')'),
        () => asText(call('xml', 'xmlagg(', arg('xml'), ' ORDER BY ', arg('int'), ')')),
        () => asText(call('evens', 'array_agg(', arg('even'), ' ORDER BY ', arg('int'), ')')),
        () => call('text', 'chain(', arg('text'), ' ORDER BY ', arg('text'), ' COLLATE "C")'),
      ])();
  }
}

/** An order by several expressions in several directions. */
function severalOrders({ random }: Expressions, arg: (type: Type) => Part): Part {
  const directions = ['', ' DESC', ' NULLS FIRST', ' USING >'];
  return list(
    (['int', 'text', 'date'] as const).map((type) => text(arg(type), random.pick(directions))),
  );
}

function jsonConstructor(
  { random }: Expressions,
  call: (type: Type, ...parts: readonly Part[]) => Typed,
  arg: (type: Type) => Part,
  type: Type,
): Typed {
  const onNull = random.pick(['', ' ABSENT ON NULL', ' NULL ON NULL']);
  const returning = random.pick(['', ' RETURNING jsonb', ' RETURNING text']);
  const order = text(' ORDER BY ', arg('int'), ', ', arg('text'), ' COLLATE "C"');
  return random.chance(0.5)
    ? call('json', 'json_arrayagg(', arg(type), order, `${onNull}${returning})`)
    : call(
        'jsonb',
        "json_objectagg('k' || ",
        arg('int'),
        ' : ',
        arg('int'),
        `${onNull} RETURNING jsonb)`,
      );
}

/** A row of a relation as one value. */
function wholeRow({ random }: Expressions, sight: Sight): Part {
  const named = sight.own.filter(({ name }) => name !== '');
  return named.length === 0 ? '*' : `${random.pick(named).name}${random.pick(['', '.*'])}`;
}
