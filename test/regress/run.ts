// Run: a script on one PostgreSQL and on the proxy with its tables sharded, statement by statement.

import { once } from 'node:events';
import type pg from 'pg';
import { copyFrom } from '../../src/base/pg-copy.ts';
import { type Answer, ask, REFUSED } from '../parity/answer.ts';
import { CursorHistory } from './cursor-history.ts';
import { differenceOf } from './difference.ts';
import { differInNumbers, loseNumbers } from './numbers.ts';
import { type Openness, opennessOf } from './open-order.ts';
import type { ScriptStatement } from './script.ts';
import { undone } from './undone.ts';

export interface Outcome {
  equal: number;
  /** Equal but for the numbers that sequences gave, which differ on one PostgreSQL, too. */
  renumbered: number;
  /** With 0A000 where PostgreSQL answers. */
  refused: number;
  /** Answered as one PostgreSQL does when its rows lie in another order. */
  other: number;
  /** It gives several answers over other orders, and this one has all that they have in common. */
  possible: number;
  /** Statements that are answered in another way, with what was said. */
  readonly different: string[];
  /** Left out: what says something of one server, its files or its plans. */
  skipped: number;
  /** What was refused, by message. */
  readonly reasons: Map<string, string[]>;
  /** Tables that were sharded. */
  sharded: number;
}

export const newOutcome = (): Outcome => ({
  equal: 0,
  renumbered: 0,
  refused: 0,
  other: 0,
  possible: 0,
  different: [],
  skipped: 0,
  reasons: new Map(),
  sharded: 0,
});

/** What says something of one server, its files or its plans. */
const OF_ONE_SERVER =
  /^\s*(explain|copy\b[^;]*'|vacuum|load|checkpoint|listen)|\bselect\b[^;]*\bexplain_\w+\s*\(|pg_sleep|random|ctid|tableoid|pg_backend|oid\b.*regclass|currval|lastval/i;
const READS = /^\s*(select|with|table|values|\()/i;
const MAKES_TABLE = /^\s*create\s+(?:unlogged\s+)?table\s+(?:if\s+not\s+exists\s+)?("?[\w.]+"?)/i;
/** What comes between CREATE TABLE and the first rows. */
const FILLS = /^\s*(insert|copy|create\s+(unlogged\s+)?table|create\s+(unique\s+)?index|alter)\b/i;
const MAKES_TABLE_AS = /^\s*create\s+(?:unlogged\s+)?table\s+(\w+)\s+as\s+(.*)$/is;
const CHANGES =
  /^\s*(insert|update|delete|merge|create|alter|drop|truncate|copy|with\b.*\b(insert|update|delete)\b)/is;

export interface Sides {
  readonly plain: pg.Client;
  /** One PostgreSQL like `plain`, whose sequences lose numbers between the statements. */
  readonly beside: pg.Client;
  readonly proxy: pg.Client;
}

export async function runScript(
  statements: readonly ScriptStatement[],
  sides: Sides,
  outcome: Outcome,
): Promise<void> {
  /** Made, but with no rows so far that tell which column can be the key. */
  const whole = new Set<string>();
  const made = new Map<string, string>();
  const cursors = new CursorHistory();
  for (const statement of statements) {
    if (!FILLS.test(statement.sql)) await shardAll(whole, sides, outcome);
    if (OF_ONE_SERVER.test(statement.sql)) {
      outcome.skipped += 1;
      continue;
    }
    const proxy = await give(sides.proxy, statement);
    if (proxy.kind === 'error' && (proxy.code === REFUSED || isNullKey(proxy.message))) {
      const plain = await giveAndUndo(statement, sides);
      if (plain.kind === 'error' && plain.code === REFUSED) outcome.equal += 1;
      else refuse(statement, proxy.message, outcome);
      continue;
    }
    const plain = await give(sides.plain, statement);
    if (CHANGES.test(statement.sql)) await loseNumbers(sides.beside);
    const beside = await give(sides.beside, statement);
    cursors.note(statement.sql);
    const difference = differenceOf(plain, proxy);
    if (difference === null) outcome.equal += 1;
    else if (differInNumbers(plain, beside, proxy)) outcome.renumbered += 1;
    else {
      const openness = await openTo(proxy, statement.sql, sides, made, cursors);
      if (openness === 'closed') outcome.different.push(`${statement.sql}\n  ${difference}`);
      else outcome[openness] += 1;
    }
    const [, target, query] = MAKES_TABLE_AS.exec(statement.sql) ?? [];
    if (target !== undefined) made.set(target, query!);
    const [, table] = MAKES_TABLE.exec(statement.sql) ?? [];
    if (table !== undefined && plain.kind === 'rows') whole.add(table);
  }
  await shardAll(whole, sides, outcome);
}

/** `made`: the queries that tables were made of, by the table. */
async function openTo(
  answer: Answer,
  sql: string,
  { plain }: Sides,
  made: ReadonlyMap<string, string>,
  cursors: CursorHistory,
): Promise<Openness> {
  const moves = cursors.again(sql);
  if (moves === null && (!READS.test(sql) || CHANGES.test(sql))) return 'closed';
  return opennessOf(plain, { statements: moves ?? [sql], made }, answer);
}

async function shardAll(whole: Set<string>, sides: Sides, outcome: Outcome): Promise<void> {
  if (whole.size === 0) return;
  // A transaction that has failed may go back to where the tables are.
  if ((await ask(sides.plain, 'SELECT 1')).kind === 'error') return;
  for (const table of whole) if (await shard(table, sides)) outcome.sharded += 1;
  whole.clear();
}

async function give(client: pg.Client, { sql, data }: ScriptStatement): Promise<Answer> {
  if (data === null) return ask(client, sql);
  const stream = client.query(copyFrom(sql));
  stream.end(data);
  try {
    await once(stream, 'finish');
    return { kind: 'rows', command: 'COPY', count: null, columns: [], rows: [] };
  } catch (error) {
    const { code = '', message } = error as { code?: string; message: string };
    return { kind: 'error', code, message };
  }
}

function refuse({ sql }: ScriptStatement, message: string, outcome: Outcome): void {
  outcome.refused += 1;
  outcome.reasons.set(message, [...(outcome.reasons.get(message) ?? []), sql]);
}

/** What the proxy has refused, on PostgreSQL without an effect: both stay as they were. */
async function giveAndUndo(
  statement: ScriptStatement,
  { plain, beside, proxy }: Sides,
): Promise<Answer> {
  // A sequence does not go back.
  if (/nextval/i.test(statement.sql)) return NOTHING;
  const answer = await undone(plain, () => give(plain, statement));
  const [, prepared] = PREPARES.exec(statement.sql) ?? [];
  if (prepared !== undefined && answer.kind === 'rows') await ask(plain, `DEALLOCATE ${prepared}`);
  const next = await ask(proxy, 'SELECT 1');
  // The script's transaction is over for all.
  if (next.kind === 'error' && next.code === FAILED_TRANSACTION) {
    for (const each of [plain, beside]) await ask(each, 'SELECT 1/0');
  }
  return answer;
}

/** What is prepared does not go back with a transaction. */
const PREPARES = /^\s*prepare\s+(\w+)/i;

const NOTHING: Answer = { kind: 'rows', command: '', count: null, columns: [], rows: [] };

/** in_failed_sql_transaction */
const FAILED_TRANSACTION = '25P02';

/** Rows of a sharded table need a key, which those of another do not. */
const isNullKey = (message: string): boolean =>
  /sharding key.*null|null.*sharding key/i.test(message);

/** By its first integer column without NULLs. False where the proxy has reasons not to. */
async function shard(table: string, { plain, proxy }: Sides): Promise<boolean> {
  const name = table.replaceAll('"', '');
  const { rows } = await plain.query<{ name: string }>(
    `SELECT attname AS name FROM pg_attribute
     WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
       AND atttypid IN ('int4'::regtype, 'int8'::regtype, 'int2'::regtype)
     ORDER BY attnum`,
    [table],
  );
  for (const { name: column } of rows) {
    const nulls = await ask(plain, `SELECT FROM ${table} WHERE "${column}" IS NULL LIMIT 1`);
    if (nulls.kind === 'error' || nulls.rows.length > 0) continue;
    await ask(proxy, 'SAVEPOINT before');
    const answer = await ask(proxy, `SELECT create_distributed_table('${name}', '${column}')`);
    if (answer.kind === 'error') await ask(proxy, 'ROLLBACK TO before');
    return answer.kind === 'rows';
  }
  return false;
}
