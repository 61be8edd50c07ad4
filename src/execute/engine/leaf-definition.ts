// Leaf definition: a table's columns as a session's own connection sees them, to be made elsewhere.

import { quoteLiteral } from '../../base/quote.ts';
import { IDENTITY, TABLE_NAME } from '../../plan/engine-plan.ts';
import type { EngineLeaf } from '../../plan/plan.ts';
import { query } from '../../pool/query.ts';
import type { ServerConnection } from '../../pool/server-connection.ts';

/** The columns of each leaf, as CREATE TABLE wants them. Rejects with the server's error. */
export async function definitionsOf(
  connection: ServerConnection,
  leaves: readonly EngineLeaf[],
): Promise<readonly string[]> {
  const definitions: string[] = [];
  for (const leaf of leaves) {
    const { rows } = await query(connection, definitionSql(leaf));
    const own = rows[0]?.[0] ?? '';
    const identity = leaf.identified ? IDENTITY.map(({ name, type }) => `${name} ${type}`) : [];
    const named = leaf.named ? [`${TABLE_NAME} pg_catalog.text`] : [];
    definitions.push([own, ...identity, ...named].join(', '));
  }
  return definitions;
}

/** The primary key of each leaf's table, as SQL; null: none, or not all of it is copied. */
export async function primaryKeysOf(
  connection: ServerConnection,
  leaves: readonly EngineLeaf[],
): Promise<readonly (string | null)[]> {
  const keys: (string | null)[] = [];
  for (const { table, columns } of leaves) {
    const { rows } = await query(
      connection,
      `SELECT ${QUOTED_NAME} FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a` +
        ' ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)' +
        ` WHERE i.indisprimary AND i.indrelid = ${quoteLiteral(table)}::pg_catalog.regclass`,
    );
    const key = rows.flatMap(([name]) => name ?? []);
    const isCopied = columns.length === 0 || key.every((name) => columns.includes(name));
    keys.push(key.length > 0 && isCopied ? key.join(', ') : null);
  }
  return keys;
}

const QUOTED_NAME = `'"' || pg_catalog.replace(a.attname::pg_catalog.text, '"', '""') || '"'`;

function definitionSql({ table, columns }: EngineLeaf): string {
  const names = columns.map((name) => quoteLiteral(name)).join(', ');
  const chosen = columns.length === 0 ? '' : ` AND ${QUOTED_NAME} IN (${names})`;
  return (
    "SELECT pg_catalog.string_agg(pg_catalog.format('%I %s%s', a.attname," +
    ' pg_catalog.format_type(a.atttypid, a.atttypmod),' +
    ' CASE WHEN a.attcollation <> t.typcollation' +
    " THEN pg_catalog.format(' COLLATE %I.%I', n.nspname, c.collname) END), ', '" +
    ' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a' +
    ' JOIN pg_catalog.pg_type t ON t.oid = a.atttypid' +
    ' LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation' +
    ' LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace' +
    ` WHERE a.attrelid = ${quoteLiteral(table)}::pg_catalog.regclass` +
    ` AND a.attnum > 0 AND NOT a.attisdropped${chosen}`
  );
}
