// Variation: one PostgreSQL with its rows in another order, other plans, or fewer rows, for a moment.

import { someSettings } from '../support/plan-settings.ts';
import { Random } from '../support/random.ts';
import type { Side } from './ground.ts';

/**
 * Runs it over the tables' rows in the order of a seed, and takes all back. `within`: a transaction,
 * which goes on. Where that only reads, only the plans vary.
 */
export function inVariation<T>(
  side: Side,
  tables: readonly string[],
  within: boolean,
  seed: number,
  run: () => Promise<T>,
): Promise<T> {
  const { client } = side;
  const shuffle = async () => {
    for (const table of tables) {
      const given = await client.query<{ names: string }>(GIVEN, [`public.${table}`]);
      await client.query(shuffling(table, given.rows[0]!.names, seed));
    }
  };
  return takenBack(side, within, shuffle, async () => {
    for (const setting of someSettings(new Random(seed))) await client.query(setting);
    return run();
  });
}

/** What is left of a table: where a condition is true. */
export interface Part {
  readonly table: string;
  readonly where: string;
}

/** Runs it over parts of the tables, and takes all back. Where a transaction only reads, over all rows. */
export function overParts<T>(
  side: Side,
  parts: readonly Part[],
  within: boolean,
  run: () => Promise<T>,
): Promise<T> {
  const leave = async () => {
    for (const { table, where } of parts)
      await side.client.query(`DELETE FROM public.${table} AS t WHERE (${where}) IS NOT TRUE`);
  };
  return takenBack(side, within, leave, run);
}

async function takenBack<T>(
  { client }: Side,
  within: boolean,
  change: () => Promise<void>,
  run: () => Promise<T>,
): Promise<T> {
  await client.query(within ? 'SAVEPOINT varied' : 'BEGIN READ WRITE');
  try {
    const { rows } = await client.query<{ transaction_read_only: string }>(
      'SHOW transaction_read_only',
    );
    if (rows[0]!.transaction_read_only === 'off') {
      // Without triggers and foreign keys, which are there to see others' changes.
      await client.query('SET LOCAL session_replication_role = replica');
      await change();
      await client.query('SET LOCAL session_replication_role = origin');
    }
    return await run();
  } finally {
    await client.query(within ? 'ROLLBACK TO varied' : 'ROLLBACK');
  }
}

/** The columns that are not computed of others. */
const GIVEN = `SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS names FROM pg_attribute
   WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`;

const shuffling = (table: string, names: string, seed: number) =>
  `WITH moved AS (DELETE FROM public.${table} RETURNING *)
   INSERT INTO public.${table} (${names})
   SELECT ${names} FROM moved ORDER BY md5(moved::text || '${seed}')`;
