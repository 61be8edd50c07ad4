// `drive doctor`: compares the schemas of the configured shards; repairs what is safe if told to.

import { SCHEMA_CONNECT_TIMEOUT_MS } from '../base/limits.ts';
import type { Client, QueryResult } from '../base/pg.ts';
import { type Config, requireShards } from '../control/config.ts';
import { type AskShard, examine } from '../control/doctor.ts';
import { connectToShard, shardFailure } from '../local/shard-client.ts';
import { configFor } from './serve.ts';

export interface DoctorOptions {
  readonly config?: string;
  readonly repair?: boolean;
  readonly rows?: boolean;
}

/** Prints a line per finding; exit code 1 if a problem is left. */
export async function doctor(options: DoctorOptions): Promise<number> {
  const config = configFor(options);
  requireShards(config);
  const clients: Client[] = [];
  try {
    for (const shard of config.shards) clients.push(await connect(shard));
    return await report(clients, config, options);
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

async function connect(shard: Config['shards'][number]): Promise<Client> {
  try {
    return await connectToShard(shard, {
      application_name: 'drive doctor',
      connectionTimeoutMillis: SCHEMA_CONNECT_TIMEOUT_MS,
      options: '',
    });
  } catch (error) {
    throw shardFailure(shard, error);
  }
}

async function report(
  clients: readonly Client[],
  { shards, sharding }: Config,
  { repair: repairs = false, rows = false }: DoctorOptions,
): Promise<number> {
  const ask: AskShard = async (shard, sql) => {
    try {
      const answer: QueryResult<unknown[]> = await clients[shard]!.query({
        text: sql,
        rowMode: 'array',
      });
      return answer.rows.map((row) => row.map((value) => (value === null ? '' : String(value))));
    } catch (error) {
      throw shardFailure(shards[shard]!, error);
    }
  };
  const findings = await examine([...clients.keys()], ask, { rules: sharding, rows });
  let problems = 0;
  for (const { level, text, repair } of findings) {
    const isRepaired = repair !== null && repairs;
    if (isRepaired) await ask(repair.shard, repair.sql);
    if (level === 'problem' && !isRepaired) problems += 1;
    const end = isRepaired ? ' – repaired' : repair === null ? '' : ' (--repair makes it)';
    process.stdout.write(`${level}: ${text}${end}\n`);
  }
  const count = problems === 0 ? 'no problems' : `${problems} problem${problems === 1 ? '' : 's'}`;
  process.stdout.write(`${clients.length} shards compared: ${count}\n`);
  return problems === 0 ? 0 : 1;
}
