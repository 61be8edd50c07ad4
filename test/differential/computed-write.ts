// Generator of writes whose rows or values come of a query: INSERT … SELECT, UPDATE … FROM, DELETE … USING.

import { WITHOUT_MAX } from './aggregate.ts';
import { condition } from './condition.ts';
import { type Column, type Sight, WITHOUT_EQUALITY } from './expression.ts';
import { tableItem } from './from-clause.ts';
import { keyCondition } from './key-condition.ts';
import type { QueryWriter } from './query.ts';
import { returned } from './returning.ts';
import { referringValue } from './table-rules.ts';
import { list, type Node, option, type Part, query, text } from './tree.ts';
import type { Type } from './type.ts';
import { settableColumns, type WorldTable } from './world.ts';

/** The columns that an INSERT gives: always the key and the id. */
const givenColumns = ({ random }: QueryWriter, table: WorldTable): Column[] =>
  settableColumns(table)
    .filter(({ name }) => name === table.key || name === 'id' || random.chance(0.5))
    .sort(() => random.unit() - 0.5);

export function insertSelect(w: QueryWriter, table: WorldTable): Node {
  const random = w.random;
  const columns = givenColumns(w, table);
  const made = w.select({
    types: columns.map(({ type }) => type),
    outer: [],
    depth: 1,
    bare: true,
  });
  // A key is never NULL; the rest of the rows fail otherwise on all servers.
  const shown = columns.map(({ name, refers }, i): Part => {
    if (name === table.key) return `coalesce(q.c${i}, 1)`;
    return refers ? referringValue(random) : `q.c${i}`;
  });
  const names = columns.map((_, i) => `c${i}`).join(', ');
  const skips = random.chance(0.5);
  const named = text('(', made.node, `) AS q (${names})`);
  const given = columns.map(({ type }, i) => ({ name: `c${i}`, type }));
  const source =
    random.chance(0.3) && !skips
      ? made.node
      : text(
          'SELECT ',
          list(shown, ', '),
          ' FROM ',
          skips ? firstOfEach(named, given, table, shown, columns) : named,
        );
  const sight: Sight = { own: [{ name: table.name, columns: table.columns }], outer: [] };
  const conflict = skips ? onConflict(w, table, columns) : '';
  return query(
    `INSERT INTO ${table.name} (${columns.map(({ name }) => name).join(', ')}) `,
    source,
    conflict,
    random.chance(0.5) ? option(' RETURNING ', returned(random, w.make, sight)) : '',
  );
}

/** Of rows that are each of their own. */
function onConflict(
  { random, make }: QueryWriter,
  table: WorldTable,
  given: readonly Column[],
): Part {
  const free = given.filter(({ name }) => name !== table.key && name !== 'id');
  if (table.arbiter === null || free.length === 0 || random.chance(0.5))
    return ' ON CONFLICT DO NOTHING';
  const both: Sight = {
    own: [
      { name: table.name, columns: table.columns },
      { name: 'excluded', columns: table.columns },
    ],
    outer: [],
  };
  const column = random.pick(free);
  const value = column.refers ? 'excluded.ref' : make.of(column.type, both, 1);
  const where = random.chance(0.3) ? option(' WHERE ', condition(make, both, 1)) : '';
  return text(` ON CONFLICT ${table.arbiter} DO UPDATE SET ${column.name} = `, value, where);
}

/**
 * Of `rows` called d or q, the first of those that would be one row of the table: which of them ON CONFLICT
 * takes is open.
 */
function firstOfEach(
  rows: Part,
  given: readonly Column[],
  table: WorldTable,
  values: readonly Part[],
  columns: readonly Column[],
): Node {
  const name = rows === 'd' ? 'd' : 'q';
  const identity = columns.flatMap((column, i): Part[] =>
    column.name === table.key || column.name === 'id' ? [values[i]!] : [],
  );
  const order = given.map(({ name: own, type }) =>
    WITHOUT_EQUALITY.has(type) ? `${name}.${own}::text` : `${name}.${own}`,
  );
  return text(
    '(SELECT DISTINCT ON (',
    list(identity),
    `) ${name}.* FROM `,
    rows,
    ' ORDER BY ',
    list([...identity, ...order]),
    `) AS ${name}`,
  );
}

const INTEGERS: readonly Type[] = ['int', 'small', 'big', 'even'];

/** A column of whole numbers of each side, for an equality; the keys rather than others. */
function pairOf(
  w: QueryWriter,
  target: { readonly name: string; readonly table: WorldTable },
  source: {
    readonly name: string;
    readonly columns: readonly Column[];
    readonly key: string | null;
  },
): { own: string; other: Column } {
  const random = w.random;
  const isKeyed = target.table.key !== null && source.key !== null && random.chance(0.6);
  const numbers = (columns: readonly Column[]) =>
    columns.filter(({ type }) => INTEGERS.includes(type));
  const own = isKeyed ? target.table.key! : random.pick(numbers(target.table.columns)).name;
  const other = isKeyed
    ? source.columns.find(({ name }) => name === source.key)!
    : random.pick(numbers(source.columns));
  return { own: `${target.name}.${own}`, other };
}

/** A row of the target has one partner at most: which of several gives the value is open. */
export function updateFrom(w: QueryWriter, table: WorldTable): Node {
  const random = w.random;
  const { item, source } = tableItem(w);
  if (!source.columns.some(({ type }) => INTEGERS.includes(type))) return deleteUsing(w, table);
  const { own, other } = pairOf(w, { name: 'u', table }, source);
  const free = settableColumns(table).filter(({ name }) => name !== table.key && name !== 'id');
  const column = random.pick(free);
  const value = random.pick(
    source.columns.filter(({ type, name }) => !WITHOUT_MAX.has(type) || name === other.name),
  );
  const sight: Sight = { own: [{ name: 'u', columns: table.columns }], outer: [] };
  const grouped = text(
    `(SELECT ${source.name}.${other.name} AS k, max(${source.name}.${value.name}) AS m, count(*) AS n FROM `,
    item,
    ' GROUP BY 1) s',
  );
  const joined: Sight = {
    own: [
      ...sight.own,
      {
        name: 's',
        columns: [
          { name: 'm', type: value.type },
          { name: 'n', type: 'big' },
        ],
      },
    ],
    outer: [],
  };
  return query(
    `UPDATE ${table.name} u SET ${column.name} = `,
    w.make.of(column.type, joined, 1),
    ' FROM ',
    grouped,
    ` WHERE ${own} = s.k`,
    restriction(w, table, joined),
    random.chance(0.5) ? option(' RETURNING ', returned(random, w.make, sight)) : '',
  );
}

export function deleteUsing(w: QueryWriter, table: WorldTable): Node {
  const random = w.random;
  const { item, source } = tableItem(w);
  // Which of several partners is met is open: only the table's own columns are shown.
  const shown = table.columns.map((column) => ({ ...column, part: `u.${column.name}` }));
  const both: Sight = { own: [{ name: 'u', columns: table.columns }, source], outer: [] };
  const isJoined = source.columns.some(({ type }) => INTEGERS.includes(type));
  const { own, other } = isJoined
    ? pairOf(w, { name: 'u', table }, source)
    : { own: 'u.id', other: { name: source.columns[0]!.name } };
  return query(
    `DELETE FROM ${table.name} u USING `,
    item,
    isJoined ? ` WHERE ${own} = ${source.name}.${other.name}` : ' WHERE u.id < 5',
    restriction(w, table, both),
    random.chance(0.5)
      ? option(
          ' RETURNING ',
          returned(random, w.make, { own: [{ name: 'u', columns: shown }], outer: [] }),
        )
      : '',
  );
}

function restriction(w: QueryWriter, table: WorldTable, sight: Sight): Part {
  const random = w.random;
  if (table.key !== null && random.chance(0.25))
    return option(' AND ', keyCondition(w.make, [`u.${table.key}`]));
  return random.chance(0.5) ? option(' AND ', condition(w.make, sight, 1)) : '';
}

/** WITH of parts that write, or of a query that a write reads. */
export function withWrite(w: QueryWriter, tables: readonly WorldTable[]): Node {
  const random = w.random;
  const sharded = tables.filter(({ kind }) => kind === 'sharded');
  const table = random.pick(sharded);
  const other = random.pick(sharded.filter(({ name }) => name !== table.name));
  const rows = { name: 'd', columns: table.columns, key: table.key };
  const sight: Sight = { own: [{ name: table.name, columns: table.columns }], outer: [] };
  const where = option(' WHERE ', condition(w.make, sight, 1));
  const part = random.pick([
    () => text(`DELETE FROM ${table.name}`, where, ' RETURNING *'),
    () => {
      const free = settableColumns(table).filter(({ name }) => name !== table.key && name !== 'id');
      const column = random.pick(free);
      const value = w.make.of(column.type, sight, 1);
      return text(`UPDATE ${table.name} SET ${column.name} = `, value, where, ' RETURNING *');
    },
    () => text('SELECT * FROM ', table.name, where),
  ])();
  const main = random.pick([
    () => mainSelect(w, rows),
    () => mainSelect(w, rows),
    () => archive(w, rows, other),
    () => archive(w, rows, other),
    () =>
      text(`DELETE FROM ${other.name} USING d WHERE d.${table.key} = ${other.name}.${other.key}`),
    () => text(`DELETE FROM ${other.name} WHERE id IN (SELECT id FROM d)`),
  ])();
  return query('WITH d AS (', part, ') ', main);
}

type Returned = {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly key: string | null;
};

function mainSelect(w: QueryWriter, rows: Returned): Node {
  const random = w.random;
  if (random.chance(0.3)) return text('SELECT * FROM d');
  const saved = w.ctes;
  w.ctes = [rows];
  const made = w.select({ types: null, outer: [], depth: 1, bare: true });
  w.ctes = saved;
  return made.node;
}

/** The rows into another table, by their key or by something else. */
function archive(w: QueryWriter, rows: Returned, target: WorldTable): Node {
  const random = w.random;
  const sight: Sight = { own: [rows], outer: [] };
  const columns = givenColumns(w, target);
  const values = columns.map(({ name, type, refers }): Part => {
    if (refers) return referringValue(random);
    if (name === target.key) return random.chance(0.7) ? `d.${rows.key}` : 'd.id';
    return name === 'id' ? 'd.id + 1000' : w.make.of(type, sight, 0);
  });
  const skips = random.chance(0.5);
  return text(
    `INSERT INTO ${target.name} (${columns.map(({ name }) => name).join(', ')}) SELECT `,
    list(values),
    ' FROM ',
    skips ? firstOfEach('d', rows.columns, target, values, columns) : 'd',
    skips ? ' ON CONFLICT DO NOTHING' : '',
  );
}
