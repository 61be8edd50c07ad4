// Open order: whether PostgreSQL leaves an answer to the order in which rows happen to lie, and could give this one.

import type pg from 'pg';
import { type Answer, ask, unordered } from '../parity/answer.ts';
import { someSettings } from '../support/plan-settings.ts';
import { type Given, isPossible } from '../support/possibility.ts';
import { Random } from '../support/random.ts';
import { undone } from './undone.ts';

const PERMUTATIONS = 24;
const WORD = /[a-z_][a-z_0-9]*/gi;

/**
 * 'other': PostgreSQL by itself has given just this answer over the same rows in another order. 'possible':
 * it has given other answers, and this one has all that they have in common. 'closed': neither.
 */
export type Openness = 'other' | 'possible' | 'closed';

/** What is asked: the statements in turn, of which the last one's answer counts. */
export interface Asked {
  readonly statements: readonly string[];
  /** The queries that tables were made of, by the table: `CREATE TABLE … AS`. */
  readonly made: ReadonlyMap<string, string>;
}

/**
 * The tables are shadowed by temporary copies whose rows lie in other orders; those that were made of a
 * query, and are as they were, are made of it again. What order leaves open are windows and LIMIT without a
 * total order, samples, aggregates that mind the order or the plan, sums of floats.
 */
export async function opennessOf(
  plain: pg.Client,
  asked: Asked,
  answer: Answer,
): Promise<Openness> {
  const given = [givenOf(await undone(plain, () => askAll(plain, asked.statements)))];
  const own = givenOf(answer);
  const tables = await undone(plain, () => tablesOf(plain, asked));
  if (tables === null) return 'closed';
  for (let seed = 0; seed < PERMUTATIONS; seed++) {
    const other = await undone(plain, async () => {
      const refusal = await permuteTables(plain, tables, seed);
      return refusal ?? askAll(plain, asked.statements);
    });
    given.push(givenOf(other));
    if (JSON.stringify(given.at(-1)) === JSON.stringify(own)) return 'other';
  }
  return isPossible(given, own, []) ? 'possible' : 'closed';
}

async function askAll(plain: pg.Client, statements: readonly string[]): Promise<Answer> {
  for (const sql of statements.slice(0, -1)) await ask(plain, sql);
  return ask(plain, statements.at(-1)!);
}

function givenOf(answer: Answer): Given {
  if (answer.kind === 'error') return { error: answer.code, message: answer.message };
  const { rows } = unordered(answer) as Extract<Answer, { kind: 'rows' }>;
  return {
    columns: answer.columns.map((column) => JSON.stringify(column)),
    rows: rows.map((row) => JSON.stringify(row)),
    command: `${answer.command} ${answer.count}`,
    error: null,
  };
}

interface Shadowed {
  readonly name: string;
  /** As CREATE TABLE has it. */
  readonly storage: string;
  /** The query that it is made of again; null: it is copied. */
  readonly query: string | null;
}

/** Those that are named, what is copied first; null: the transaction has failed. */
async function tablesOf(plain: pg.Client, { statements, made }: Asked): Promise<Shadowed[] | null> {
  const words = (sql: string) => new Set(sql.toLowerCase().match(WORD));
  const named = words(statements.join('\n'));
  const remade = new Map<string, string>();
  for (const [table, query] of made) {
    if (!named.has(table.toLowerCase())) continue;
    if (await isAsMade(plain, table, query)) remade.set(table.toLowerCase(), query);
  }
  for (const query of remade.values()) for (const word of words(query)) named.add(word);
  const found = await ask(
    plain,
    `SELECT relname, coalesce(array_to_string(reloptions, ', '), '')
     FROM pg_class WHERE relkind IN ('r', 'p')
     AND relnamespace = 'public'::regnamespace AND relname = ANY ($1) ORDER BY oid`,
    [[...named]],
  );
  if (found.kind === 'error') return null;
  const tables = found.rows.map(
    ([name, options]): Shadowed => ({
      name: name!,
      // How many rows lie on a page.
      storage: options === '' ? '' : `WITH (${options})`,
      query: remade.get(name!) ?? null,
    }),
  );
  return [
    ...tables.filter(({ query }) => query === null),
    ...tables.filter(({ query }) => query !== null),
  ];
}

/** False also where its rows cannot be compared. */
async function isAsMade(plain: pg.Client, table: string, query: string): Promise<boolean> {
  const rows = `SELECT t::text FROM public."${table.toLowerCase()}" t`;
  const again = `SELECT t::text FROM (${query}) t`;
  const answer = await undone(plain, () =>
    ask(plain, `(${rows} EXCEPT ALL ${again}) UNION ALL (${again} EXCEPT ALL ${rows})`),
  );
  return answer.kind === 'rows' && answer.rows.length === 0;
}

/**
 * An error: the transaction is read-only, or has failed. Each table that is made of a query finds the rows in
 * an order of its own, as it might where they are planned for themselves.
 */
async function permuteTables(
  plain: pg.Client,
  tables: readonly Shadowed[],
  seed: number,
): Promise<Answer | null> {
  const copied = tables.filter(({ query }) => query === null);
  for (const { name, storage } of copied) {
    const made = await ask(
      plain,
      `CREATE TEMP TABLE "${name}" ${storage} AS SELECT * FROM public."${name}"
       ORDER BY md5('${seed}' || ctid::text)`,
    );
    if (made.kind === 'error') return made;
  }
  for (const [i, { name, storage, query }] of tables.entries()) {
    if (query === null) continue;
    for (const each of copied) await ask(plain, moving(each.name, `${seed} ${i}`, ''));
    const made = await ask(plain, `CREATE TEMP TABLE "${name}" ${storage} AS ${query}`);
    if (made.kind === 'error') return made;
  }
  // Rows that have moved leave room on their pages, which is part of what TABLESAMPLE SYSTEM takes.
  for (let i = 0; i < seed % MOVES; i++) {
    const some = `WHERE md5('${seed} ${i}' || ctid::text) < '${SHARES[i]!}'`;
    for (const { name } of copied) await ask(plain, moving(name, `${seed} ${i}`, some));
  }
  for (const setting of someSettings(new Random(seed))) await ask(plain, setting);
  return null;
}

/** Of the rows: a fifth, three quarters, a half. */
const SHARES = ['3', 'c', '8'];
const MOVES = SHARES.length + 1;

const moving = (table: string, seed: string, which: string) =>
  `WITH moved AS (DELETE FROM "${table}" ${which} RETURNING *)
   INSERT INTO "${table}" SELECT * FROM moved ORDER BY md5('${seed}' || moved::text)`;
