// Generator of statistical aggregates. Floating point adds up in the order of the rows: those are rounded.

import type { Random } from '../support/random.ts';
import type { Typed } from './aggregate.ts';
import type { Part } from './tree.ts';
import type { Type } from './type.ts';

interface Statistic {
  readonly call: (type: Type, ...parts: readonly Part[]) => Typed;
  readonly arg: (type: Type) => Part;
  readonly random: Random;
}

const OF_ONE = ['stddev(', 'stddev_pop(', 'stddev_samp(', 'variance(', 'var_pop(', 'var_samp('];
const OF_TWO = [
  'corr(',
  'covar_pop(',
  'covar_samp(',
  'regr_avgx(',
  'regr_avgy(',
  'regr_intercept(',
  'regr_r2(',
  'regr_slope(',
  'regr_sxx(',
  'regr_sxy(',
  'regr_syy(',
];

export function statistic({ call, arg, random }: Statistic): Typed {
  const rounded = ({ part }: Typed): Typed => ({
    type: 'num',
    part: { kind: 'text', detail: '', parts: ['round((', part, ')::numeric, 6)'] },
  });
  return random.pick([
    () => call('num', random.pick(OF_ONE), arg(random.pick(['int', 'price', 'big'] as const)), ')'),
    () => call('num', random.pick(OF_ONE), 'DISTINCT ', arg('int'), ')'),
    () => rounded(call('flt', random.pick(OF_ONE), arg('int'), '::float8)')),
    () => rounded(call('flt', random.pick(OF_TWO), arg('int'), ', ', arg('small'), ')')),
    () => call('big', 'regr_count(', arg('flt'), ', ', arg('flt'), ')'),
  ])();
}
