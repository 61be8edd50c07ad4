// `drive explain`: how the running proxy would answer a statement, shard by shard.

import type { QueryResult } from '../base/pg.ts';
import { type OnProxyOptions, onProxy } from './on-proxy.ts';

export interface ExplainOptions extends OnProxyOptions {
  readonly analyze?: boolean;
  readonly format?: string;
}

/** Prints the proxy's EXPLAIN of `sql`; exit code 1 when it refuses the statement. */
export function explain(sql: string, options: ExplainOptions): Promise<number> {
  const { analyze = false, format = 'text' } = options;
  return onProxy('drive explain', options, async (client) => {
    const text = `EXPLAIN (ANALYZE ${analyze}, FORMAT ${format.toUpperCase()}) ${sql}`;
    const { rows }: QueryResult<unknown[]> = await client.query({ text, rowMode: 'array', types });
    for (const [line] of rows) process.stdout.write(`${line}\n`);
    return 0;
  });
}

/** JSON as it came. */
const types = { getTypeParser: () => String };
