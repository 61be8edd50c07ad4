// The support matrix of the manual is what the tests find: each feature right over three shards, or refused.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask, REFUSED, unordered } from './answer.ts';
import { FEATURES, printMatrix, type Verdict } from './matrix.ts';
import { type ParityServers, startParity } from './servers.ts';

const MANUAL = join(import.meta.dirname, '../../docs/sql.md');
const START = '<!-- matrix -->\n';
const END = '<!-- matrix ends -->';

let servers: ParityServers;
const verdicts: Verdict[] = [];

beforeAll(async () => {
  servers = await startParity(3);
});

afterAll(() => servers.close());

/** `before`: the cursor that it fetches from is declared there. */
async function classOf(statement: string, before: readonly string[]): Promise<string> {
  const cursor = /^FETCH .* FROM (\w+)$/.exec(statement)?.[1];
  const declared = before.find((each) => each.startsWith(`DECLARE ${cursor} `));
  const sql = (declared ?? statement).replace(/^(EXPLAIN (\(.*?\) )?|DECLARE .*? FOR )/, '');
  if (!/^(SELECT|WITH)/.test(sql)) return 'write';
  const views = before.filter((each) => each.startsWith('CREATE VIEW'));
  if (views.length > 0) for (const each of ['BEGIN', ...views]) await servers.proxy.query(each);
  const answer = await ask(servers.proxy, `EXPLAIN ${sql}`);
  if (views.length > 0) await servers.proxy.query('ROLLBACK');
  if (answer.kind === 'error') return answer.message;
  return /^Drive \(class (\d)\)/.exec(answer.rows[0]?.[0] ?? '')?.[1] ?? 'none';
}

test.each(FEATURES)('$name', async (feature) => {
  const classes: string[] = [];
  const { before = [], tellsOwn = false } = feature;
  for (const sql of feature.statements) {
    const inTransaction = async (client: typeof servers.plain) => {
      await client.query('BEGIN');
      for (const each of before) await client.query(each);
      const answer = unordered(await ask(client, sql));
      await client.query('ROLLBACK');
      return tellsOwn && answer.kind === 'rows' ? { ...answer, rows: [] } : answer;
    };
    const [plain, proxy] = [await inTransaction(servers.plain), await inTransaction(servers.proxy)];
    expect(plain.kind, sql).toBe('rows');
    if (proxy.kind === 'error') {
      expect(proxy.code, `${sql}: ${proxy.message}`).toBe(REFUSED);
      classes.push('refused');
      continue;
    }
    expect(proxy, sql).toEqual(plain);
    classes.push(await classOf(sql, before));
  }
  verdicts.push({ feature, classes });
});

/** UPDATE_DOCS=1 writes it there. */
test('the manual has the matrix that was found', () => {
  expect(verdicts.length).toBe(FEATURES.length);
  const manual = readFileSync(MANUAL, 'utf8');
  const [from, to] = [manual.indexOf(START) + START.length, manual.indexOf(END)];
  expect(from).toBeGreaterThan(START.length);
  const found = `\n${printMatrix(verdicts)}\n\n`;
  if (process.env.UPDATE_DOCS !== undefined) {
    writeFileSync(MANUAL, manual.slice(0, from) + found + manual.slice(to));
    return;
  }
  expect(manual.slice(from, to)).toBe(found);
});
