// Generator of aggregates WITHIN GROUP: ordered sets and hypothetical rows.

import type { Random } from '../support/random.ts';
import type { Typed } from './aggregate.ts';
import { list, literal, type Part } from './tree.ts';
import type { Type } from './type.ts';

export interface OrderedSet {
  readonly call: (type: Type, ...parts: readonly Part[]) => Typed;
  readonly arg: (type: Type) => Part;
  readonly random: Random;
  readonly type: Type;
}

const DIRECTIONS = ['', '', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST'];

export function orderedSet({ call, arg, random, type }: OrderedSet): Typed {
  const order = (part: Part) => [' WITHIN GROUP (ORDER BY ', part, random.pick(DIRECTIONS), ')'];
  const share = () =>
    random.chance(0.3)
      ? literal('price', random.pick(['0.5', '0.25']), true)
      : random.pick(['0.5', '0.1', '1', '0', 'NULL::float8']);
  const shares = `${random.pick(["'{0.1,0.5,1}'", "'{{0,0.5},{0.9,NULL}}'", "'{}'"])}::float8[]`;
  const number = () => arg(random.pick(['int', 'small', 'price', 'flt'] as const));
  const asText = ({ part }: Typed): Typed => ({
    type: 'text',
    part: { kind: 'text', detail: '', parts: ['(', part, ')::text'] },
  });
  return random.pick([
    () => call(type, 'percentile_disc(', share(), ')', ...order(arg(type))),
    () => call(type, 'percentile_disc(', share(), ')', ...order(arg(type))),
    () => asText(call('ints', `percentile_disc(${shares})`, ...order(arg(type)))),
    () => call(type, 'mode()', ...order(arg(type))),
    () => call('flt', 'percentile_cont(', share(), ')', ...order(number())),
    () => call('iv', 'percentile_cont(', share(), ')', ...order(arg('iv'))),
    () => asText(call('nums', `percentile_cont(${shares})`, ...order(number()))),
    () =>
      call(
        'big',
        random.pick(['rank(', 'dense_rank(']),
        literal('int', '3', random.chance(0.5)),
        ')',
        ...order(arg('int')),
      ),
    () => call('flt', random.pick(['percent_rank(', 'cume_dist(']), '3)', ...order(arg('int'))),
    () => call('big', "rank('b')", ...order(arg('text'))),
    () =>
      call(
        'big',
        random.pick(['rank(', 'dense_rank(']),
        list([literal('int', '3'), literal('text', "'a'")]),
        ') WITHIN GROUP (ORDER BY ',
        list([arg('int'), arg('text')]),
        ')',
      ),
  ])();
}
