// Stand of the tests of streamed cursors: the same rows on one PostgreSQL and over three shards.

import { expect } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';
import { say, step, transcript } from '../support/transcript.ts';

const DDL = `CREATE TABLE files (user_id bigint, id int, name text, size int,
  PRIMARY KEY (user_id, id)); CREATE TABLE other (user_id bigint PRIMARY KEY, x int)`;
const ROWS = Array.from(
  { length: 60 },
  (_, i) => `(${i % 9}, ${i}, 'f ${i % 7}', ${i % 5 === 0 ? 'NULL' : i % 11})`,
);

export interface CursorStand {
  readonly tested: TestProxy;
  readonly plain: RawClient;
  readonly proxy: RawClient;
  /** Through the proxy, too. */
  readonly second: RawClient;
  /** The transcript of the statements, one message each, is that of one PostgreSQL. */
  same(...statements: readonly string[]): Promise<void>;
  /** To be called behind each test. */
  rollBack(): Promise<void>;
  close(): Promise<void>;
}

export async function startCursorStand(): Promise<CursorStand> {
  const tested = await startTestProxy({
    shards: 3,
    // Copies of more than nothing are refused: whatever is answered has been streamed.
    config: { merge: { spillBytesMax: 1 } },
    prepare: async ({ plain: one, shards }) => {
      for (const place of [one, ...shards]) {
        const direct = await RawClient.login(place);
        await direct.rows(DDL);
        await direct.close();
      }
    },
  });
  const plain = await RawClient.login(tested.plain);
  const proxy = await RawClient.login(tested.login);
  const second = await RawClient.login(tested.login);
  for (const client of [plain, proxy]) {
    await client.rows(`INSERT INTO files VALUES ${ROWS.join(', ')}`);
  }
  const all = [plain, proxy, second];
  return {
    tested,
    plain,
    proxy,
    second,
    same: async (...statements) => {
      const steps = statements.map((sql) => step(say.query(sql)));
      expect(await transcript(proxy, steps)).toBe(await transcript(plain, steps));
    },
    rollBack: async () => {
      for (const client of all) await client.query('ROLLBACK');
    },
    close: async () => {
      for (const client of all) await client.close();
      await tested.close();
    },
  };
}
