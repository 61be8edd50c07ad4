// Copy statistics: what PostgreSQL plans by, of copies that have just been made.

import { quoteLiteral } from '../../base/quote.ts';
import { query } from '../../pool/query.ts';
import type { ServerConnection } from '../../pool/server-connection.ts';

const TARGET = 'default_statistics_target';

/**
 * 3,000 rows are looked at of each copy, whatever its length: for the usual 100 they were 30,000, and
 * took longer than the copy itself.
 */
const COPY_TARGET = 10;

/** `copies`: as SQL. Rejects with the server's error. */
export async function analyzeCopies(
  engine: ServerConnection,
  copies: readonly string[],
): Promise<void> {
  const { rows } = await query(engine, `SHOW ${TARGET}`);
  const set = (value: string) => `SET LOCAL ${TARGET} TO ${quoteLiteral(value)}`;
  // The statement that is computed may show it.
  const script = [set(String(COPY_TARGET)), `ANALYZE ${copies.join(', ')}`, set(rows[0]![0]!)];
  await query(engine, script.join(';'));
}
