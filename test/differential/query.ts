// Generator of SELECT statements over the tables of a world.

import type { Random } from '../support/random.ts';
import { Expressions, type Queries, type Sight } from './expression.ts';
import { simpleSelect } from './simple-select.ts';
import { streamedQuery } from './streamed-select.ts';
import { tailClause } from './tail-clause.ts';
import { list, type Node, option, type Part, query, text } from './tree.ts';
import type { Type } from './type.ts';
import type { Made, Source, Wish } from './wish.ts';
import { withClause } from './with-clause.ts';
import type { World } from './world.ts';

export class QueryWriter implements Queries {
  readonly random: Random;
  readonly world: World;
  readonly make: Expressions;
  /** The WITH queries in sight. */
  ctes: readonly Source[] = [];
  /** Tables named so far. */
  tables = 0;
  #names = 0;

  constructor(random: Random, world: World) {
    this.random = random;
    this.world = world;
    this.make = new Expressions(random, this);
  }

  statement(): Node {
    if (this.random.chance(0.01)) return text(`TABLE ${this.random.pick(this.world.tables).name}`);
    if (this.random.chance(0.01)) return valuesOfRows(this);
    const node = this.random.chance(0.4)
      ? streamedQuery(this)
      : this.select({ types: null, outer: [], depth: 3, top: true }).node;
    const before = this.random.chance(0.03) ? '/* a ; comment */ ' : '';
    const after = this.random.chance(0.05) ? ' -- end' : this.random.chance(0.05) ? ';' : '';
    return text(before, node, after);
  }

  anyTable(): string {
    return this.random.pick(this.world.tables).name;
  }

  value(type: Type, sight: Sight, depth: number): Part {
    return this.row([type], sight, depth);
  }

  row(types: readonly Type[], sight: Sight, depth: number): Part {
    return this.select({
      types,
      outer: [...sight.own, ...sight.outer],
      depth: Math.min(depth, 1),
      single: true,
    }).node;
  }

  rows(types: readonly Type[], sight: Sight, depth: number): Part {
    return this.select({ types, outer: [...sight.own, ...sight.outer], depth: Math.min(depth, 1) })
      .node;
  }

  name(prefix: string): string {
    this.#names += 1;
    return `${prefix}${this.#names}`;
  }

  select(wish: Wish): Made {
    const random = this.random;
    const saved = this.ctes;
    if (!wish.top && !wish.single && random.chance(0.05)) return valuesQuery(this, wish);
    const ctes = wish.depth > 1 && !wish.bare && random.chance(0.18) ? withClause(this, wish) : '';
    const made =
      wish.depth > 0 && !wish.single && random.chance(0.1)
        ? setOperation(this, wish)
        : simpleSelect(this, wish);
    this.ctes = saved;
    return { ...made, node: query(ctes, made.node) };
  }
}

function setOperation(w: QueryWriter, wish: Wish): Made {
  const random = w.random;
  const types =
    wish.types ??
    Array.from({ length: random.int(1, 3) }, () =>
      w.make.typeInSight({ own: w.world.tables, outer: [] }),
    );
  const bare = random.chance(0.4);
  const part = () => {
    const made = w.select({
      types,
      outer: wish.outer,
      depth: bare ? 0 : wish.depth - 1,
      bare,
      arm: true,
    });
    return bare ? made : { ...made, node: text('(', made.node, ')') };
  };
  const left = part();
  const third =
    bare && random.chance(0.4)
      ? option(
          random.pick([
            ' UNION ALL ',
            ' EXCEPT ',
            ' INTERSECT ',
            ' EXCEPT ALL ',
            ' UNION DISTINCT ',
          ]),
          part().node,
        )
      : '';
  const operator = random.pick([
    ' UNION ',
    ' UNION ALL ',
    ' INTERSECT ',
    ' EXCEPT ',
    ' INTERSECT ALL ',
    ' EXCEPT ALL ',
  ]);
  return {
    columns: left.columns,
    node: text(
      left.node,
      operator,
      part().node,
      third,
      tailClause(w, left.columns.length, [], wish),
    ),
  };
}

function valuesQuery(w: QueryWriter, wish: Wish): Made {
  const random = w.random;
  const types = wish.types ?? (['int', 'text'] as const);
  const row = () =>
    text('(', list(types.map((type) => w.make.of(type, { own: [], outer: wish.outer }, 0))), ')');
  const rows = Array.from({ length: random.int(1, 3) }, row);
  const columns = types.map((type, i) => ({ name: `column${i + 1}`, type }));
  return { columns, node: query('VALUES ', list(rows)) };
}

/** VALUES that sub-queries give, in their order. */
function valuesOfRows(w: QueryWriter): Node {
  const types = (['int', 'text'] as const).slice(0, w.random.int(1, 2));
  const nothing = { own: [], outer: [] };
  const row = () =>
    text('(', list(types.map((type) => text('(', w.value(type, nothing, 1), ')'))), ')');
  const rows = Array.from({ length: w.random.int(1, 3) }, row);
  return query('VALUES ', list(rows), option(` ORDER BY 1${types.length > 1 ? ', 2' : ''}`));
}
