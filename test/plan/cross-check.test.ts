// Cross-check: a second, independent grammar finds the same tables and the same sharding keys.

import nodeSqlParser from 'node-sql-parser';
import { beforeAll, describe, expect, it } from 'vitest';
import type { KeySource } from '../../src/plan/plan.ts';
import { Planner } from '../../src/plan/planner.ts';
import { loadParser, parseSql } from '../../src/sql/parser.ts';
import { testTopology } from './catalog.ts';

const OPTIONS = { database: 'postgresql' };
const KEY = 'user_id';
const other = new nodeSqlParser.Parser();
const topology = testTopology();

beforeAll(loadParser);

type Ast = { readonly [field: string]: unknown };

const isAst = (value: unknown): value is Ast => typeof value === 'object' && value !== null;

/** The tables that the other grammar sees, without the names of WITH queries. */
function otherTables(sql: string): string[] {
  const names = other.tableList(sql, OPTIONS).map((entry) => entry.split('::').at(-1)!);
  const ast = asAst(sql);
  const common = Array.isArray(ast.with)
    ? (ast.with as Ast[]).map((each) => (each.name as Ast).value)
    : [];
  return [...new Set(names.filter((name) => !common.includes(name)))].sort();
}

function asAst(sql: string): Ast {
  const parsed: unknown = other.astify(sql, OPTIONS);
  return (Array.isArray(parsed) ? parsed[0] : parsed) as Ast;
}

/** The tables in our statement, without the names of WITH queries. */
function ourTables(sql: string): string[] {
  const names = new Set<string>();
  const common = new Set<string>();
  const visit = (value: unknown): void => {
    if (!isAst(value)) return;
    const relation = value.relation;
    if (isAst(relation)) names.add(relation.name as string);
    if ('statement' in value && 'columnAliases' in value) common.add(value.name as string);
    for (const part of Object.values(value)) visit(part);
  };
  for (const { statement } of parseSql(sql)!.statements) visit(statement);
  return [...names].filter((name) => !common.has(name)).sort();
}

const columnName = (e: unknown): unknown => {
  if (!isAst(e) || e.type !== 'column_ref') return null;
  const { column } = e;
  if (!isAst(column)) return column;
  return (column.expr as Ast).value;
};

function keyText(e: unknown): string | null {
  if (!isAst(e)) return null;
  if (e.type === 'number' || e.type === 'single_quote_string') return String(e.value);
  if (e.type === 'bigint') return String(e.value);
  if (e.type === 'var' && e.prefix === '$') return `$${e.name}`;
  return null;
}

/** Keys of an AND of conditions, by the plainest rule: `key = value` or `key IN (values)`. */
function keysOfWhere(where: unknown): string[] | null {
  if (!isAst(where) || where.type !== 'binary_expr') return null;
  const { operator, left, right } = where;
  if (operator === 'AND') return keysOfWhere(left) ?? keysOfWhere(right);
  if (operator === '=') {
    const [column, value] = columnName(left) === KEY ? [left, right] : [right, left];
    const key = columnName(column) === KEY ? keyText(value) : null;
    return key === null ? null : [key];
  }
  if (operator !== 'IN' || columnName(left) !== KEY) return null;
  const items = isAst(right) && Array.isArray(right.value) ? right.value.map(keyText) : [null];
  return items.every((item) => item !== null) ? (items as string[]) : null;
}

function keysOfInsert(ast: Ast): string[] | null {
  const columns = (ast.columns as unknown[]).map((c) => (isAst(c) ? c.value : c));
  const index = columns.indexOf(KEY);
  const values = ast.values as Ast | readonly Ast[];
  const rows = (isAst(values) && 'values' in values ? values.values : values) as Ast[];
  const keys = rows.map((row) => keyText((row.value as unknown[])[index]));
  return keys.every((key) => key !== null) ? (keys as string[]) : null;
}

function otherKeys(sql: string): string[] | null {
  const ast = asAst(sql);
  if (ast.type === 'insert') return keysOfInsert(ast);
  const from = (ast.from ?? []) as Ast[];
  const joins = from.filter((each) => String(each.join ?? '').startsWith('INNER'));
  return [ast.where, ...joins.map((each) => each.on)]
    .map(keysOfWhere)
    .reduce((found, each) => found ?? each, null);
}

const ourKey = (key: KeySource): string =>
  key.from === 'parameter' ? `$${key.index + 1}` : String(key.from === 'constant' && key.value);

function ourKeys(sql: string): string[] | null {
  const plan = new Planner({ cacheBytesMax: 1 << 20 }).planExact(sql, topology, null);
  if (plan.op !== 'routed') throw new Error(`${plan.op}: ${sql}`);
  return plan.route.kind === 'keys' ? plan.route.keys.map(ourKey) : null;
}

const FROM = [
  'file_metadata',
  'file_metadata f',
  'public.file_metadata AS f',
  'users',
  'file_metadata f JOIN users u USING (user_id)',
  'file_metadata f LEFT JOIN country c ON c.code = f.file_name',
];

const CONDITIONS = [
  'user_id = 42',
  "user_id = '42'",
  'user_id = $1',
  '7 = user_id',
  'user_id IN (1, 2, 3)',
  'user_id IN ($1, $2)',
  "id = 5 AND user_id = 42 AND file_name = 'user_id = 1'",
  "user_id = 9223372036854775807 AND (id = 1 OR file_name LIKE 'a%')",
  'user_id = 1 OR id = 2',
  'user_id > 1 AND user_id < 5',
  'user_id <> 3',
  'id = 42',
  'user_id IS NULL',
  'NOT (user_id = 1)',
  'user_id BETWEEN 1 AND 2',
  'user_id + 1 = 2',
  'file_name IS NOT NULL AND user_id IN (8)',
];

const TAILS = ['', 'ORDER BY user_id LIMIT 5', 'ORDER BY user_id DESC'];

const CORPUS: readonly string[] = [
  ...FROM.flatMap((from) =>
    CONDITIONS.flatMap((where) =>
      TAILS.map((tail) => `SELECT user_id FROM ${from} WHERE ${where} ${tail}`.trim()),
    ),
  ),
  ...CONDITIONS.flatMap((where) => [
    `UPDATE file_metadata SET file_name = 'x' WHERE ${where}`,
    `DELETE FROM file_metadata WHERE ${where}`,
    `SELECT count(*) FROM file_metadata WHERE ${where}`,
  ]),
  'SELECT * FROM file_metadata f INNER JOIN users u ON f.user_id = u.user_id AND u.user_id = 5',
  'SELECT * FROM file_metadata f INNER JOIN users u ON f.user_id = u.user_id WHERE u.user_id = 5',
  'SELECT * FROM file_metadata f LEFT JOIN users u ON f.user_id = u.user_id AND u.user_id = 5',
  'WITH c AS (SELECT code FROM country) SELECT user_id FROM users WHERE user_id = 3',
  'SELECT * FROM country',
  'SELECT * FROM audit WHERE id = 1',
  "INSERT INTO file_metadata (user_id, file_name) VALUES (1, 'a')",
  "INSERT INTO file_metadata (file_name, user_id) VALUES ('a', 1), ('b', 6), ('c', '7')",
  'INSERT INTO file_metadata (user_id, file_name) VALUES ($1, $2), ($3, $4)',
  'INSERT INTO users (name, country, user_id) VALUES ($1, $2, $3)',
];

describe('the other grammar', () => {
  it.each(CORPUS)('agrees on %s', (sql) => {
    expect(ourTables(sql)).toEqual(otherTables(sql));
    expect(ourKeys(sql)).toEqual(otherKeys(sql));
  });
});
