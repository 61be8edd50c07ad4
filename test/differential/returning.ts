// Generator of RETURNING: what a write gives of its table.

import type { Random } from '../support/random.ts';
import type { Expressions, Sight } from './expression.ts';
import { expression, list, type Part, query, text } from './tree.ts';

export function returned(random: Random, make: Expressions, sight: Sight): Part {
  if (sight.own.length === 1 && random.chance(0.12)) return versions(random, sight);
  if (sight.own.length === 1 && random.chance(0.08))
    return wholeRow(random, make, sight.own[0]!.name);
  if (random.chance(0.3)) return sight.own.length === 1 ? `${sight.own[0]!.name}.*` : '*';
  return list(
    Array.from({ length: random.int(1, 3) }, () => {
      const type = make.typeInSight(sight);
      if (!random.chance(0.35)) return make.of(type, sight, 1);
      return expression(type, '(', make.queries.value(type, sight, 1), ')');
    }),
  );
}

/** A row itself, in a sub-query. */
function wholeRow(random: Random, make: Expressions, name: string): Part {
  const [before, row] = random.pick([
    ['', name],
    ['', 'new'],
    ['WITH (OLD AS before, NEW AS after) ', 'before'],
    ['WITH (NEW AS after) ', 'after'],
  ]);
  const found = `SELECT (${row})::text || count(*) FROM ${make.queries.anyTable()} AS o WHERE o.id <= ${row}.id`;
  return text(before, list([expression('text', '(', query(found), ')'), `${row}.id`]));
}

/** Of a row as it was and as it is. */
function versions(random: Random, sight: Sight): Part {
  const column = random.pick(sight.own[0]!.columns).name;
  return random.pick([
    `old.${column}, new.${column}`,
    'old.*, new.*',
    `WITH (OLD AS before, NEW AS after) before.${column}, after.${column}`,
    `coalesce(old.id, new.id), ${column}`,
  ]);
}
