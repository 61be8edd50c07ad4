// Generator of ORDER BY and LIMIT.

import type { Sight } from './expression.ts';
import type { QueryWriter } from './query.ts';
import { list, literal, type Node, option, type Part, text, untyped } from './tree.ts';
import type { Wish } from './wish.ts';

const LIMITS = [
  ' LIMIT 5',
  ' LIMIT 1',
  ' LIMIT 0',
  ' OFFSET 2',
  ' LIMIT 3 OFFSET 1',
  ' FETCH FIRST 4 ROWS ONLY',
  ' FETCH FIRST ROW WITH TIES',
  ' OFFSET 1 ROWS FETCH NEXT 3 ROWS WITH TIES',
  ' LIMIT NULL',
  ' LIMIT (SELECT 3)',
  ' LIMIT 2 + 1 OFFSET 1::int2',
  " LIMIT '4'",
  ' LIMIT ALL',
  ' OFFSET 1 LIMIT 7',
];

export const DIRECTIONS = ['', '', ' DESC', ' ASC', ' NULLS FIRST', ' DESC NULLS LAST'];

const COLLATIONS = [' COLLATE "C"', ' COLLATE german', ' COLLATE nocase'];

/** An expression, a text in another collation, or one sorted by an operator. */
function sortItem({ random, make }: QueryWriter, sight: Sight, direction: string): Part {
  if (random.chance(0.15))
    return text(make.of('text', sight, 0), random.pick(COLLATIONS), direction);
  const item = make.of(make.typeInSight(sight), sight, random.int(0, 1));
  return text(item, random.chance(0.08) ? random.pick([' USING <', ' USING >']) : direction);
}

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
    else if (sight !== null) some.push(sortItem(w, sight, direction));
  }
  const isTotal = all || random.chance(0.85);
  const items = [...some, ...(isTotal ? ordinals(count) : [])];
  if (items.length === 0) return '';
  // Which of several equal rows a limit takes would be open; with ties it takes all.
  const limit = random.chance(0.45) ? (isTotal ? limitClause(w) : withTies(w, false)) : '';
  return option(' ORDER BY ', list(items), limit);
}

/** How many rows at least: a constant or a parameter. Which of equal rows an OFFSET takes would be open. */
function withTies({ random }: QueryWriter, isTotal: boolean): Node {
  const count = literal('int', random.pick(['2', '1', '4', '0']), random.chance(0.5));
  const offset = isTotal && random.chance(0.2) ? option(' OFFSET ', literal('int', '1', true)) : '';
  return option(offset, ' FETCH FIRST ', text('(', count, ')'), ' ROWS WITH TIES');
}

export function limitClause(w: QueryWriter): Node {
  const random = w.random;
  const parameter = (values: readonly string[]): Part =>
    random.chance(0.3)
      ? untyped('int', random.pick(values))
      : literal('int', random.pick(values), true);
  if (random.chance(0.2)) return option(' LIMIT ', parameter(['1', '3', '5', '0']));
  if (random.chance(0.1))
    return option(' OFFSET ', parameter(['0', '2']), ' LIMIT ', parameter(['4', '1', 'NULL']));
  if (random.chance(0.15)) return withTies(w, true);
  return option(random.pick(LIMITS));
}
