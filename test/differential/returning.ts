// Generator of RETURNING: what a write gives of its table.

import type { Random } from '../support/random.ts';
import type { Expressions, Sight } from './expression.ts';
import { list, type Part } from './tree.ts';

export function returned(random: Random, make: Expressions, sight: Sight): Part {
  if (random.chance(0.3)) return sight.own.length === 1 ? `${sight.own[0]!.name}.*` : '*';
  return list(
    Array.from({ length: random.int(1, 3) }, () => make.of(make.typeInSight(sight), sight, 1)),
  );
}
