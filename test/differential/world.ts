// World: the tables of a differential test and their rows, made from a seed.

import type { Random } from '../support/random.ts';
import type { Column } from './expression.ts';
import { TYPES, WITHOUT_EQUALITY } from './expression.ts';
import { LITERALS, type Type } from './type.ts';

export interface WorldTable {
  readonly name: string;
  readonly kind: 'sharded' | 'reference' | 'home' | 'view';
  readonly columns: readonly Column[];
  /** The sharding key of a sharded table, or of a view that shows it. */
  readonly key: string | null;
  /** As SQL, a row each. */
  readonly rows: readonly string[];
}

export interface World {
  readonly tables: readonly WorldTable[];
  /** Over the tables and each other, the last over the first. */
  readonly views: readonly WorldTable[];
  /** Statements that make what tables need, on both sides. */
  readonly before: readonly string[];
  /** Then, statement by statement; `proxyOnly` ones mean nothing to one PostgreSQL. */
  readonly make: readonly { readonly sql: string; readonly proxyOnly: boolean }[];
}

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
const WIDE_KEYS = ['2147483648', '9223372036854775807', '-9223372036854775808', '9007199254740993'];

export const BEFORE = [
  "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
  "CREATE COLLATION german (provider = icu, locale = 'de')",
  "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')",
  'CREATE TYPE pair AS (n int4, word text)',
  'CREATE DOMAIN even AS int4 CHECK (VALUE % 2 = 0)',
  "CREATE DOMAIN label AS text COLLATE german CHECK (VALUE <> 'no')",
  'CREATE EXTENSION citext',
  'CREATE EXTENSION hstore',
  'CREATE AGGREGATE total (int4) (SFUNC = int4_sum, STYPE = int8)',
  'CREATE AGGREGATE chain (text) (SFUNC = textcat, STYPE = text)',
  "CREATE FUNCTION twice(int4) RETURNS int4 LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2'",
  `CREATE FUNCTION nearby(int4) RETURNS SETOF int4 LANGUAGE plpgsql STABLE ROWS 2
     AS 'BEGIN RETURN NEXT $1; RETURN NEXT $1 + 1; END'`,
];

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

export function makeWorld(random: Random, suffix: string): World {
  const tables: WorldTable[] = [];
  const large = random.chance(0.15);
  const isExtreme = random.chance(0.25);
  const kinds = ['sharded', 'sharded', 'sharded', 'reference', 'home'] as const;
  const keyTypes = ['big', 'big', 'int', 'small'] as const;
  for (const [i, kind] of kinds.entries()) {
    const key = kind !== 'sharded' ? null : i === 2 ? 'owner' : 'user_id';
    const keyType: Type = random.pick(keyTypes);
    const own: Column[] = [{ name: 'id', type: 'int' }];
    if (key !== null) own.push({ name: key, type: keyType });
    const taken = own.map(({ name }) => name);
    if (kind !== 'sharded') {
      own.push({ name: 'ref', type: 'int' });
      taken.push('ref');
    }
    const columns = [...own, ...columnsOf(random, random.int(3, 7), taken)];
    if (random.chance(0.2)) columns.push({ name: 'doubled', type: 'int', generated: true });
    const shuffled = columns
      .map((column) => ({ column, at: random.unit() }))
      .sort((a, b) => a.at - b.at)
      .map(({ column }) => column);
    const count =
      kind === 'sharded'
        ? large && i === 0
          ? 700
          : random.pick([0, 5, 25, 60, 60])
        : random.pick([1, 4, 8]);
    const few = random.chance(0.2);
    const rows = Array.from({ length: count }, (_, id) => {
      const given = shuffled.filter(({ generated }) => !generated);
      const values = given.map(({ name, type }) => {
        if (name === 'id') return String(id);
        if (name !== key) return cellOf(random, type, isExtreme);
        if (few) return random.pick(['42', '1']);
        return type === 'big' && random.chance(0.12)
          ? random.pick(WIDE_KEYS)
          : random.pick(type === 'small' ? KEYS.slice(0, -1) : KEYS);
      });
      return `(${values.join(', ')})`;
    });
    tables.push({
      name: `${['files', 'members', 'orders', 'country', 'notes'][i]!}_${suffix}`,
      kind,
      columns: shuffled,
      key,
      rows,
    });
  }
  const make = tables.flatMap((table) => {
    const columns = table.columns.map(
      ({ name, type, generated }) =>
        `${name} ${LITERALS[type].column ?? LITERALS[type].sql}${
          name === table.key
            ? ' NOT NULL'
            : generated
              ? ` GENERATED ALWAYS AS (id * 2) ${random.pick(['STORED', 'VIRTUAL'])}`
              : name !== 'id' && random.chance(0.15)
                ? ` DEFAULT ${LITERALS[type].values[0]!}`
                : ''
        }`,
    );
    if (random.chance(0.2)) columns.push('CHECK (id <> 1077)');
    const partitioned = table.key === 'user_id' && table.rows.length < 100 && random.chance(0.2);
    const identity = table.key === null ? 'id' : `${table.key}, id`;
    const primary = random.chance(0.5) ? `, PRIMARY KEY (${identity})` : '';
    const by = partitioned ? ` PARTITION BY RANGE (id)` : '';
    const whole = partitioned ? '' : primary;
    const statements = [
      { sql: `CREATE TABLE ${table.name} (${columns.join(', ')}${whole})${by}`, proxyOnly: false },
    ];
    if (partitioned) {
      statements.push({
        sql: `CREATE TABLE ${table.name}_1 PARTITION OF ${table.name} FOR VALUES FROM (MINVALUE) TO (20)`,
        proxyOnly: false,
      });
      statements.push({
        sql: `CREATE TABLE ${table.name}_2 PARTITION OF ${table.name} DEFAULT`,
        proxyOnly: false,
      });
    }
    const indexed = table.columns.filter(
      ({ type, name }) => !WITHOUT_EQUALITY.has(type) && name !== 'doubled',
    );
    if (random.chance(0.3))
      statements.push({
        sql: `CREATE INDEX ON ${table.name} (${random.pick(indexed).name}${random.pick(['', ' DESC'])})`,
        proxyOnly: false,
      });
    if (table.kind === 'reference')
      statements.push({ sql: `SELECT create_reference_table('${table.name}')`, proxyOnly: true });
    if (table.key === 'owner')
      statements.push({
        sql: `SELECT create_distributed_table('${table.name}', 'owner')`,
        proxyOnly: true,
      });
    return statements;
  });
  const views = viewsOf(random, tables, suffix);
  for (const { sql } of views) make.push({ sql, proxyOnly: false });
  return { tables, views: views.map(({ view }) => view), before: BEFORE, make };
}

/** One that shows rows of a table, a join by the key or by others, and groups of the first. */
function viewsOf(random: Random, tables: readonly WorldTable[], suffix: string) {
  const [files, members, orders] = tables as [WorldTable, WorldTable, WorldTable];
  const madeOf = (name: string, key: string | null, columns: readonly Column[], as: string) => ({
    view: { name: `${name}_${suffix}`, kind: 'view', key, columns, rows: [] } satisfies WorldTable,
    sql: `CREATE VIEW ${name}_${suffix} AS ${as}`,
  });
  const shown = files.columns.filter(({ type }) => !WITHOUT_EQUALITY.has(type));
  const seen = madeOf(
    'seen',
    'user_id',
    shown,
    `SELECT ${shown.map(({ name }) => name).join(', ')} FROM ${files.name} WHERE id <> 3`,
  );
  const other = random.chance(0.5) ? members : orders;
  const own = { ...random.pick(other.columns.filter(({ name }) => name !== 'id')) };
  const paired = madeOf(
    'paired',
    'k',
    [
      { name: 'k', type: files.columns.find(({ name }) => name === 'user_id')!.type },
      { name: 'id', type: 'int' },
      { name: 'other', type: own.type },
    ],
    `SELECT f.user_id AS k, f.id, m.${own.name} AS other FROM ${files.name} f
     ${random.pick(['JOIN', 'LEFT JOIN'])} ${other.name} m ON f.${random.pick(['user_id', 'user_id', 'id'])} = m.${other.key}`,
  );
  const by = random.pick(shown);
  const counted = madeOf(
    'counted',
    null,
    [
      { name: 'what', type: by.type },
      { name: 'n', type: 'big' },
      { name: 'top', type: 'int' },
    ],
    `SELECT ${by.name} AS what, count(*) AS n, max(id) AS top FROM ${seen.view.name} GROUP BY 1`,
  );
  return [seen, paired, counted];
}

/** The rows of a table as one INSERT; null without rows. */
export function insertOf(
  table: WorldTable,
  order: 'as made' | 'reversed' | 'shuffled' | 'by length',
): string | null {
  if (table.rows.length === 0) return null;
  const rows = {
    'as made': () => table.rows,
    reversed: () => table.rows.toReversed(),
    shuffled: () => table.rows.map((_, i) => table.rows[(i * 37 + 11) % table.rows.length]!),
    'by length': () => table.rows.toSorted((a, b) => a.length - b.length),
  }[order]();
  const given = settableColumns(table).map(({ name }) => name);
  return `INSERT INTO ${table.name} (${given.join(', ')}) VALUES ${rows.join(', ')}`;
}

/** Those that a statement gives values to. */
export const settableColumns = ({ columns }: WorldTable): Column[] =>
  columns.filter(({ generated }) => !generated);
