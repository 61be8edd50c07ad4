// Generator of WITH, also RECURSIVE.

import { WITHOUT_EQUALITY } from './expression.ts';
import { tableItem } from './from-clause.ts';
import type { QueryWriter } from './query.ts';
import { list, type Node, option, type Part, text } from './tree.ts';
import type { Wish } from './wish.ts';

export function withClause(w: QueryWriter, wish: Wish): Node {
  const random = w.random;
  const items: Part[] = [];
  const recursive = random.chance(0.15);
  if (recursive) items.push(random.chance(0.7) ? recursiveQuery(w, wish) : linkedRows(w, wish));
  for (let i = random.int(recursive ? 0 : 1, 2); i > 0; i--) {
    const made = w.select({ types: null, outer: [], depth: wish.depth - 2 });
    const name = random.chance(0.1) ? random.pick(w.world.tables).name : w.name('w');
    const names = made.columns.map((_, column) => `c${column}`);
    const renamed = random.chance(0.3);
    items.push(
      text(
        name,
        renamed ? ` (${names.join(', ')})` : '',
        ' AS ',
        random.pick(['', '', 'MATERIALIZED ', 'NOT MATERIALIZED ']),
        '(',
        made.node,
        ')',
      ),
    );
    const columns = renamed
      ? made.columns.map(({ type }, column) => ({ name: names[column]!, type }))
      : made.columns;
    w.ctes = [...w.ctes, { name, columns, key: null }];
  }
  return option('WITH ', recursive ? 'RECURSIVE ' : '', list(items), ' ');
}

/** A query over its own rows, with numbers that end soon. */
function recursiveQuery(w: QueryWriter, wish: Wish): Node {
  const random = w.random;
  const name = w.name('r');
  const first = w.select({ types: ['int'], outer: [], depth: wish.depth - 2, bare: true });
  const { item, source } = tableItem(w);
  const steps = [
    text(`SELECT ${name}.n + 1 FROM ${name}`),
    text(
      `SELECT ${name}.n + 1 FROM ${name} JOIN `,
      item,
      ` ON ${source.name}.${source.key ?? 'id'} = ${name}.n`,
    ),
    text(
      `SELECT ${source.name}.id FROM ${name}, `,
      item,
      ` WHERE ${source.name}.id = ${name}.n + 1 AND ${name}.n > 0`,
    ),
  ];
  const step = random.pick(steps);
  const bound = ` ${step.parts.some((part) => typeof part === 'string' && part.includes('WHERE')) ? 'AND' : 'WHERE'} ${name}.n < 5`;
  w.ctes = [...w.ctes, { name, columns: [{ name: 'n', type: 'int' }], key: null }];
  // Without a join each row makes one more at most.
  const union = step === steps[0] && random.chance(0.5) ? ' UNION ALL ' : ' UNION ';
  const traced =
    random.chance(0.25) && union === ' UNION ALL '
      ? random.pick([
          ' SEARCH DEPTH FIRST BY n SET o',
          ' SEARCH BREADTH FIRST BY n SET o',
          ' CYCLE n SET looped USING path',
          " CYCLE n SET looped TO 'y' DEFAULT 'n' USING path",
        ])
      : '';
  return text(name, ' (n) AS (', first.node, union, step, bound, ')', traced);
}

/** Rows of a table that are linked by their ids, with how far each is from the first. */
function linkedRows(w: QueryWriter, wish: Wish): Node {
  const random = w.random;
  const name = w.name('r');
  const { item, source } = tableItem(w);
  const own = random.pick(source.columns);
  const first = w.select({
    types: ['int', own.type],
    outer: [],
    depth: wish.depth - 2,
    bare: true,
  });
  const columns = [
    { name: 'n', type: 'int' as const },
    { name: 'v', type: own.type },
    { name: 'far', type: 'int' as const },
  ];
  const id = source.columns.some((column) => column.name === 'id') ? 'id' : own.name;
  const step = text(
    `SELECT ${source.name}.${id}, ${source.name}.${own.name}, ${name}.far + 1 FROM ${name} JOIN `,
    item,
    ` ON ${source.name}.${source.key ?? id}::text = (${name}.n + 1)::text WHERE ${name}.far < 3`,
  );
  const start = text(`SELECT first.*, 0 FROM (`, first.node, `) AS first`);
  w.ctes = [...w.ctes, { name, columns, key: null }];
  const traced = WITHOUT_EQUALITY.has(own.type)
    ? ''
    : random.pick([
        '',
        '',
        ' SEARCH BREADTH FIRST BY n SET o',
        ' CYCLE n, v SET looped USING path',
      ]);
  const union = traced === '' ? ' UNION ' : ' UNION ALL ';
  return text(name, ' (n, v, far) AS (', start, union, step, ')', option(traced));
}
