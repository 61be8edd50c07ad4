// Copy indexes: copies get their tables' indexes where a plan would read them again and again.

import { ENGINE_INDEX_COST_MIN } from '../../base/limits.ts';
import { quoteLiteral } from '../../base/quote.ts';
import type { EngineLeaf } from '../../plan/plan.ts';
import { query } from '../../pool/query.ts';
import type { ServerConnection } from '../../pool/server-connection.ts';
import { explainOn } from '../explain.ts';
import type { BoundParameters } from '../parameters.ts';

/** A node of EXPLAIN (FORMAT JSON). */
interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Parent Relationship'?: string;
  readonly 'Relation Name'?: string;
  readonly 'Total Cost': number;
  readonly Plans?: readonly PlanNode[];
}

export interface IndexedCopies {
  readonly engine: ServerConnection;
  /** Who knows the tables; null: the engine itself. */
  readonly definer: ServerConnection | null;
  readonly sql: string;
  readonly parameters: BoundParameters;
  readonly leaves: readonly EngineLeaf[];
  /** The n-th leaf's copy, from 0: its name in plans, and as SQL. */
  readonly copyOf: (leaf: number) => { readonly name: string; readonly sql: string };
}

/**
 * A correlated sub-query or a nested join over a copy costs its whole length each time. Rejects with
 * the servers' errors.
 */
export async function indexCopies(copies: IndexedCopies): Promise<void> {
  const { engine, definer, leaves, copyOf } = copies;
  const scanned = await readAgain(copies);
  for (const [i, leaf] of leaves.entries()) {
    const { name, sql } = copyOf(i);
    if (!scanned.has(name)) continue;
    for (const columns of await indexesOf(definer ?? engine, leaf)) {
      await query(engine, `CREATE INDEX ON ${sql} (${columns})`);
    }
  }
}

/** The relations that an expensive plan scans more than once. */
async function readAgain({ engine, sql, parameters }: IndexedCopies): Promise<Set<string>> {
  const lines = await explainOn(engine, `EXPLAIN (FORMAT JSON) ${sql}`, parameters);
  const [{ Plan: plan }] = JSON.parse(lines.join('\n')) as [{ Plan: PlanNode }];
  const scanned = new Set<string>();
  if (plan['Total Cost'] >= ENGINE_INDEX_COST_MIN) collect(plan, false, scanned);
  return scanned;
}

function collect(node: PlanNode, isRepeated: boolean, scanned: Set<string>): void {
  const name = node['Relation Name'];
  if (isRepeated && node['Node Type'] === 'Seq Scan' && name !== undefined) scanned.add(name);
  for (const child of node.Plans ?? []) {
    const relation = child['Parent Relationship'];
    const isInner = relation === 'Inner' && node['Node Type'] === 'Nested Loop';
    collect(child, isRepeated || isInner || relation === 'SubPlan', scanned);
  }
}

/** The columns of each index that the copy can have, as SQL. */
async function indexesOf(
  connection: ServerConnection,
  { table, columns }: EngineLeaf,
): Promise<readonly string[]> {
  const { rows } = await query(
    connection,
    `SELECT pg_catalog.string_agg('"' || pg_catalog.replace(a.attname::text, '"', '""') || '"', ', '
       ORDER BY k.at), pg_catalog.count(a.attname) = pg_catalog.count(*)
     FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
     JOIN pg_catalog.pg_am m ON m.oid = c.relam AND m.amname = 'btree'
     CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, at)
     LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
     WHERE i.indrelid = ${quoteLiteral(table)}::pg_catalog.regclass AND i.indpred IS NULL
       AND i.indisvalid AND k.at <= i.indnkeyatts
     GROUP BY i.indexrelid ORDER BY i.indexrelid`,
  );
  const isCopied = (list: string) =>
    columns.length === 0 || list.split(', ').every((name) => columns.includes(name));
  const lists = rows.flatMap(([list, isWhole]) =>
    list !== null && isWhole === 't' ? [list!] : [],
  );
  return [...new Set(lists)].filter(isCopied);
}
