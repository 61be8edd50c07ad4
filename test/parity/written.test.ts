// Parity, by hand: statements that users type give what one PostgreSQL gives, or are refused.

import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FOUND, FOUND_UNDER, UNBOUND } from './found-statements.ts';
import { ONLY_PARTITIONED } from './only-statements.ts';
import { compare, type ParityServers, startParity } from './servers.ts';
import { ANSWERED, COMPUTED, REFUSED_STATEMENTS, WRITES } from './statements.ts';
import { TABLEOIDS } from './tableoid-statements.ts';

describe.each([1, 2, 3])('over %i shards', (shardCount) => {
  let servers: ParityServers;

  beforeAll(async () => {
    servers = await startParity(shardCount);
  });

  afterAll(() => servers.close());

  test.each(ANSWERED)('$sql', async ({ sql, ordered, parameters }) => {
    const { plain, proxy, engine } = await compare(servers, sql, {
      ordered,
      ...(parameters === undefined ? {} : { parameters }),
    });
    expect(proxy).toEqual(plain);
    expect(engine).toEqual(plain);
  });

  test.each([...COMPUTED, ...FOUND, ...TABLEOIDS, ...ONLY_PARTITIONED])('%s', async (sql) => {
    const { plain, proxy, engine } = await compare(servers, sql, { ordered: false });
    expect(proxy).toEqual(plain);
    expect(engine).toEqual(plain);
  });

  test.each(UNBOUND)('%s', async (sql) => {
    const errorOf = (client: pg.Client) =>
      client.query(sql).then(
        () => null,
        ({ code, message, position }: pg.DatabaseError) => ({ code, message, position }),
      );
    expect(await errorOf(servers.proxy)).toEqual(await errorOf(servers.plain));
  });

  test.each(FOUND_UNDER)('$sql under $settings', async ({ settings, sql }) => {
    const clients = [servers.plain, servers.proxy, servers.engine];
    const each = async (change: (setting: string) => string) => {
      for (const client of clients) {
        for (const setting of settings) await client.query(change(setting));
      }
    };
    await each((setting) => `SET ${setting}`);
    const { plain, proxy, engine } = await compare(servers, sql, { ordered: false });
    await each((setting) => `RESET ${setting.split(' ')[0]}`);
    expect(proxy).toEqual(plain);
    expect(engine).toEqual(plain);
  });

  test.each(shardCount > 1 ? REFUSED_STATEMENTS : [])('%s is refused', async (sql) => {
    const { refused } = await compare(servers, sql, { ordered: false });
    expect(refused).toBe(true);
  });

  test('writes change the same rows', async () => {
    for (const sql of WRITES) {
      const written = await compare(servers, sql, { ordered: false });
      expect(written.proxy, sql).toEqual(written.plain);
      const all = await compare(servers, 'SELECT * FROM files ORDER BY user_id, id', {
        ordered: true,
      });
      expect(all.proxy, sql).toEqual(all.plain);
    }
  });
});
