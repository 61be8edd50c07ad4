// Generator of conditions on the sharding key: those that restrict the shards, and those that seem to.

import type { Expressions } from './expression.ts';
import { expression, list, literal, type Node, type Part, text, untyped } from './tree.ts';
import { LITERALS } from './type.ts';

const ARRAYS = ["'{1,42,-17}'", "'{42}'", "'{}'", "'{7,NULL}'"];

/** Conditions that hold for no key, or need two of them. */
const PAIRS = [
  [' = 1', ' = 2'],
  [' = 42', ' <> 42'],
  [' IN (1, 42)', ' IN (42, 7)'],
  [' = 42', ' IS NULL'],
  [' >= 42', ' <= 42'],
  [' = 7', ' > 7'],
  [" = ANY ('{1,42}')", ' < 42'],
  [' = 42', ' = 42.0'],
  [' <> 1', ' IS NOT NULL'],
] as const;

export function keyCondition(make: Expressions, keys: readonly Part[]): Node {
  const { random } = make;
  const key = random.pick(keys);
  const value = () =>
    random.pick([
      () => literal('int', random.pick(LITERALS.int.values), random.chance(0.6)),
      () => literal('int', random.pick(LITERALS.int.values), random.chance(0.6)),
      () => untyped('int', random.pick(LITERALS.int.values)),
      () => text("'42'"),
      () => text('42.0'),
      () => text('NULL'),
      () => text('1::int8'),
      () => text('-(-1)'),
      () => text('42.5'),
      () => text("' 7 '"),
      () => text('7::numeric'),
      () => text('9223372036854775807'),
      () => text('(1 + 1)'),
      () => text('2147483648'),
      () => text('(SELECT 42)'),
    ])();
  const e = (...parts: readonly Part[]) => expression('bool', ...parts);
  const array = () =>
    random.pick([
      () => text(random.pick(ARRAYS)),
      () => literal('ints', `${random.pick(ARRAYS)}::int4[]`, true),
      () => untyped('ints', random.pick(ARRAYS)),
      () => text('ARRAY[', list([value(), value()]), ']::int8[]'),
    ])();
  return random.pick([
    () => e('(', key, ' = ', value(), ')'),
    () => e('(', key, ' = ', value(), ')'),
    () => e('(', key, ' = ', value(), ')'),
    () => e('(', key, ' = ', value(), ')'),
    () => e('(', key, ' IN (', list([value(), value(), value()]), '))'),
    () => e('(', key, ' IN (', list([value(), value(), value()]), '))'),
    () => e('(', value(), ' = ', key, ')'),
    () => e('(', key, ' = ANY (', array(), '))'),
    () => e('(', key, random.pick([' = ALL (', ' <> ALL (', ' = SOME (']), array(), '))'),
    () => e('((', key, ' = ', value(), ') OR (', key, ' = ', value(), '))'),
    () => e('(', key, ' IS NOT DISTINCT FROM ', value(), ')'),
    () => {
      const [one, other] = random.pick(PAIRS);
      return e('(', key, one, ' AND ', key, other, ')');
    },
    () => e('((', key, ', 1) = (', value(), ', ', random.pick(['1', '2']), '))'),
    () => e('((', key, ', 1) IN ((', value(), ', 1), (', value(), ', 2)))'),
    () => e('(ROW(', key, ', 1) ', random.pick(['>=', '<']), ' ROW(', value(), ', 1))'),
    () => e('(NOT (', key, ' <> ', value(), '))'),
    () => e('(', key, ' BETWEEN ', random.pick(['42 AND 42', '1 AND 7', '7 AND 1']), ')'),
    () =>
      e('(', key, random.pick([' + 0 = 42', "::text = '42'", '::numeric = 42', ' % 2 = 1']), ')'),
    () => e('((', key, ' = ', value(), ') ', random.pick(['OR false', 'AND true', 'IS TRUE']), ')'),
  ])();
}
