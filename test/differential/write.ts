// Generator of INSERT, UPDATE and DELETE statements over the tables of a world.

import type { Random } from '../support/random.ts';
import { deleteUsing, insertSelect, updateFrom, withWrite } from './computed-write.ts';
import { condition } from './condition.ts';
import type { Column, Expressions, Sight } from './expression.ts';
import { joinedWrite } from './joined-write.ts';
import { keyCondition } from './key-condition.ts';
import { merge } from './merge.ts';
import { QueryWriter } from './query.ts';
import { returned } from './returning.ts';
import { referringValue } from './table-rules.ts';
import { list, literal, type Node, option, type Part, query, text } from './tree.ts';
import { LITERALS } from './type.ts';
import { settableColumns, type World, type WorldTable } from './world.ts';

export interface Write {
  readonly node: Node;
  /** Those that it may change. */
  readonly tables: readonly WorldTable[];
}

export function writeStatement(random: Random, world: World): Write {
  const write = oneOf(random, world);
  return { ...write, tables: changedBy(write.tables, world) };
}

/** With what a view shows, and what refers to any of them. */
function changedBy(tables: readonly WorldTable[], world: World): WorldTable[] {
  const all = new Set(tables.map((table) => table.shows ?? table));
  for (const table of world.tables)
    if ([...all].some(({ name }) => name === table.refersTo)) all.add(table);
  return [...all];
}

function oneOf(random: Random, world: World): Write {
  const table = random.chance(0.7)
    ? random.pick(world.tables.filter(({ kind }) => kind === 'sharded'))
    : random.pick([...world.tables, world.views.find(({ shows }) => shows !== null)!]);
  const writer = new QueryWriter(random, world);
  const { make } = writer;
  if (random.chance(0.4)) {
    make.subQueries = 1;
    const computed = random.pick([insertSelect, updateFrom, deleteUsing, null]);
    const node = computed === null ? withWrite(writer, world.tables) : computed(writer, table);
    return { tables: computed === null ? world.tables.slice(0, 3) : [table], node };
  }
  make.subQueries = random.chance(0.2) ? 1 : 0;
  const kind = random.int(0, 3);
  if (kind === 0) return { tables: [table], node: insert(random, make, table) };
  if (random.chance(0.5)) {
    const joined = { random, make, world, table, changed: changed(random, table) };
    return { tables: [table], node: random.chance(0.5) ? merge(joined) : joinedWrite(joined) };
  }
  const alias = random.chance(0.3) ? 'u' : null;
  const sight: Sight = { own: [{ name: alias ?? table.name, columns: table.columns }], outer: [] };
  const target = alias === null ? table.name : `${table.name} ${random.pick(['AS ', ''])}${alias}`;
  const where = option(
    ' WHERE ',
    list(conditions(random, make, table, alias ?? table.name, sight), ' AND '),
  );
  const returning = random.chance(0.6) ? option(' RETURNING ', returned(random, make, sight)) : '';
  if (kind === 1) return { tables: [table], node: query('DELETE FROM ', target, where, returning) };
  const move =
    table.key !== null && random.chance(0.1)
      ? [text(table.key, ' = ', make.of('int', sight, random.int(0, 1)))]
      : [];
  const set = assignments(random, make, changed(random, table), sight);
  return {
    tables: [table],
    node: query('UPDATE ', target, ' SET ', list([...set, ...move]), where, returning),
  };
}

/** One by one, several at once, or into a part of a value. */
function assignments(
  random: Random,
  make: Expressions,
  columns: readonly Column[],
  sight: Sight,
): Part[] {
  const value = ({ type }: Column): Part => make.of(type, sight, random.int(0, 2));
  if (columns.length > 1 && random.chance(0.15)) {
    const names = columns.map(({ name }) => name).join(', ');
    if (random.chance(0.3)) {
      const types = columns.map(({ type }) => type);
      return [text(`(${names}) = (`, make.queries.row(types, sight, 1), ')')];
    }
    const opening = random.pick(['(', 'ROW(', '(SELECT ']);
    return [text(`(${names}) = ${opening}`, list(columns.map(value)), ')')];
  }
  return columns.map((column): Part => {
    const { name, type } = column;
    if (column.refers) return `${name} = ${referringValue(random)}`;
    if (type === 'ints' && random.chance(0.3))
      return text(`${name}[2] = `, make.of('int', sight, 1));
    if (type === 'pair' && random.chance(0.3))
      return text(`${name}.n = `, make.of('int', sight, 1));
    if (type === 'jsonb' && random.chance(0.3))
      return text(`${name}['a'] = `, make.of('jsonb', sight, 0));
    return text(name, ' = ', random.chance(0.15) ? 'DEFAULT' : value(column));
  });
}

function changed(random: Random, table: WorldTable): Column[] {
  const free = settableColumns(table).filter(({ name }) => name !== table.key && name !== 'id');
  return [random.pick(free), random.pick(free)].filter((each, i, all) => all.indexOf(each) === i);
}

function conditions(
  random: Random,
  make: Expressions,
  table: WorldTable,
  name: string,
  sight: Sight,
): Part[] {
  const key =
    table.key === null
      ? null
      : random.chance(0.4)
        ? keyCondition(make, [`${name}.${table.key}`])
        : null;
  const parts: Part[] = key === null ? [] : [key];
  if (parts.length === 0 || random.chance(0.5)) parts.push(condition(make, sight, 1));
  return parts;
}

function insert(random: Random, make: Expressions, table: WorldTable): Node {
  const nothing: Sight = { own: [], outer: [] };
  const columns = settableColumns(table)
    .filter(({ name }) => name === table.key || name === 'id' || random.chance(0.7))
    .sort(() => random.unit() - 0.5);
  const rows = Array.from({ length: random.int(1, 5) }, () =>
    text(
      '(',
      list(
        columns.map((column): Part => {
          if (column.name === 'id') return String(random.int(0, 200));
          if (column.refers) return referringValue(random);
          if (column.name === table.key)
            return random.chance(0.3)
              ? literal('int', random.pick(LITERALS.int.values), true)
              : random.chance(0.02)
                ? 'NULL'
                : random.pick(['1', '2', '42', '-17', "'7'", '0', '3::int8', '(1 + 1)', '42.4']);
          return random.chance(0.1) ? 'DEFAULT' : make.of(column.type, nothing, random.int(0, 1));
        }),
      ),
      ')',
    ),
  );
  const [set] = changed(random, table);
  const conflict = random.chance(0.3)
    ? table.key !== null && random.chance(0.5)
      ? option(
          ` ON CONFLICT ${table.arbiter ?? `(${table.key}, id)`} DO UPDATE SET `,
          `${set!.name} = excluded.${set!.name}`,
          random.chance(0.3) ? option(` WHERE ${table.name}.id < excluded.id + 100`) : '',
        )
      : option(' ON CONFLICT DO NOTHING')
    : '';
  const sight: Sight = { own: [{ name: table.name, columns: table.columns }], outer: [] };
  const returning = random.chance(0.6) ? option(' RETURNING ', returned(random, make, sight)) : '';
  return query(
    'INSERT INTO ',
    table.name,
    ' (',
    columns.map(({ name }) => name).join(', '),
    ') VALUES ',
    list(rows),
    conflict,
    returning,
  );
}
