// Generator of SELECT with groups and aggregates.

import { aggregate, type Typed } from './aggregate.ts';
import { condition } from './condition.ts';
import type { Relation, Sight } from './expression.ts';
import type { QueryWriter } from './query.ts';
import { targetList } from './simple-select.ts';
import { tailClause } from './tail-clause.ts';
import { list, type Node, option, type Part, text } from './tree.ts';
import type { Made, Wish } from './wish.ts';

export function grouped(w: QueryWriter, wish: Wish, item: Node, sight: Sight, where: Part): Made {
  const random = w.random;
  const make = w.make;
  const single = wish.single === true;
  const keys: Typed[] = [];
  for (let i = single ? 0 : random.pick([0, 1, 1, 2]); i > 0; i--) {
    const type = make.typeInSight(sight);
    const column = random.chance(0.7) ? make.column(type, { own: sight.own, outer: [] }) : null;
    keys.push({ type, part: column ?? make.of(type, { own: sight.own, outer: [] }, 1) });
  }
  const calls = Array.from({ length: random.int(1, 3) }, () =>
    aggregate(make, sight, random.pick([0, 0, 1])),
  );
  // Expressions over groups: their columns are the groups and the aggregates themselves.
  const groupSight: Sight = { own: [grouping([...keys, ...calls])], outer: [] };
  const wanted = wish.types;
  const values: Typed[] =
    wanted === null
      ? [...keys.filter(() => random.chance(0.8)), ...calls].map((value) =>
          random.chance(0.25)
            ? { type: value.type, part: make.of(value.type, groupSight, 1) }
            : value,
        )
      : wanted.map((type) => ({ type, part: make.of(type, groupSight, 1) }));
  if (values.length === 0) values.push(calls[0]!);
  if (wanted === null && random.chance(0.1)) {
    const over = text(' OVER (ORDER BY ', list([...keys, ...calls].map(({ part }) => part)), ')');
    values.push(
      random.chance(0.5)
        ? { type: 'big', part: text('rank()', over) }
        : { type: 'num', part: text('sum(count(*))', over) },
    );
  }
  if (wanted === null && keys.length > 0 && random.chance(0.1))
    values.push({ type: 'int', part: text('GROUPING(', list(keys.map(({ part }) => part)), ')') });
  const { node, columns, named } = targetList(w, wish, values);
  const having = random.chance(0.25)
    ? option(' HAVING ', condition(make, groupSight, random.int(0, 1)))
    : '';
  const distinct = random.chance(0.06) ? option('DISTINCT ') : '';
  const tail =
    single && keys.length === 0
      ? ''
      : tailClause(w, values.length, named, wish, distinct === '' ? groupSight : null);
  return {
    columns,
    node: text(
      'SELECT ',
      distinct,
      node,
      ' FROM ',
      item,
      where,
      groupBy(w, keys, values, named),
      having,
      tail,
    ),
  };
}

export function groupBy(
  w: QueryWriter,
  keys: readonly Typed[],
  values: readonly Typed[],
  named: readonly string[],
): Part {
  const random = w.random;
  if (keys.length === 0) return random.chance(0.1) ? ' GROUP BY ()' : '';
  const items = keys.map((key): Part => {
    const at = values.indexOf(key);
    if (at >= 0 && random.chance(0.2)) return String(at + 1);
    if (at >= 0 && random.chance(0.1)) return named[at]!;
    return key.part;
  });
  if (random.chance(0.2)) return text(' GROUP BY ', groupingSets(w, items));
  return text(' GROUP BY ', list(items));
}

/** A relation whose columns are whole expressions. */
export function grouping(values: readonly Typed[]): Relation {
  return { name: '', columns: values.map(({ part, type }) => ({ name: '', type, part })) };
}

function groupingSets(w: QueryWriter, items: readonly Part[]): Part {
  const random = w.random;
  const first = items[0]!;
  const all = list(items);
  return random.pick([
    () => text('ROLLUP (', all, ')'),
    () => text('CUBE (', all, ')'),
    () => text('GROUPING SETS ((), ', all, ')'),
    () => text('GROUPING SETS ((', all, '), (), ', first, ')'),
    () => text('GROUPING SETS (ROLLUP (', all, '), CUBE (', first, '))'),
    () => text('DISTINCT ROLLUP (', all, '), CUBE (', first, ')'),
    () => text(first, ', ROLLUP (', all, ')'),
  ])();
}
