// Table: the columns and rows of a generated table.

import type { Random } from '../support/random.ts';
import { type Column, TYPES } from './expression.ts';
import { ARBITERS, generatedColumn } from './table-rules.ts';
import { LITERALS, type Type } from './type.ts';
import { settableColumns, type WorldTable } from './world.ts';

const NAMES: Readonly<Partial<Record<Type, readonly string[]>>> = {
  int: ['size', 'n', 'a', 'count'],
  text: ['name', 'b', 'tag'],
  ci: ['nick'],
  de: ['wort'],
  cc: ['code'],
  big: ['"Wide"', 'wide'],
  price: ['price', 'sum'],
  num: ['x'],
  flt: ['ratio'],
  ts: ['made'],
  date: ['day', '"select"'],
  bool: ['flag'],
};

const KEYS = ['0', '1', '2', '3', '5', '7', '8', '42', '42', '42', '-1', '-2', '-17', '100000'];
const SMALL_KEYS = KEYS.slice(0, -1);
const WIDE_KEYS = ['2147483648', '9223372036854775807', '-9223372036854775808', '9007199254740993'];

function columnsOf(random: Random, count: number, taken: string[]): Column[] {
  const columns: Column[] = [];
  for (let i = 0; i < count; i++) {
    const type = random.chance(0.5)
      ? random.pick(['int', 'text', 'price', 'bool', 'flt', 'date', 'ts'] as const)
      : random.pick(TYPES);
    const free = (NAMES[type] ?? []).filter((name) => !taken.includes(name));
    const name = free.length > 0 ? random.pick(free) : `${type}${i}`;
    taken.push(name);
    columns.push({ name, type });
  }
  return columns;
}

function cellOf(random: Random, type: Type, isExtreme: boolean): string {
  const { rows, extremes } = LITERALS[type];
  if (isExtreme && extremes !== undefined && random.chance(0.1)) return random.pick(extremes);
  return random.chance(0.15) ? 'NULL' : random.pick(rows);
}

export interface TableWish {
  readonly name: string;
  readonly kind: 'sharded' | 'reference' | 'home';
  readonly key: string | null;
  readonly count: number;
  /** Some values are at the ends of their types. */
  readonly isExtreme: boolean;
  /** What the column `ref` refers to; null: nothing. */
  readonly refersTo: WorldTable | null;
}

const KEY_TYPES = ['big', 'big', 'int', 'small'] as const;

export function makeTable(random: Random, wish: TableWish): WorldTable {
  const { name, kind, key, count, refersTo } = wish;
  const own: Column[] = [{ name: 'id', type: 'int' }];
  if (key !== null) own.push({ name: key, type: random.pick(KEY_TYPES) });
  if (kind !== 'sharded' || refersTo !== null)
    own.push({ name: 'ref', type: 'int', ...(refersTo !== null && { refers: true }) });
  if (random.chance(0.25)) own.push({ name: 'touched', type: 'int' });
  const taken = own.map((column) => column.name);
  const columns = [...own, ...columnsOf(random, random.int(3, 7), taken)];
  if (random.chance(0.3)) columns.push(generatedColumn(random, columns));
  const shuffled = columns
    .map((column) => ({ column, at: random.unit() }))
    .sort((a, b) => a.at - b.at)
    .map(({ column }) => column);
  const identity = key === null ? '(id)' : `(${key}, id)`;
  const table = { name, kind, key, columns: shuffled, refersTo: refersTo?.name ?? null };
  const isFew = random.chance(0.2);
  const rows = Array.from({ length: count }, (_, id) =>
    rowOf(random, { ...wish, isFew, id, columns: shuffled }),
  );
  const arbiter = random.chance(0.7) ? `${identity}${random.pick(ARBITERS)}` : null;
  return { ...table, rows, arbiter, shows: null };
}

interface RowWish extends TableWish {
  readonly columns: readonly Column[];
  readonly id: number;
  readonly isFew: boolean;
}

function rowOf(random: Random, wish: RowWish): string[] {
  const { columns, id, isFew, key, isExtreme, refersTo } = wish;
  const referred = refersTo === null || random.chance(0.3) ? null : referable(random, refersTo);
  const isOther = referred?.key != null && key !== null;
  // Where the key is another's, it must fit this table's type.
  const isSmall = columns.some(({ name, type }) => name === key && type === 'small');
  const fits = !isOther || (isSmall ? SMALL_KEYS : KEYS).includes(referred.key!);
  return columns
    .filter(({ generated }) => generated === undefined)
    .map(({ name, type, refers }) => {
      if (name === 'id') return String(id);
      if (refers) return fits ? (referred?.id ?? 'NULL') : 'NULL';
      if (name !== key) return cellOf(random, type, isExtreme);
      if (isOther && fits) return referred.key!;
      if (isFew) return random.pick(['42', '1']);
      return type === 'big' && random.chance(0.12)
        ? random.pick(WIDE_KEYS)
        : random.pick(type === 'small' ? SMALL_KEYS : KEYS);
    });
}

/** The id of one of its rows, and its key if it has one; null: it is empty. */
function referable(
  random: Random,
  table: WorldTable,
): { readonly id: string; readonly key: string | null } | null {
  if (table.rows.length === 0) return null;
  const at = (name: string) => settableColumns(table).findIndex((column) => column.name === name);
  const row = random.pick(table.rows);
  return { id: row[at('id')]!, key: table.key === null ? null : row[at(table.key)]! };
}
