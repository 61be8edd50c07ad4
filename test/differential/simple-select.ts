// Generator of a SELECT without set operations.

import type { Typed } from './aggregate.ts';
import { condition } from './condition.ts';
import { type Column, type Sight, WITHOUT_EQUALITY } from './expression.ts';
import { fromItems } from './from-clause.ts';
import { grouped } from './grouped-select.ts';
import { keyCondition } from './key-condition.ts';
import type { QueryWriter } from './query.ts';
import { tailClause } from './tail-clause.ts';
import { list, type Node, option, type Part, text } from './tree.ts';
import { windowCall } from './window-call.ts';
import type { Made, Source, Wish } from './wish.ts';

const ALIASES = ['a', 'b', 'n', 'size', 'name', 'user_id', 'x', 'total', '"Q"', 'id', 'k'];

export function simpleSelect(w: QueryWriter, wish: Wish): Made {
  const random = w.random;
  const { node, sources } = fromItems(w, wish);
  const sight: Sight = { own: sources, outer: wish.outer };
  const where = whereClause(w, sources, sight, wish);
  const kind =
    random.chance(0.35) || (wish.single === true && random.chance(0.6))
      ? 'grouped'
      : random.chance(0.12)
        ? 'windowed'
        : 'rows';
  if (kind === 'grouped') return grouped(w, wish, node, sight, where);
  return plainRows(w, wish, node, sight, where, kind === 'windowed');
}

export function whereClause(
  w: QueryWriter,
  sources: readonly Source[],
  sight: Sight,
  wish: Wish,
): Node | '' {
  const random = w.random;
  const keys = sources.flatMap(({ name, key }): Part[] => (key === null ? [] : [`${name}.${key}`]));
  const conditions: Part[] = [];
  if (keys.length > 0 && random.chance(0.2)) conditions.push(keyCondition(w.make, keys));
  if (random.chance(0.4)) conditions.push(condition(w.make, sight, random.int(0, 2)));
  const outerKeys = (wish.outer as readonly Source[]).flatMap((each): Part[] =>
    each.key == null ? [] : [`${each.name}.${each.key}`],
  );
  if (keys.length > 0 && outerKeys.length > 0 && random.chance(0.6))
    conditions.push(text(random.pick(keys), ' = ', random.pick(outerKeys)));
  return conditions.length === 0 ? '' : option(' WHERE ', list(conditions, ' AND '));
}

/** Names for the output: each once, unless at the top. */
function aliasesOf(w: QueryWriter, count: number, top: boolean): string[] {
  const random = w.random;
  const free = ALIASES.map((name) => ({ name, at: random.unit() }))
    .sort((a, b) => a.at - b.at)
    .map(({ name }) => name);
  const names = free.slice(0, count);
  while (names.length < count) names.push(w.name('o'));
  if (top && count > 1 && random.chance(0.05)) names[1] = names[0]!;
  return names;
}

export function targetList(
  w: QueryWriter,
  wish: Wish,
  values: readonly Typed[],
): { node: Node; columns: Column[]; named: readonly string[] } {
  const random = w.random;
  const aliases = aliasesOf(w, values.length, wish.top === true);
  const columns = values.map(({ type }, i) => ({ name: aliases[i]!, type }));
  const named = [...aliases];
  const shown = values.map(({ part }, i) => {
    const bare = wish.top === true && random.chance(0.4);
    if (bare) named[i] = String(i + 1);
    return bare ? part : text(part, random.pick([' AS ', ' AS ', ' ']), aliases[i]!);
  });
  return { node: list(shown), columns, named };
}

function plainRows(
  w: QueryWriter,
  wish: Wish,
  item: Node,
  sight: Sight,
  where: Part,
  windowed: boolean,
): Made {
  const random = w.random;
  const make = w.make;
  if (wish.top === true && !windowed && random.chance(0.1))
    return starRows(w, item, sight, where, wish);
  const types =
    wish.types ?? Array.from({ length: random.int(1, 4) }, () => make.typeInSight(sight));
  const total = list(
    sight.own.flatMap((source) =>
      source.columns.map(({ name, part, type }): Part => {
        const column = part ?? `${source.name}.${name}`;
        return WITHOUT_EQUALITY.has(type) ? text('(', column, ')::text') : column;
      }),
    ),
  );
  const windowName = windowed && random.chance(0.3) ? 'win' : null;
  const values = types.map((type, i): Typed => {
    if (windowed && (i === 0 || random.chance(0.3))) {
      const call = windowCall(make, sight, total, windowName === null ? [] : [windowName]);
      if (wish.types === null || call.type === type) return call;
    }
    if (wish.types === null && !windowed && random.chance(0.02)) return setReturned(w, sight);
    return {
      type,
      part: make.of(
        type,
        sight,
        wish.depth > 1 ? random.pick([0, 0, 1, 2]) : random.pick([0, 0, 1]),
      ),
    };
  });
  const windows =
    windowName === null ? '' : text(` WINDOW ${windowName} AS (ORDER BY `, total, ')');
  const { node, columns, named } = targetList(w, wish, values);
  const distinct = random.chance(0.12)
    ? option('DISTINCT ')
    : random.chance(0.05) && wish.bare !== true
      ? distinctOn(w, values)
      : '';
  const tail = tailClause(
    w,
    values.length,
    named,
    wish,
    distinct === '' ? sight : null,
    distinct !== '',
  );
  const locked = distinct === '' && !windowed && !wish.bare ? lockingClause(w, sight, wish) : '';
  return {
    columns,
    node: text('SELECT ', distinct, node, ' FROM ', item, where, windows, tail, locked),
  };
}

function lockingClause(w: QueryWriter, sight: Sight, wish: Wish): Node | '' {
  const random = w.random;
  if (!random.chance(wish.top === true ? 0.05 : 0.015)) return '';
  const named = sight.own.filter(({ name }) => name !== '');
  const one = () =>
    option(
      random.pick([' FOR UPDATE', ' FOR SHARE', ' FOR NO KEY UPDATE', ' FOR KEY SHARE']),
      named.length > 0 && random.chance(0.3) ? option(' OF ', random.pick(named).name) : '',
      random.pick(['', '', ' SKIP LOCKED', ' NOWAIT']),
    );
  return random.chance(0.1) ? option(one(), one()) : one();
}

const OBJECTS = `'{"a":1,"b":null}'::jsonb`;

function setReturned({ random, make }: QueryWriter, sight: Sight): Typed {
  return random.pick([
    (): Typed => ({ type: 'int', part: text('unnest(', make.of('ints', sight, 1), ')') }),
    (): Typed => ({
      type: 'int',
      part: text('generate_series(1, least(', make.of('int', sight, 0), ', 3))'),
    }),
    (): Typed => ({
      type: 'text',
      part: text('string_to_table(', make.of('text', sight, 0), ", 'a')"),
    }),
    (): Typed => ({ type: 'int', part: text('nearby(', make.of('int', sight, 0), ')') }),
    (): Typed => ({ type: 'text', part: text('jsonb_object_keys(', OBJECTS, ')') }),
    (): Typed => ({
      type: 'text',
      part: text('(regexp_matches(', make.of('text', sight, 0), ", '[a-z]', 'g'))[1]"),
    }),
    (): Typed => ({
      type: 'int',
      part: text('(unnest(', make.of('pairs', sight, 0), ')).n'),
    }),
    (): Typed => ({
      type: 'int',
      part: text('generate_series(1, unnest(', make.of('ints', sight, 0), ') % 3)'),
    }),
  ])();
}

/** With an order of all columns behind it. */
function distinctOn(w: QueryWriter, values: readonly Typed[]): Node {
  const first = w.random.chance(0.5) ? '1' : values[0]!.part;
  return option(
    'DISTINCT ON (',
    first,
    values.length > 2 && w.random.chance(0.3) ? ', 2' : '',
    ') ',
  );
}

function starRows(w: QueryWriter, item: Node, sight: Sight, where: Part, wish: Wish): Made {
  const random = w.random;
  const columns = sight.own.flatMap((source) => [...source.columns]);
  const first = sight.own[0]!;
  const shown = random.chance(0.5)
    ? '*'
    : random.chance(0.7)
      ? `${first.name}.*`
      : random.pick([`${first.name}.*, 1 AS one`, first.name, `(${first.name}).*`, '']);
  const isOne = shown === first.name;
  const count =
    shown === '' ? 0 : isOne ? 1 : shown === '*' ? columns.length : first.columns.length;
  if (count === 0) return { columns: [], node: text('SELECT FROM ', item, where) };
  return {
    columns,
    node: text('SELECT ', shown, ' FROM ', item, where, tailClause(w, count, [], wish, sight)),
  };
}
