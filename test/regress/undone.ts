// Undone: something on a server that leaves nothing behind, inside or outside of a transaction.

import type pg from 'pg';
import { ask } from '../parity/answer.ts';

/** What `run` gives; its effects, but for sequences, are taken back. */
export async function undone<T>(client: pg.Client, run: () => Promise<T>): Promise<T> {
  const isWithin = (await ask(client, 'SAVEPOINT before')).kind === 'rows';
  if (!isWithin) await ask(client, 'BEGIN');
  try {
    return await run();
  } finally {
    await ask(client, isWithin ? 'ROLLBACK TO before' : 'ROLLBACK');
  }
}
