// Generator of what a proxy merges itself: one table or a join by the key, and nothing nested.

import { type Typed, WITHOUT_MAX } from './aggregate.ts';
import { condition } from './condition.ts';
import type { Sight } from './expression.ts';
import { joinedByKey } from './from-clause.ts';
import { groupBy, grouping } from './grouped-select.ts';
import type { QueryWriter } from './query.ts';
import { targetList, whereClause } from './simple-select.ts';
import { DIRECTIONS, limitClause, ordinals } from './tail-clause.ts';
import { list, type Node, option, type Part, query, text } from './tree.ts';
import type { Type } from './type.ts';
import type { Wish } from './wish.ts';

/** What a proxy merges itself: one table or a join by the key, and nothing nested. */
export function streamedQuery(w: QueryWriter): Node {
  const random = w.random;
  const make = w.make;
  make.subQueries = 0;
  const wish: Wish = { types: null, outer: [], depth: 0, top: true };
  const { node, sources } = joinedByKey(w);
  const sight: Sight = { own: sources, outer: [] };
  const where = whereClause(w, sources, sight, wish);
  const column = (): Typed => {
    const found = make.anyColumn(sight)!;
    return random.chance(0.75) ? found : { type: found.type, part: make.of(found.type, sight, 1) };
  };
  const order = (items: readonly Part[]): Part =>
    items.length === 0
      ? ''
      : option(
          ' ORDER BY ',
          list(items.map((item) => text(item, random.pick(DIRECTIONS)))),
          random.chance(0.5) ? limitClause(w) : '',
        );
  if (random.chance(0.45)) {
    const values = Array.from({ length: random.int(1, 3) }, column);
    const { node: shown } = targetList(w, wish, values);
    const distinct = random.chance(0.3);
    const total = ordinals(values.length);
    const hidden = distinct ? [] : Array.from({ length: random.int(0, 2) }, () => column().part);
    const sort = random.chance(0.75) ? order([...hidden, ...total]) : '';
    return query(
      'SELECT ',
      distinct ? option('DISTINCT ') : '',
      shown,
      ' FROM ',
      node,
      where,
      sort,
    );
  }
  const keys = Array.from({ length: random.pick([0, 1, 1, 1, 2]) }, column);
  const calls = Array.from({ length: random.int(1, 4) }, () => combinedCall(w, sight, column));
  const values = [...keys.filter(() => random.chance(0.9)), ...calls].sort(
    () => random.unit() - 0.5,
  );
  const { node: shown, named } = targetList(w, wish, values);
  const groupSight: Sight = { own: [grouping([...keys, ...calls])], outer: [] };
  const having = random.chance(0.35)
    ? option(' HAVING ', havingCondition(w, [...keys, ...calls], groupSight))
    : '';
  const sort = random.chance(0.7)
    ? order([
        ...(random.chance(0.3) ? [random.pick([...keys, ...calls]).part] : []),
        ...ordinals(values.length),
      ])
    : '';
  return query(
    'SELECT ',
    shown,
    ' FROM ',
    node,
    where,
    groupBy(w, keys, values, named),
    having,
    sort,
  );
}

/** An aggregate that is combined of those of the shards. */
function combinedCall(w: QueryWriter, sight: Sight, column: () => Typed): Typed {
  const random = w.random;
  const filter = random.chance(0.15)
    ? option(' FILTER (WHERE ', condition(w.make, sight, 1), ')')
    : '';
  const sums: Partial<Record<Type, Type>> = {
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
  for (let tries = 0; tries < 8; tries++) {
    const { part, type } = column();
    const kind = random.int(0, 4);
    if (kind === 0)
      return { type: 'big', part: text('count(', random.chance(0.5) ? '*' : part, ')', filter) };
    if (kind < 3 && WITHOUT_MAX.has(type) && random.chance(0.95)) continue;
    if (kind < 3) return { type, part: text(random.pick(['min(', 'max(']), part, ')', filter) };
    if (!(type in sums)) continue;
    if (kind === 3) return { type: sums[type]!, part: text('sum(', part, ')', filter) };
    if (type !== 'money')
      return {
        type: type === 'flt' || type === 'real' ? 'flt' : type === 'iv' ? 'iv' : 'num',
        part: text('avg(', part, ')', filter),
      };
  }
  return { type: 'big', part: 'count(*)' };
}

function havingCondition(w: QueryWriter, values: readonly Typed[], sight: Sight): Part {
  const random = w.random;
  if (random.chance(0.3)) return condition(w.make, sight, 1);
  const one = (): Part => {
    const { part, type } = random.pick(values);
    const value = w.make.literal(
      random.chance(0.7) ? type : random.pick(['int', 'num', 'flt'] as const),
    );
    return random.pick([
      () => text(part, random.pick([' = ', ' <> ', ' < ', ' >= ', ' > ', ' <= ']), value),
      () => text(part, ' IS NOT NULL'),
      () =>
        text(
          part,
          random.pick([' BETWEEN ', ' NOT BETWEEN ']),
          w.make.literal(type),
          ' AND ',
          w.make.literal(type),
        ),
      () =>
        text(part, random.pick([' IN (', ' NOT IN (']), list([w.make.literal(type), value]), ')'),
    ])();
  };
  return random.chance(0.5)
    ? one()
    : text('(', one(), random.pick([' AND ', ' OR ']), 'NOT ', one(), ')');
}
