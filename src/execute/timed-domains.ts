// Timed domains: new columns whose type has a default that tells the time, which every shard has filled by its own.

import { quoteLiteral, quoteName } from '../base/quote.ts';
import type { AlteredTable } from '../plan/plan.ts';
import { tellsTime, timedValue } from '../plan/timed-alter.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { relationSql } from './relation-sql.ts';

/** What gives their rows one time on all shards; `time`: the transaction's. */
export async function timedAnew(
  home: ServerConnection,
  alters: readonly AlteredTable[],
  time: () => Promise<string>,
): Promise<readonly string[]> {
  const statements: string[] = [];
  for (const { relation, added } of alters) {
    if (added.length === 0) continue;
    const table = relationSql(relation);
    const { rows } = await query(
      home,
      `SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), t.typdefault
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = pg_catalog.to_regclass(${quoteLiteral(table)})
          AND a.attname IN (${added.map(quoteLiteral).join(', ')})
          AND NOT a.atthasdef AND t.typdefaultbin IS NOT NULL`,
    );
    for (const [name, type, text] of rows) {
      if (!tellsTime(text!)) continue;
      const value = timedValue(text!, await time());
      statements.push(
        `ALTER TABLE ${table} ALTER COLUMN ${quoteName(name!)} TYPE ${type} USING ${value}`,
      );
    }
  }
  return statements;
}
