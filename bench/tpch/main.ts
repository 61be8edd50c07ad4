// `npm run tpch`: the 22 queries over shards beside one PostgreSQL, results compared and timed.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createLog } from '../../src/base/log.ts';
import { Client } from '../../src/base/pg.ts';
import { loadConfig } from '../../src/control/config.ts';
import { type LocalCluster, startCluster } from '../../src/local/cluster.ts';
import { startProxy } from '../../src/proxy.ts';
import { type Compared, compareQuery } from './answer.ts';
import { linesOf, load } from './load.ts';
import { QUERIES } from './queries.ts';
import { DDL, RULES, TABLES } from './schema.ts';
import { tableText } from './table.ts';

const USAGE = `npm run tpch -- [--scale 0.02] [--shards 2] [--rounds 3] [--seed 1] [--docs]
`;

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      scale: { type: 'string', default: '0.02' },
      shards: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '3' },
      seed: { type: 'string', default: '1' },
      docs: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [scale, shards, rounds, seed] = [
    values.scale,
    values.shards,
    values.rounds,
    values.seed,
  ].map(Number) as [number, number, number, number];
  const directory = mkdtempSync(join(tmpdir(), 'drive-tpch-'));
  // The servers may run under another account.
  chmodSync(directory, 0o755);
  const clusters: LocalCluster[] = [];
  try {
    for (const [name, count] of [
      ['shards', shards],
      ['plain', 1],
    ] as const) {
      const dataDirectory = join(directory, name);
      const options = { dataDirectory, shards: count, firstPort: 0, durable: false };
      clusters.push(await startCluster(options));
    }
    const results = await measure(clusters, { scale, rounds, seed });
    const text = tableText(results, { scale, shards });
    process.stdout.write(text);
    if (values.docs) {
      writeFileSync(join(import.meta.dirname, '../../docs/tpch.md'), text);
    }
    return results.every(({ isEqual }) => isEqual) ? 0 : 1;
  } finally {
    await Promise.all(clusters.map((cluster) => cluster.close()));
    rmSync(directory, { recursive: true });
  }
}

async function measure(
  clusters: readonly LocalCluster[],
  {
    scale,
    rounds,
    seed,
  }: { readonly scale: number; readonly rounds: number; readonly seed: number },
): Promise<Compared[]> {
  const [sharded, single] = clusters as [LocalCluster, LocalCluster];
  const config = loadConfig({
    env: {},
    overrides: {
      shards: sharded.shards.map(({ id: _, ...shard }) => shard),
      proxy: { port: 0 },
      sharding: { tables: RULES },
    },
  });
  const proxyServer = await startProxy(config, createLog('silent'));
  const [{ name: user, password }] = config.proxy.users as [{ name: string; password: string }];
  const { host, database } = config.proxy;
  const proxy = new Client({ host, port: proxyServer.port, database, user, password });
  const plain = new Client(single.shards[0]);
  try {
    await Promise.all([proxy.connect(), plain.connect()]);
    const lines = linesOf(seed, scale);
    for (const table of TABLES) say(`${table}: ${lines.get(table)!.length} rows`);
    for (const client of [plain, proxy]) {
      await client.query(DDL);
      await load(client, lines);
    }
    const results: Compared[] = [];
    for (const [i, sql] of QUERIES.entries()) {
      results.push(await compareQuery(i + 1, sql, { plain, proxy }, rounds));
      say(JSON.stringify(results.at(-1)));
    }
    return results;
  } finally {
    await Promise.all([proxy.end(), plain.end()]);
    await proxyServer.close();
  }
}

process.exitCode = await main();
