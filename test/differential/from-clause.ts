// Generator of FROM: tables, joins of every kind, sub-queries, functions.

import { condition } from './condition.ts';
import type { Column, Relation, Sight } from './expression.ts';
import { keyCondition } from './key-condition.ts';
import type { QueryWriter } from './query.ts';
import { from, type Node, option, type Part, text } from './tree.ts';
import type { Type } from './type.ts';
import type { Source, Wish } from './wish.ts';
import type { WorldTable } from './world.ts';

export function joinedByKey(w: QueryWriter): { node: Node; sources: Source[] } {
  const random = w.random;
  const { item, source } = tableItem(w);
  const isSharded = source.key !== null;
  if (!isSharded || random.chance(0.75)) return { node: item, sources: [source] };
  const other = tableItem(w);
  if (other.source.key === null) return { node: item, sources: [source] };
  const [a, b] = [`${source.name}.${source.key}`, `${other.source.name}.${other.source.key}`];
  const join = random.pick([' JOIN ', ' JOIN ', ' LEFT JOIN ', ' RIGHT JOIN ', ' FULL JOIN ']);
  return {
    node: from(item, join, other.item, ` ON ${a} = ${b}`),
    sources: [source, other.source],
  };
}

export function fromItems(w: QueryWriter, wish: Wish): { node: Node; sources: Source[] } {
  const random = w.random;
  const first = fromItem(w, wish, []);
  let { item } = first;
  const sources = [...first.sources];
  let isListed = false;
  const joins = random.pick(wish.depth > 1 ? [0, 0, 0, 1, 1, 2] : [0, 0, 0, 1]);
  for (let i = 0; i < joins; i++) {
    const right = fromItem(w, { ...wish, depth: wish.depth - 1 }, sources);
    const type = random.pick([
      ' JOIN ',
      ' JOIN ',
      ' LEFT JOIN ',
      ' LEFT JOIN ',
      ' RIGHT JOIN ',
      ' FULL JOIN ',
      ' CROSS JOIN ',
      ', ',
    ]);
    const bare = type === ' CROSS JOIN ' || type === ', ';
    isListed ||= type === ', ';
    const both = { own: [...sources, ...right.sources], outer: wish.outer };
    const shared = bare ? null : sharedColumn(w, sources, right.sources);
    if (shared !== null) {
      const natural = random.chance(0.25);
      item = from(
        item,
        natural ? ` NATURAL${type}` : type,
        right.item,
        natural ? '' : ` USING (${shared})${random.chance(0.2) ? ` AS ${w.name('u')}` : ''}`,
      );
      const merged = {
        name: '',
        key: null,
        columns: [{ name: shared, type: 'int' as const, part: shared }],
      };
      sources.push(...right.sources, ...(shared === 'id' || random.chance(0.5) ? [merged] : []));
      continue;
    }
    const on = bare ? '' : text(' ON ', joinCondition(w, sources, right.sources, both));
    item = from(item, type, right.item, on);
    sources.push(...right.sources);
  }
  if (joins > 0 && !isListed && random.chance(0.08)) {
    const name = w.name('j');
    const all = sources.flatMap(({ columns }) => columns);
    const columns = all.filter(
      (column) =>
        column.part === undefined && all.filter((each) => each.name === column.name).length === 1,
    );
    if (columns.length > 0)
      return { node: from('(', item, ') AS ', name), sources: [{ name, columns, key: null }] };
  }
  return { node: item, sources };
}

export function tableItem(w: QueryWriter): { item: Node; source: Source } {
  const random = w.random;
  w.tables += 1;
  const choice =
    w.ctes.length > 0 && random.chance(0.5)
      ? null
      : random.chance(0.75)
        ? pickSharded(w)
        : random.pick(random.chance(0.4) ? w.world.views : w.world.tables);
  if (choice === null) {
    const cte = random.pick(w.ctes);
    const alias = w.name('t');
    return { item: from(`${cte.name} ${alias}`), source: { ...cte, name: alias } };
  }
  const written = random.chance(0.1)
    ? `public.${choice.name}`
    : random.chance(0.05)
      ? `ONLY ${choice.name}`
      : choice.name;
  const alias = w.name('t');
  if (random.chance(0.06)) {
    const names = choice.columns.map((_, i) => `r${i}`);
    const columns = choice.columns.map(({ type }, i) => ({ name: names[i]!, type }));
    const key =
      choice.key === null
        ? null
        : names[choice.columns.findIndex(({ name }) => name === choice.key)]!;
    return {
      item: from(`${written} AS ${alias} (${names.join(', ')})`),
      source: { name: alias, columns, key },
    };
  }
  const sampled = choice.kind !== 'view' && random.chance(0.02);
  if (sampled)
    return {
      item: from(`${written} ${alias} TABLESAMPLE ${random.pick(['BERNOULLI', 'SYSTEM'])} (100)`),
      source: { ...choice, name: alias },
    };
  const shadowed = w.ctes.some(({ name }) => name === choice.name);
  if (!shadowed && w.tables === 1 && random.chance(0.3))
    return { item: from(written), source: choice };
  return {
    item: from(`${written}${random.pick([' ', ' AS '])}${alias}`),
    source: { ...choice, name: alias },
  };
}

function pickSharded(w: QueryWriter): WorldTable {
  return w.random.pick(w.world.tables.filter(({ kind }) => kind === 'sharded'));
}

function fromItem(
  w: QueryWriter,
  wish: Wish,
  lateral: readonly Relation[],
): { item: Node; sources: Source[] } {
  const random = w.random;
  const alias = () => w.name('s');
  if (wish.depth > 0 && random.chance(0.18)) {
    const isLateral = lateral.length > 0 && random.chance(0.4);
    const made = w.select({
      types: null,
      outer: isLateral ? lateral : wish.outer,
      depth: wish.depth - 1,
    });
    const name = alias();
    return {
      item: from(isLateral ? 'LATERAL ' : '', '(', made.node, ') ', name),
      sources: [{ name, columns: made.columns, key: null }],
    };
  }
  if (lateral.length > 0 && random.chance(0.07)) return functionOfRow(w, lateral);
  if (random.chance(0.04)) {
    const name = alias();
    return {
      item: from(`generate_series(1, ${random.int(1, 4)}) ${name} (g)`),
      sources: [{ name, columns: [{ name: 'g', type: 'int' }], key: null }],
    };
  }
  if (random.chance(0.03)) {
    const name = alias();
    return {
      item: from(`(VALUES (1, 'a'), (42, 'b'), (NULL, 'ä')) ${name} (v, w)`),
      sources: [
        {
          name,
          columns: [
            { name: 'v', type: 'int' },
            { name: 'w', type: 'text' },
          ],
          key: null,
        },
      ],
    };
  }
  const { item, source } = tableItem(w);
  return { item, sources: [source] };
}

/** A function of the rows to its left. */
function functionOfRow(
  w: QueryWriter,
  lateral: readonly Relation[],
): { item: Node; sources: Source[] } {
  const random = w.random;
  const name = w.name('f');
  const of = (type: Type) => w.make.of(type, { own: lateral, outer: [] }, 0);
  const numbered: Column[] = [
    { name: 'v', type: 'int' },
    { name: 'at', type: 'big' },
  ];
  const [item, columns] = random.pick([
    (): [Node, Column[]] => [
      from('unnest(', of('ints'), `) WITH ORDINALITY AS ${name} (v, at)`),
      numbered,
    ],
    (): [Node, Column[]] => [
      from('LATERAL generate_series(1, least(', of('int'), `, 3)) AS ${name} (v)`),
      numbered.slice(0, 1),
    ],
    (): [Node, Column[]] => [
      from(
        'ROWS FROM (unnest(',
        of('ints'),
        '), generate_series(1::int8, 2)) ',
        `AS ${name} (v, at)`,
      ),
      numbered,
    ],
    (): [Node, Column[]] => [
      from('nearby(', of('int'), `) WITH ORDINALITY ${name} (v, at)`),
      numbered,
    ],
    (): [Node, Column[]] => [
      from('unnest(', of('ints'), ', ', of('texts'), `) AS ${name} (v, w)`),
      [
        { name: 'v', type: 'int' },
        { name: 'w', type: 'text' },
      ],
    ],
    (): [Node, Column[]] => [
      from('unnest(', of('pairs'), `) AS ${name} (n, word)`),
      [
        { name: 'n', type: 'int' },
        { name: 'word', type: 'text' },
      ],
    ],
    (): [Node, Column[]] => [
      from('jsonb_path_query(', of('jsonb'), `, '$.*') ${name} (doc)`),
      [{ name: 'doc', type: 'jsonb' }],
    ],
    // A row that is no object would be met or not by the order of the join.
    (): [Node, Column[]] => [
      from(
        "jsonb_to_recordset(jsonb_build_array(jsonb_build_object('a', 7, 'b', ",
        of('jsonb'),
        `))) AS ${name} (a int, b text)`,
      ),
      [
        { name: 'a', type: 'int' },
        { name: 'b', type: 'text' },
      ],
    ],
    (): [Node, Column[]] => [
      from(
        'JSON_TABLE(',
        of('jsonb'),
        `, '$[*]' COLUMNS (v int PATH '$.a' NULL ON ERROR, at FOR ORDINALITY)) AS ${name}`,
      ),
      [
        { name: 'v', type: 'int' },
        { name: 'at', type: 'int' },
      ],
    ],
    (): [Node, Column[]] => [
      from(
        "generate_series('2026-01-01', least(",
        of('tsp'),
        `, '2027-01-01'), '100 days') ${name} (v)`,
      ),
      [{ name: 'v', type: 'tsp' }],
    ],
    (): [Node, Column[]] => [
      from(
        "XMLTABLE('/a/b' PASSING ",
        of('xml'),
        ` COLUMNS at FOR ORDINALITY, w text PATH '.') AS ${name}`,
      ),
      [
        { name: 'at', type: 'int' },
        { name: 'w', type: 'text' },
      ],
    ],
    (): [Node, Column[]] => [
      from('LATERAL string_to_table(', of('text'), `, 'a') ${name} (w)`),
      [{ name: 'w', type: 'text' }],
    ],
  ])();
  return { item, sources: [{ name, columns, key: null }] };
}

/** A column that both sides have, for USING. */
function sharedColumn(
  w: QueryWriter,
  left: readonly Source[],
  right: readonly Source[],
): string | null {
  if (!w.random.chance(0.2)) return null;
  const names = (of: readonly Source[]) =>
    new Set(of.flatMap(({ columns }) => columns.map(({ name }) => name)));
  const [a, b] = [names(left), names(right)];
  const common = ['user_id', 'id', 'owner'].filter((name) => a.has(name) && b.has(name));
  return common.length === 0 ? null : w.random.pick(common);
}

function joinCondition(
  w: QueryWriter,
  left: readonly Source[],
  right: readonly Source[],
  sight: Sight,
): Part {
  const random = w.random;
  const keys = (of: readonly Source[]): Part[] =>
    of.flatMap(({ name, key }) => (key === null ? [] : [`${name}.${key}`]));
  const [a, b] = [keys(left), keys(right)];
  const equal =
    a.length > 0 && b.length > 0 && random.chance(0.75)
      ? text(random.pick(a), ' = ', random.pick(b))
      : null;
  const rest = () =>
    random.chance(0.5) && [...a, ...b].length > 0
      ? keyCondition(w.make, [...a, ...b])
      : condition(w.make, sight, 1);
  if (equal === null) return random.chance(0.2) ? 'true' : equalPair(w, left, right, sight);
  return random.chance(0.35) ? text(equal, option(' AND ', rest())) : equal;
}

const named = (relation: Relation, { name, part }: Column): string =>
  typeof part === 'string' ? part : `${relation.name}.${name}`;

/** An equality of two columns of one type. */
function equalPair(
  w: QueryWriter,
  left: readonly Source[],
  right: readonly Source[],
  sight: Sight,
): Part {
  const random = w.random;
  const pairs = left.flatMap((a) =>
    a.columns.flatMap((x) =>
      right.flatMap((b) =>
        b.columns
          .filter(
            (y) =>
              y.type === x.type ||
              [x, y].every(({ type }) => ['int', 'small', 'big'].includes(type)),
          )
          .map((y) => `${named(a, x)} = ${named(b, y)}`),
      ),
    ),
  );
  return pairs.length === 0 ? condition(w.make, sight, 1) : random.pick(pairs);
}
