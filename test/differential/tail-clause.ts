// Generator of ORDER BY and LIMIT.

import type { Sight } from './expression.ts';
import type { QueryWriter } from './query.ts';
import { list, literal, type Node, option, type Part, text } from './tree.ts';
import type { Wish } from './wish.ts';

const WITH_TIES = ' FETCH FIRST 2 ROWS WITH TIES';
const LIMITS = [
  ' LIMIT 5',
  ' LIMIT 1',
  ' LIMIT 0',
  ' OFFSET 2',
  ' LIMIT 3 OFFSET 1',
  ' FETCH FIRST 4 ROWS ONLY',
  WITH_TIES,
  ' LIMIT ALL',
  ' OFFSET 1 LIMIT 7',
];

export const DIRECTIONS = ['', '', ' DESC', ' ASC', ' NULLS FIRST', ' DESC NULLS LAST'];

export const ordinals = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => String(i + 1));

/** ORDER BY and LIMIT; below the top a LIMIT always comes with an order of all columns. */
export function tailClause(
  w: QueryWriter,
  count: number,
  named: readonly string[],
  wish: Wish,
  sight: Sight | null = null,
  all = false,
): Part {
  const random = w.random;
  if (wish.bare === true) return '';
  if (wish.single === true) return text(' ORDER BY ', list(ordinals(count)), ' LIMIT 1');
  if (!random.chance(wish.top === true ? 0.6 : wish.arm === true ? 0.4 : 0.12)) return '';
  const some: Part[] = [];
  for (let i = random.int(0, 2); i > 0; i--) {
    const direction = random.pick(DIRECTIONS);
    const choice = random.int(0, 2);
    if (choice === 0) some.push(`${random.int(1, count)}${direction}`);
    else if (choice === 1 && named.length > 0 && wish.top !== true)
      some.push(random.pick(named) + direction);
    else if (sight !== null)
      some.push(text(w.make.of(w.make.typeInSight(sight), sight, random.int(0, 1)), direction));
  }
  const isTotal = all || random.chance(0.85);
  const items = [...some, ...(isTotal ? ordinals(count) : [])];
  if (items.length === 0) return '';
  // Which of several equal rows a limit takes would be open; with ties it takes all.
  const limit = random.chance(0.45) ? (isTotal ? limitClause(w) : option(WITH_TIES)) : '';
  return option(' ORDER BY ', list(items), limit);
}

export function limitClause(w: QueryWriter): Node {
  const random = w.random;
  if (random.chance(0.25))
    return option(' LIMIT ', literal('int', random.pick(['1', '3', '5', '0']), true));
  return option(random.pick(LIMITS));
}
