// Open order: whether a statement leaves its answer to the order in which rows happen to lie.

import type pg from 'pg';
import { type Answer, ask, unordered } from '../parity/answer.ts';
import { undone } from './undone.ts';

const PERMUTATIONS = 4;
const WORD = /[a-z_][a-z_0-9]*/gi;

/**
 * True when one PostgreSQL by itself gives another set of rows once the rows of the statement's
 * tables lie in another order: a window or LIMIT without a total order, an aggregate that minds the
 * order or the plan, sums of floats. The tables are shadowed by temporary copies.
 */
export async function leavesOrderOpen(plain: pg.Client, sql: string): Promise<boolean> {
  const given = setOf(await undone(plain, () => ask(plain, sql)));
  for (let seed = 0; seed < PERMUTATIONS; seed++) {
    const other = await undone(plain, async () => {
      await permuteTables(plain, sql, seed);
      return ask(plain, sql);
    });
    if (other.kind === 'rows' && setOf(other) !== given) return true;
  }
  return false;
}

const setOf = (answer: Answer) => JSON.stringify(unordered(answer));

async function permuteTables(plain: pg.Client, sql: string, seed: number): Promise<void> {
  const words = [...new Set(sql.toLowerCase().match(WORD))];
  const { rows } = await plain.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p')
     AND relnamespace = 'public'::regnamespace AND relname = ANY ($1)`,
    [words],
  );
  for (const { name } of rows) {
    await plain.query(
      `CREATE TEMP TABLE "${name}" AS SELECT * FROM public."${name}"
       ORDER BY md5('${seed}' || ctid::text)`,
    );
  }
}
