// An operator's connection to the console of a test's proxy.

import type { Client } from '../../src/base/pg.ts';
import type { TestProxy } from '../support/proxy.ts';
import { connectAsText } from '../support/text-client.ts';

/** Passwords are not what these tests are about. */
export const TRUST = { trust: ['127.0.0.1'] };

/** One row, all values as text. */
export type Row = Readonly<Record<string, string>>;

export interface Operator {
  /** Values come as the text the console sends. */
  readonly client: Client;
  /** The rows of SHOW `name`. */
  show(name: string): Promise<Row[]>;
  /** Any command. */
  run(command: string): Promise<void>;
  close(): Promise<void>;
}

export async function operate(proxy: TestProxy): Promise<Operator> {
  const client = await connectAsText({ ...proxy.login, database: 'admin' });
  return {
    client,
    show: async (name) => (await client.query<Row>(`SHOW ${name}`)).rows,
    run: async (command) => {
      await client.query(command);
    },
    close: () => client.end(),
  };
}

/** Waits for what comes sooner or later; the test's own timeout says when it does not. */
export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}
