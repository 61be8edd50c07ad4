// Recovery: what a living process of the proxy has under way is left alone, what is left is finished.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { RECOVERY_GRACE_MS } from '../../src/base/limits.ts';
import { createLog } from '../../src/base/log.ts';
import { loadConfig } from '../../src/control/config.ts';
import { Recovery } from '../../src/control/recovery.ts';
import { Beside } from '../../src/execute/beside.ts';
import { Gids } from '../../src/execute/two-phase.ts';
import { login } from '../../src/pool/login.ts';
import { ShardPool } from '../../src/pool/shard-pool.ts';
import type { Shard } from '../../src/topology/shard.ts';
import { UNKNOWN_OIDS } from '../../src/topology/shard-oids.ts';
import { TERMINATE } from '../../src/wire/terminate.ts';
import { until } from '../admin/operator.ts';
import { type FreshDatabases, freshDatabases } from '../support/cluster.ts';
import { RawClient } from '../support/raw-client.ts';

const log = createLog('silent');
let databases: FreshDatabases;
let pools: ShardPool[];
let beside: Beside[];
let watcher: RawClient;

const prepared = async (): Promise<string[]> => {
  const sql = `SELECT gid FROM pg_prepared_xacts WHERE database = current_database()`;
  return (await watcher.rows(sql)).map(([gid]) => gid!).sort();
};

/** Shard 1's part of a transaction that shard 0 decides; it writes a table of the process's name. */
async function prepare(gid: string, table: string): Promise<void> {
  await watcher.rows(`CREATE TABLE ${table} (a int)`);
  await watcher.rows('BEGIN');
  await watcher.rows(`INSERT INTO ${table} VALUES (1)`);
  await watcher.rows(`PREPARE TRANSACTION '${gid}_1'`);
}

beforeAll(async () => {
  databases = await freshDatabases(2);
  const { pool } = loadConfig({ env: {}, overrides: { pool: { size: 1 } } });
  const nowMs = () => performance.now();
  const connect = (shard: Shard) => login(shard, { timeoutMs: 5_000, nowMs });
  const dependencies = { connect, nowMs, random: Math.random, terminate: TERMINATE };
  pools = databases.shards.map((shard) => new ShardPool(shard, pool, dependencies));
  beside = pools.map((each) => new Beside(each, connect));
  watcher = await RawClient.login(databases.shards[1]!);
});

afterAll(async () => {
  for (const pool of pools) pool.close();
  await watcher.close();
  await databases.drop();
});

it('finishes what no living process has under way, and nothing else', async () => {
  const gids = new Gids('mine');
  const mine = gids.next(0);
  await prepare(mine, 'mine');
  for (const name of ['sibling', 'dead']) await prepare(new Gids(name).next(0), name);
  // Somebody's own, by names that are like ours.
  for (const name of ['drive_backup', 'drive_7_x_1', 'xa']) await prepare(name, `t_${name}`);
  const others = ['drive_7_x_1_1', 'drive_backup_1', 'xa_1'];
  const old = `SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()
    AND prepared < now() - interval '${RECOVERY_GRACE_MS} milliseconds'`;
  await until(async () => (await watcher.rows(old))[0]![0] === '6');
  let living = ['mine', 'sibling'];
  const recovery = new Recovery({
    cluster: { pools, beside, oids: pools.map(() => UNKNOWN_OIDS) },
    gids,
    living: async () => living,
    log,
  });
  // Statements that wait for those rows, or for what is behind them, have all connections there are.
  const taken = await Promise.all(pools.map((pool) => pool.lease()));
  await recovery.run();
  for (const [shard, connection] of taken.entries()) pools[shard]!.release(connection);
  expect(await prepared()).toEqual(['drive_0_mine_1_1', 'drive_0_sibling_1_1', ...others]);
  // No decision was written for it: it is undone.
  expect(await watcher.rows('SELECT count(*) FROM dead')).toEqual([['0']]);

  // Its commit is over, and this part was left.
  gids.done(mine);
  await recovery.run();
  expect(await prepared()).toEqual(['drive_0_sibling_1_1', ...others]);

  const decider = await RawClient.login(databases.shards[0]!);
  await decider.rows(`INSERT INTO drive.txlog (gid, state) VALUES ('drive_0_sibling_1', 'commit')`);
  await decider.close();
  living = ['mine'];
  await recovery.run();
  expect(await prepared()).toEqual(others);
  for (const gid of others) await watcher.rows(`ROLLBACK PREPARED '${gid}'`);
  expect(await watcher.rows('SELECT count(*) FROM sibling')).toEqual([['1']]);
});
