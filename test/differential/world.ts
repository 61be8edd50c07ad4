// World: the tables of a differential test and their rows, made from a seed.

import type { Random } from '../support/random.ts';
import { type Column, WITHOUT_EQUALITY } from './expression.ts';
import { makeTable } from './table.ts';
import {
  foreignKeyOf,
  indexOf,
  TRIGGER_FUNCTIONS,
  triggersOf,
  uniqueIndexOf,
} from './table-rules.ts';
import { LITERALS } from './type.ts';

export interface WorldTable {
  readonly name: string;
  readonly kind: 'sharded' | 'reference' | 'home' | 'view';
  readonly columns: readonly Column[];
  /** The sharding key of a sharded table, or of a view that shows it. */
  readonly key: string | null;
  /** Values as SQL, of the columns that a statement gives values to. */
  readonly rows: readonly (readonly string[])[];
  /** What is unique, as ON CONFLICT names it; null: nothing is. */
  readonly arbiter: string | null;
  /** The table that the column `ref` refers to. */
  readonly refersTo: string | null;
  /** What is written through a view. */
  readonly shows: WorldTable | null;
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
  ...TRIGGER_FUNCTIONS,
];

/** The names and kinds of the tables; those that others refer to come first. */
const KINDS = [
  ['country', 'reference', null],
  ['notes', 'home', null],
  ['files', 'sharded', 'user_id'],
  ['members', 'sharded', 'user_id'],
  ['orders', 'sharded', 'owner'],
] as const;

export function makeWorld(random: Random, suffix: string): World {
  const large = random.chance(0.15);
  const isExtreme = random.chance(0.25);
  const made: WorldTable[] = [];
  for (const [name, kind, key] of KINDS) {
    const count =
      kind !== 'sharded'
        ? random.pick([1, 4, 8])
        : large && name === 'files'
          ? 700
          : random.pick([0, 5, 25, 60, 60]);
    const [country, , files] = made;
    const target =
      name === 'members' && files!.key !== null && random.chance(0.5) ? files : country;
    const isReferable =
      target !== undefined && target.arbiter !== null && !target.arbiter.includes('WHERE');
    const refersTo = isReferable && random.chance(0.4) ? target : null;
    made.push(
      makeTable(random, { name: `${name}_${suffix}`, kind, key, count, isExtreme, refersTo }),
    );
  }
  const [country, notes, ...sharded] = made as [WorldTable, WorldTable, ...WorldTable[]];
  const tables = [...sharded, country, notes];
  const views = viewsOf(random, tables, suffix);
  const make = [
    ...made.flatMap((table) => making(random, table, made)),
    ...rulesOf(random, made).map((sql) => ({ sql, proxyOnly: false })),
    ...views.map(({ sql }) => ({ sql, proxyOnly: false })),
  ];
  return { tables, views: views.map(({ view }) => view), before: BEFORE, make };
}

/** Statements that make the table by itself. */
function making(random: Random, table: WorldTable, all: readonly WorldTable[]): World['make'] {
  const { name, kind, key, arbiter } = table;
  const columns = table.columns.map(
    (column) => `${column.name} ${definitionOf(random, table, column)}`,
  );
  if (random.chance(0.2)) columns.push('CHECK (id <> 1077)');
  if (table.rows.length < 100 && random.chance(0.15))
    columns.push(`CONSTRAINT few_${name} CHECK (id < 190)`);
  const isReferred = all.some(({ refersTo }) => refersTo === name);
  const isPartitioned = key === 'user_id' && table.rows.length < 100 && random.chance(0.35);
  const isPrimary =
    arbiter !== null && !arbiter.includes('WHERE') && (isReferred || random.chance(0.7));
  if (isPrimary) columns.push(`PRIMARY KEY ${arbiter}`);
  const { by, bounds } = isPartitioned ? partitioning(random, key!) : { by: '', bounds: [] };
  const statements = [
    `CREATE TABLE ${name} (${columns.join(', ')})${by}`,
    ...bounds.map((bound, i) => `CREATE TABLE ${name}_${i + 1} PARTITION OF ${name} ${bound}`),
    ...(isPrimary ? [] : uniqueIndexOf(table)),
    ...(random.chance(0.3) ? [indexOf(random, table)] : []),
  ].map((sql) => ({ sql, proxyOnly: false }));
  if (kind === 'reference')
    statements.push({ sql: `SELECT create_reference_table('${name}')`, proxyOnly: true });
  if (key === 'owner')
    statements.push({
      sql: `SELECT create_distributed_table('${name}', 'owner')`,
      proxyOnly: true,
    });
  return statements;
}

/** By the id, or by the sharding key, that rows change. */
const partitioning = (random: Random, key: string) =>
  random.pick([
    { by: ' PARTITION BY RANGE (id)', bounds: ['FOR VALUES FROM (MINVALUE) TO (20)', 'DEFAULT'] },
    {
      by: ` PARTITION BY HASH (${key})`,
      bounds: ['0', '1', '2'].map((rest) => `FOR VALUES WITH (MODULUS 3, REMAINDER ${rest})`),
    },
    { by: ` PARTITION BY LIST (${key})`, bounds: ['FOR VALUES IN (42, 1, -17)', 'DEFAULT'] },
  ]);

function definitionOf(
  random: Random,
  table: WorldTable,
  { name, type, generated }: Column,
): string {
  const sql = LITERALS[type].column ?? LITERALS[type].sql;
  if (name === table.key) return `${sql} NOT NULL`;
  if (generated !== undefined)
    return `${sql} GENERATED ALWAYS AS (${generated}) ${random.pick(['STORED', 'VIRTUAL'])}`;
  const isPlain = name === 'id' || name === 'ref' || name === 'touched';
  return isPlain || !random.chance(0.15) ? sql : `${sql} DEFAULT ${LITERALS[type].values[0]!}`;
}

/** Once all tables are there and of their kinds. */
function rulesOf(random: Random, tables: readonly WorldTable[]): string[] {
  return tables.flatMap((table) => {
    const of = tables.find(({ name }) => name === table.refersTo);
    const keys = of === undefined ? [] : [foreignKeyOf(random, table, of)];
    return [...keys, ...triggersOf(random, table)];
  });
}

/** One that shows rows of a table, a join by the key or by others, and groups of the first. */
function viewsOf(random: Random, tables: readonly WorldTable[], suffix: string) {
  const [files, members, orders] = tables as [WorldTable, WorldTable, WorldTable];
  const madeOf = (name: string, key: string | null, columns: readonly Column[], as: string) => ({
    view: {
      name: `${name}_${suffix}`,
      kind: 'view',
      key,
      columns,
      rows: [],
      arbiter: null,
      refersTo: null,
      shows: null,
    } satisfies WorldTable,
    sql: `CREATE VIEW ${name}_${suffix} AS ${as}`,
  });
  const shown = files.columns.filter(({ type }) => !WITHOUT_EQUALITY.has(type));
  const seen = madeOf(
    'seen',
    'user_id',
    shown,
    `SELECT ${shown.map(({ name }) => name).join(', ')} FROM ${files.name} WHERE id <> 3${random.pick(['', ' WITH CHECK OPTION', ' WITH LOCAL CHECK OPTION'])}`,
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
  return [
    { ...seen, view: { ...seen.view, arbiter: files.arbiter, shows: files } },
    paired,
    counted,
  ];
}

/** Tables to which others refer come first. */
export const insertionOrder = ({ tables }: World): WorldTable[] => [
  ...tables.filter(({ kind }) => kind !== 'sharded'),
  ...tables.filter(({ kind }) => kind === 'sharded'),
];

/** The rows of a table as one INSERT; null without rows. */
export function insertOf(
  table: WorldTable,
  order: 'as made' | 'reversed' | 'shuffled' | 'by length',
): string | null {
  if (table.rows.length === 0) return null;
  const texts = table.rows.map((row) => `(${row.join(', ')})`);
  const rows = {
    'as made': () => texts,
    reversed: () => texts.toReversed(),
    shuffled: () => texts.map((_, i) => texts[(i * 37 + 11) % texts.length]!),
    'by length': () => texts.toSorted((a, b) => a.length - b.length),
  }[order]();
  const given = settableColumns(table).map(({ name }) => name);
  return `INSERT INTO ${table.name} (${given.join(', ')}) VALUES ${rows.join(', ')}`;
}

/** Those that a statement gives values to. */
export const settableColumns = ({ columns }: WorldTable): Column[] =>
  columns.filter(({ generated }) => generated === undefined);
