// Cluster sizes: calls of PostgreSQL's functions about sizes, answered for all shards, not for one.

import type { Call } from '../sql/expression.ts';
import { type Catalog, isAtHome, type Table } from '../topology/table.ts';
import type { PlanInput } from './context.ts';
import { withDriveCalls } from './drive-call.ts';
import { relationIn } from './functions.ts';

const OF_RELATION: ReadonlySet<string> = new Set([
  'pg_relation_size',
  'pg_table_size',
  'pg_indexes_size',
  'pg_total_relation_size',
]);
const OF_DATABASE = 'pg_database_size';

/** What the shards are asked for one statement. */
export interface SizeQuestion {
  /** The tables whose parts are asked for; null: those of all that are on several shards. */
  readonly tables: readonly Table[] | null;
  readonly database: boolean;
}

/** Schema drive has functions of these names, which are given what the shards have told. */
export const tellsClusterSize = ({ schema, name }: Call): boolean =>
  schema === 'drive' && isOfSize(name);

const isOfSize = (name: string): boolean => OF_RELATION.has(name) || name === OF_DATABASE;

/** `schema` null: PostgreSQL's own is meant, unless users have a function of the name. */
const isMeant = (schema: string | null, name: string, catalog: Catalog): boolean =>
  isOfSize(name) && (schema === 'pg_catalog' || (schema === null && !catalog.hasRoutine(name)));

/** What the call asks of the shards, along with what was asked before; null: nothing. */
export function sizeQuestion(
  { schema, name, args }: Call,
  { catalog, searchPath }: Pick<PlanInput, 'catalog' | 'searchPath'>,
  before: SizeQuestion | null,
): SizeQuestion | null {
  if (!catalog.knowsSizes || !isMeant(schema, name, catalog)) return before;
  const known = before ?? { tables: [], database: false };
  if (name === OF_DATABASE) return { ...known, database: true };
  const [first] = args;
  const named = first === undefined ? null : relationIn(first);
  const table = named && catalog.table(named.schema, named.name, searchPath ?? undefined);
  if (table === null || known.tables === null) return { ...known, tables: null };
  return hasParts(table) ? { ...known, tables: [...known.tables, table] } : before;
}

/** Its rows are on several shards. One copy of a reference table is what one server has. */
export const hasParts = (table: Table): boolean =>
  table.kind === 'sharded' || (table.view?.materialized === true && !isAtHome(table));

/** The statement with functions that are given `sizes`, as SQL, beside their arguments. */
export const withSizes = (sql: string, sizes: string, catalog: Catalog): string =>
  withDriveCalls(sql, (schema, name) => isMeant(schema, name, catalog), sizes);
