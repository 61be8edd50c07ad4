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
    const apart = await laxConstraints(home, table.name, child);
    if (apart !== null) await queryAsLogin(home, apart.off);
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
    if (apart !== null) await queryAsLogin(home, apart.on);
  }
  const result = await use();
  if (children.length > 0) await queryAsLogin(home, `DROP TABLE ${children.join(', ')}`);
  return result;
}

/**
 * What a table's rows need not hold (NOT VALID) its children's must: statements that take it off an empty child, and that
 * put it on the filled one as the table has it. null where there is none.
 */
async function laxConstraints(
  home: ServerConnection,
  table: string,
  child: string,
): Promise<{ readonly off: string; readonly on: string } | null> {
  const { rows } = await query(
    home,
    `SELECT pg_catalog.quote_ident(conname), pg_catalog.pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint
      WHERE conrelid = ${quoteLiteral(table)}::pg_catalog.regclass AND contype IN ('c', 'n')
        AND NOT convalidated AND NOT connoinherit`,
  );
  if (rows.length === 0) return null;
  const drops = rows.map(([name]) => `DROP CONSTRAINT ${name}`);
  const adds = rows.map(([name, definition]) => `ADD CONSTRAINT ${name} ${definition}`);
  return {
    off: `ALTER TABLE ${child} NO INHERIT ${table}; ALTER TABLE ${child} ${drops.join(', ')}`,
    on: `ALTER TABLE ${child} ${adds.join(', ')}; ALTER TABLE ${child} INHERIT ${table}`,
  };
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
