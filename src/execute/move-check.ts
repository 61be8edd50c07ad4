// Move check: whether the constraints of a table hold over the shards once it is of another kind.

import { SqlError } from '../base/errors.ts';
import { quoteLiteral, quoteName } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Catalog, Table } from '../topology/table.ts';
import { type ForeignKey, moveFacts } from './move-facts.ts';

interface Wanted {
  readonly kind: 'sharded' | 'reference' | 'home';
  readonly key: string | null;
  readonly home: ServerConnection;
  readonly catalog: Catalog;
}

/** Throws SqlError where they would not, of it or of a partition. */
export async function checkMove(table: Table, wanted: Wanted): Promise<void> {
  const name = [table.schema, table.name].map(quoteName).join('.');
  if (wanted.kind === 'sharded') {
    checkColumn(table, wanted.key!);
    await checkUnique(table, name, wanted);
  }
  const { refersTo } = await moveFacts(wanted.home, name);
  for (const each of refersTo) checkForeignKey(each, table, wanted);
}

/** int2, int4, int8. Source: pg_type.dat. */
const INTEGER_OIDS = new Set([21, 23, 20]);

function checkColumn(table: Table, key: string): void {
  const column = table.columns.find((each) => each.name === key);
  if (column === undefined) {
    throw new SqlError({
      code: SQLSTATE.undefinedColumn,
      message: `column "${key}" of table "${table.name}" does not exist`,
    });
  }
  if (!INTEGER_OIDS.has(column.typeOid)) {
    throw wrongState(
      `column "${key}" cannot be a sharding key`,
      'A sharding key is smallint, integer or bigint.',
    );
  }
}

/** The key must be in every unique constraint that is not of generated ids. */
async function checkUnique(table: Table, name: string, { key, home }: Wanted): Promise<void> {
  const { rows } = await query(home, uniqueSql(name));
  for (const [constraint, columns, isUnique] of rows) {
    const names = JSON.parse(columns!) as string[];
    const isGenerated =
      isUnique === 't' &&
      names.length === 1 &&
      table.columns.some((each) => each.name === names[0] && each.distinctDefault === true);
    if (names.includes(key!) || isGenerated) continue;
    throw wrongState(
      `"${constraint}" of table "${table.name}" does not include the sharding key "${key}"`,
      'A unique constraint holds over the shards only with the sharding key in it.',
    );
  }
}

/** Unique indexes and EXCLUDE by the columns that they keep apart by their equality, null for an expression. */
const uniqueSql = (name: string) => `
  SELECT i.indexrelid::pg_catalog.regclass::text, (
    SELECT pg_catalog.json_agg(a.attname ORDER BY u.n)
    FROM pg_catalog.generate_series(1, i.indnkeyatts) u (n)
    LEFT JOIN pg_catalog.pg_attribute a
      ON a.attrelid = i.indrelid AND a.attnum = i.indkey[u.n - 1] AND a.attnum <> 0
      AND (k.conexclop IS NULL OR (SELECT o.oprname FROM pg_catalog.pg_operator o
        WHERE o.oid = k.conexclop[u.n]) = '=')), i.indisunique
  FROM drive.table_tree(${quoteLiteral(name)}) t
  JOIN pg_catalog.pg_index i ON i.indrelid = t.oid
  LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid
    AND k.contype = 'x'
  WHERE i.indisunique OR i.indisexclusion`;

/** What a row refers to must be where it is. */
function checkForeignKey(foreign: ForeignKey, table: Table, { kind, key, catalog }: Wanted): void {
  const isSelf = foreign.schema === table.schema && foreign.table === table.name;
  const target = isSelf ? { kind, keyColumn: key } : catalog.table(foreign.schema, foreign.table);
  const to = target?.kind ?? 'home';
  if (to === 'reference' || (to === 'home' && kind === 'home')) return;
  const at = foreign.columns.indexOf(key ?? '');
  const isPaired = at >= 0 && foreign.referred[at] === target?.keyColumn;
  if (to === 'sharded' && kind === 'sharded' && isPaired) return;
  throw wrongState(
    `foreign key "${foreign.name}" of table "${table.name}" would refer to rows that are elsewhere`,
    to === 'home'
      ? `Make "${foreign.table}" a reference table first.`
      : 'Rows refer to rows of sharded tables by a foreign key that pairs the sharding keys of both.',
  );
}

function wrongState(message: string, hint: string): SqlError {
  return new SqlError({ code: SQLSTATE.objectNotInPrerequisiteState, message, hint });
}
