// Completed tables: the home shard's own sharded tables with the rows of all shards, within a transaction.

import { randomUUID } from 'node:crypto';
import { SqlError } from '../base/errors.ts';
import { quoteLiteral, quoteName } from '../base/quote.ts';
import type { CompletedTable } from '../plan/keep-view-merge.ts';
import { refused } from '../plan/unsupported.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { queryAsLogin } from './as-login.ts';
import { CopyBudget, fill } from './engine/fill.ts';
import { steadyText } from './engine/steady-text.ts';

interface Completion {
  readonly tables: readonly CompletedTable[];
  /** Both in the transaction. */
  readonly home: ServerConnection;
  readonly others: readonly ServerConnection[];
  readonly bytesMax: number;
}

/**
 * Whoever reads the tables on the home shard while `use` runs, by whatever views, reads the rows of the other shards,
 * too: each table has a child with them for as long, which nobody outside of the transaction sees. Rejects with
 * ServerError or SqlError.
 */
export async function withAllRows<T>(
  { tables, home, others, bytesMax }: Completion,
  use: () => Promise<T>,
): Promise<T> {
  const budget = new CopyBudget(bytesMax);
  const children: string[] = [];
  // In one order for all: a table has no two children at a time.
  for (const table of others.length === 0
    ? []
    : tables.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    await checkAlone(home, table.name);
    const child = `drive.${quoteName(`rows ${randomUUID()}`)}`;
    await queryAsLogin(
      home,
      `CREATE UNLOGGED TABLE ${child} () INHERITS (${table.name}); GRANT INSERT ON ${child} TO PUBLIC`,
    );
    children.push(child);
    const columns = table.columns.map(({ name }) => name).join(', ');
    const given = table.columns
      .map(({ name, isUnsteady }) => (isUnsteady ? steadyText(name) : name))
      .join(', ');
    await fill({
      engine: home,
      sources: others,
      format: table.format,
      copy: `${child} (${columns})`,
      select: () => `SELECT ${given} FROM ONLY ${table.name}`,
      budget,
    });
  }
  const result = await use();
  if (children.length > 0) await queryAsLogin(home, `DROP TABLE ${children.join(', ')}`);
  return result;
}

/** Throws 0A000 for what has parents or children of its own. */
async function checkAlone(home: ServerConnection, table: string): Promise<void> {
  const oid = `${quoteLiteral(table)}::pg_catalog.regclass`;
  const { rows } = await query(
    home,
    `SELECT FROM pg_catalog.pg_inherits WHERE inhparent = ${oid} OR inhrelid = ${oid} LIMIT 1`,
  );
  if (rows.length > 0) throw new SqlError(refused('viewKept'));
}
