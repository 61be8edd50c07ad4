// Answers of one PostgreSQL and of the proxy to one query, and how long each took.

import type { Client } from '../../src/base/pg.ts';

export interface Answer {
  readonly columns: readonly string[];
  readonly rows: readonly string[];
  readonly ms: number;
}

export interface Compared {
  /** From 1. */
  readonly query: number;
  readonly rows: number;
  readonly isEqual: boolean;
  readonly plainMs: number;
  readonly proxyMs: number;
}

/** As the server wrote it: what a driver makes of values would hide differences. */
const AS_TEXT = { getTypeParser: () => (value: string | Buffer) => value.toString() };

export async function answerOf(client: Client, sql: string): Promise<Answer> {
  const begun = performance.now();
  const result = await client.query<unknown[]>({ text: sql, rowMode: 'array', types: AS_TEXT });
  const ms = performance.now() - begun;
  return {
    columns: result.fields.map(({ name, dataTypeID }) => `${name} ${dataTypeID}`),
    rows: result.rows.map((row) => JSON.stringify(row)),
    ms,
  };
}

/** The fastest of `rounds` answers of each, and whether all are the same, in the same order. */
export async function compareQuery(
  number: number,
  sql: string,
  { plain, proxy }: { readonly plain: Client; readonly proxy: Client },
  rounds: number,
): Promise<Compared> {
  const best = async (client: Client): Promise<Answer> => {
    let least = await answerOf(client, sql);
    for (let i = 1; i < rounds; i++) {
      const again = await answerOf(client, sql);
      if (again.ms < least.ms) least = again;
    }
    return least;
  };
  const [one, many] = [await best(plain), await best(proxy)];
  const same = (a: readonly string[], b: readonly string[]) => a.join('\n') === b.join('\n');
  return {
    query: number,
    rows: one.rows.length,
    isEqual: same(one.columns, many.columns) && same(one.rows, many.rows),
    plainMs: one.ms,
    proxyMs: many.ms,
  };
}
