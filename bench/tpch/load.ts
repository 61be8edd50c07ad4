// Loads the TPC-H tables into a server or a proxy, as a client does.

import { once } from 'node:events';
import type { Client } from '../../src/base/pg.ts';
import { copyFrom } from '../../src/base/pg-copy.ts';
import { type Dice, Rows } from './rows.ts';
import { TABLES, type TableName } from './schema.ts';

/** The same seed gives the same rows: of mulberry32. */
export function diceOf(seed: number): Dice {
  let state = seed >>> 0;
  return (least, most) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    const unit = ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
    return least + Math.floor(unit * (most - least + 1));
  };
}

/** Lines of COPY, by table; `scale` 1 has six million lines of orders. */
export function linesOf(seed: number, scale: number): ReadonlyMap<TableName, string[]> {
  const rows = new Rows(diceOf(seed), scale);
  const lines = new Map<TableName, string[]>(TABLES.map((table) => [table, []]));
  for (const table of TABLES) {
    if (table === 'lineitem') continue;
    for (const row of rows.of(table)) lines.get(row.table)!.push(`${row.values.join('\t')}\n`);
  }
  return lines;
}

const CHUNK_LINES = 2_000;

export async function load(
  client: Client,
  lines: ReadonlyMap<TableName, readonly string[]>,
): Promise<void> {
  for (const [table, all] of lines) {
    const stream = client.query(copyFrom(`COPY ${table} FROM STDIN`));
    const finished = once(stream, 'finish');
    for (let i = 0; i < all.length; i += CHUNK_LINES) {
      const chunk = all.slice(i, i + CHUNK_LINES).join('');
      if (!stream.write(chunk)) await once(stream, 'drain');
    }
    stream.end();
    await finished;
  }
  await client.query('ANALYZE');
}
