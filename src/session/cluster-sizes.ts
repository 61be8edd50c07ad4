// Cluster sizes: asks all shards what a statement wants to know of sizes, and writes it into its text.

import { quoteLiteral, textArray } from '../base/quote.ts';
import { hasParts, type SizeQuestion, withSizes } from '../plan/cluster-sizes.ts';
import { query } from '../pool/query.ts';
import type { Table } from '../topology/table.ts';
import { plannedAnew, type RoutedExecution } from './clock.ts';
import type { SessionContext } from './context.ts';
import { askShard } from './everywhere.ts';
import type { Execution } from './execution.ts';
import type { SessionState } from './state.ts';

/** Rejects with SqlError and ServerError. */
export async function withClusterSizes(
  execution: Execution,
  asked: SizeQuestion,
  state: SessionState,
  context: SessionContext,
): Promise<RoutedExecution> {
  const { catalog, shards } = context.topology();
  const sql = questionOf(asked, [...catalog.tables()].filter(hasParts));
  const relations: string[] = [];
  let database = 0n;
  for (const { id } of shards) {
    const { rows } = await askShard(id, state, (connection) => query(connection, sql));
    const [ofRelations, ofDatabase] = rows[0]!;
    relations.push(ofRelations!);
    database += BigInt(ofDatabase ?? 0);
  }
  const name = JSON.stringify(context.database);
  const sizes = `{"relations": [${relations.join()}], "name": ${name}, "database": ${database}}`;
  const literal = `${quoteLiteral(sizes)}::pg_catalog.jsonb`;
  const told = { ...execution, sql: withSizes(execution.sql, literal, catalog) };
  const { plan, ...rest } = plannedAnew(told, state, context);
  // What a view asks is not in the text, and is told by its own server.
  return { ...rest, plan: { ...plan, sizes: null } };
}

function questionOf({ tables, database }: SizeQuestion, all: readonly Table[]): string {
  const ofDatabase = database ? 'pg_catalog.pg_database_size(current_database())' : 'NULL';
  return `SELECT drive.relation_sizes(${namesOf(tables ?? all)}), ${ofDatabase}`;
}

/** Two arguments, as SQL: the tables' schemas, and their names in the same order. */
export const namesOf = (tables: readonly Table[]): string => {
  const schemas = tables.map(({ schema }) => schema);
  return `${textArray(schemas)}, ${textArray(tables.map(({ name }) => name))}`;
};
