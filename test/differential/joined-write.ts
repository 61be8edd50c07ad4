// Generator of UPDATE … FROM and DELETE … USING: rows found by those of another table.

import type { Random } from '../support/random.ts';
import { condition } from './condition.ts';
import {
  type Column,
  type Expressions,
  type Relation,
  type Sight,
  WITHOUT_EQUALITY,
} from './expression.ts';
import { list, type Node, option, type Part, query, text } from './tree.ts';
import type { World, WorldTable } from './world.ts';

/** One row for each id at most, whatever has been inserted: which of several is met would be open. */
export function oneOfEach(random: Random, { name, columns }: WorldTable): Node {
  const order = columns.filter(
    ({ name: own, type }) => own !== 'id' && !WITHOUT_EQUALITY.has(type),
  );
  const where = random.chance(0.3) ? ` WHERE id % ${random.int(2, 4)} <> 1` : '';
  return text(
    `(SELECT DISTINCT ON (id) * FROM ${name}${where} ORDER BY id, ${order.map((column) => column.name).join(', ')})`,
  );
}

export interface Joined {
  readonly random: Random;
  readonly make: Expressions;
  readonly world: World;
  readonly table: WorldTable;
  readonly changed: readonly Column[];
}

export function joinedWrite({ random, make, world, table, changed }: Joined): Node {
  const source = random.pick(world.tables);
  const [target, joined]: Relation[] = [
    { name: 'u', columns: table.columns },
    { name: 's', columns: source.columns },
  ];
  const sight: Sight = { own: [target!, joined!], outer: [] };
  const from = text(oneOfEach(random, source), ' AS s');
  const also = option(' AND ', condition(make, sight, 1));
  const where = text(' WHERE s.id = u.id', random.chance(0.4) ? also : '');
  const returning = random.chance(0.85) ? option(' RETURNING ', returned(random, make, sight)) : '';
  if (random.chance(0.4))
    return query('DELETE FROM ', table.name, ' u USING ', from, where, returning);
  const set = changed.map(
    (column): Part => text(column.name, ' = ', make.of(column.type, sight, random.int(0, 1))),
  );
  const move =
    table.key !== null && random.chance(0.25) ? [`${table.key} = ${random.int(-3, 90)}`] : [];
  const all = list([...set, ...move]);
  return query('UPDATE ', table.name, ' u SET ', all, ' FROM ', from, where, returning);
}

export function returned(random: Random, make: Expressions, sight: Sight): Part {
  const items = Array.from({ length: random.int(1, 4) }, (): Part => {
    if (random.chance(0.25)) return random.pick(['*', 'u.*', 's.*']);
    return make.of(make.typeInSight(sight), sight, 1);
  });
  return list(items);
}
