// Run: a script on one PostgreSQL and on the proxy with its tables sharded, statement by statement.

import { once } from 'node:events';
import type pg from 'pg';
import { copyFrom } from '../../src/base/pg-copy.ts';
import { type Answer, ask, REFUSED, unordered } from '../parity/answer.ts';
import type { ScriptStatement } from './script.ts';

export interface Outcome {
  equal: number;
  /** With 0A000 where PostgreSQL answers. */
  refused: number;
  /** Statements that are answered in another way, with what was said. */
  readonly different: string[];
  /** Left out: they follow a refusal that had changed something, or only psql can run them. */
  skipped: number;
  /** By message. */
  readonly reasons: Map<string, number>;
  /** Tables that were sharded. */
  sharded: number;
}

export const newOutcome = (): Outcome => ({
  equal: 0,
  refused: 0,
  different: [],
  skipped: 0,
  reasons: new Map(),
  sharded: 0,
});

/** What says something of one server, its files or its plans. */
const OF_ONE_SERVER =
  /^\s*(explain|copy\b[^;]*'|vacuum|analyze|set\b|reset|show|load|checkpoint|listen|do\b)|pg_sleep|random|ctid|tableoid|pg_backend|oid\b.*regclass|currval|lastval/i;
const READS = /^\s*(select|with|table|values|\()/i;
const MAKES_TABLE = /^\s*create\s+(?:unlogged\s+)?table\s+(?:if\s+not\s+exists\s+)?("?[\w.]+"?)/i;
const CHANGES =
  /^\s*(insert|update|delete|merge|create|alter|drop|truncate|copy|with\b.*\b(insert|update|delete)\b)/is;

export interface Sides {
  readonly plain: pg.Client;
  readonly proxy: pg.Client;
}

export async function runScript(
  statements: readonly ScriptStatement[],
  sides: Sides,
  outcome: Outcome,
): Promise<void> {
  let inDoubt = false;
  /** Made, but with no rows so far that tell which column can be the key. */
  const whole = new Set<string>();
  for (const statement of statements) {
    if (READS.test(statement.sql)) await shardAll(whole, sides, outcome);
    if (OF_ONE_SERVER.test(statement.sql) || inDoubt) {
      outcome.skipped += 1;
      continue;
    }
    const plain = await give(sides.plain, statement);
    const proxy = await give(sides.proxy, statement);
    const isRefused =
      proxy.kind === 'error' && (proxy.code === REFUSED || isNullKey(proxy.message));
    if (isRefused && !(plain.kind === 'error' && plain.code === REFUSED)) {
      outcome.refused += 1;
      const { message } = proxy;
      outcome.reasons.set(message, (outcome.reasons.get(message) ?? 0) + 1);
      if (plain.kind === 'rows' && CHANGES.test(statement.sql)) {
        inDoubt = !(await undo(statement.sql, sides));
      }
      continue;
    }
    const difference = differenceOf(plain, proxy);
    if (difference === null) outcome.equal += 1;
    else outcome.different.push(`${statement.sql}\n  ${difference}`);
    const [, table] = MAKES_TABLE.exec(statement.sql) ?? [];
    if (table !== undefined && plain.kind === 'rows') whole.add(table);
  }
  await shardAll(whole, sides, outcome);
}

async function shardAll(whole: Set<string>, sides: Sides, outcome: Outcome): Promise<void> {
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

/** What only PostgreSQL has made is undone there, so that both have the same tables again. */
async function undo(sql: string, { plain }: Sides): Promise<boolean> {
  const made =
    /^\s*create\s+(?:or\s+replace\s+)?(?:temp\w*\s+)?(table|view|materialized view|index|rule|function|sequence)\s+("?[\w.]+"?)/i.exec(
      sql,
    );
  if (made === null) return false;
  const answer = await ask(plain, `DROP ${made[1]} IF EXISTS ${made[2]} CASCADE`);
  return answer.kind === 'rows';
}

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
    const answer = await ask(proxy, `SELECT create_distributed_table('${name}', '${column}')`);
    return answer.kind === 'rows';
  }
  return false;
}

function differenceOf(plain: Answer, proxy: Answer): string | null {
  if (plain.kind === 'error' || proxy.kind === 'error') {
    const word = (answer: Answer) =>
      answer.kind === 'error' ? `${answer.code} ${answer.message}` : `${answer.rows.length} rows`;
    const isSame =
      plain.kind === proxy.kind && 'code' in plain && 'code' in proxy && plain.code === proxy.code;
    return isSame ? null : `${word(plain)} | ${word(proxy)}`;
  }
  const text = (answer: Answer) => JSON.stringify(unordered(answer));
  const [a, b] = [text(plain), text(proxy)];
  return a === b ? null : `${a.slice(0, 300)}\n  ${b.slice(0, 300)}`;
}
