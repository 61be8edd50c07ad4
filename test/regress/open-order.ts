// Open order: whether a statement leaves its answer to the order in which rows happen to lie.

import type pg from 'pg';
import { type Answer, ask, unordered } from '../parity/answer.ts';
import { undone } from './undone.ts';

const PERMUTATIONS = 8;
const WORD = /[a-z_][a-z_0-9]*/gi;

/**
 * True when one PostgreSQL by itself gives another set of rows for the last of the statements, run
 * in turn, once the rows of their tables lie in another order: a window or LIMIT without a total
 * order, a sample, an aggregate that minds the order or the plan, sums of floats. The tables are
 * shadowed by temporary copies.
 */
export async function leavesOrderOpen(
  plain: pg.Client,
  statements: readonly string[],
): Promise<boolean> {
  const given = setOf(await undone(plain, () => askAll(plain, statements)));
  for (let seed = 0; seed < PERMUTATIONS; seed++) {
    const other = await undone(plain, async () => {
      const refusal = await permuteTables(plain, statements.join('\n'), seed);
      return refusal ?? askAll(plain, statements);
    });
    if (other.kind === 'rows' && setOf(other) !== given) return true;
  }
  return false;
}

async function askAll(plain: pg.Client, statements: readonly string[]): Promise<Answer> {
  for (const sql of statements.slice(0, -1)) await ask(plain, sql);
  return ask(plain, statements.at(-1)!);
}

const setOf = (answer: Answer) => JSON.stringify(unordered(answer));

/** An error: the transaction is read-only, or has failed. */
async function permuteTables(plain: pg.Client, sql: string, seed: number): Promise<Answer | null> {
  const words = [...new Set(sql.toLowerCase().match(WORD))];
  const found = await ask(
    plain,
    `SELECT relname, coalesce(array_to_string(reloptions, ', '), '')
     FROM pg_class WHERE relkind IN ('r', 'p')
     AND relnamespace = 'public'::regnamespace AND relname = ANY ($1)`,
    [words],
  );
  if (found.kind === 'error') return found;
  for (const [name, options] of found.rows) {
    // How many rows lie on a page is part of what TABLESAMPLE SYSTEM takes.
    const stored = options === '' ? '' : `WITH (${options})`;
    const copied = await ask(
      plain,
      `CREATE TEMP TABLE "${name}" ${stored} AS SELECT * FROM public."${name}"
       ORDER BY md5('${seed}' || ctid::text)`,
    );
    if (copied.kind === 'error') return copied;
  }
  return null;
}
