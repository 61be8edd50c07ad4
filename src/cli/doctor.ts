// `drive doctor`: compares the schemas of the configured shards; repairs what is safe if told to.

import { SCHEMA_CONNECT_TIMEOUT_MS } from '../base/limits.ts';
import type { Client, QueryResult } from '../base/pg.ts';
import { requireShards } from '../control/config.ts';
import { type AskShard, examine } from '../control/doctor.ts';
import { connectToShard } from '../local/shard-client.ts';
import { configFor } from './serve.ts';

export interface DoctorOptions {
  readonly config?: string;
  readonly repair?: boolean;
}

/** Prints a line per finding; exit code 1 if a problem is left. */
export async function doctor(options: DoctorOptions): Promise<number> {
  const config = configFor(options);
  requireShards(config);
  const clients: Client[] = [];
  try {
    for (const shard of config.shards) {
      clients.push(
        await connectToShard(shard, {
          application_name: 'drive doctor',
          connectionTimeoutMillis: SCHEMA_CONNECT_TIMEOUT_MS,
          options: '',
        }),
      );
    }
    return await report(clients, options.repair ?? false);
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

async function report(clients: readonly Client[], repairs: boolean): Promise<number> {
  const ask: AskShard = async (shard, sql) => {
    const { rows }: QueryResult<unknown[]> = await clients[shard]!.query({
      text: sql,
      rowMode: 'array',
    });
    return rows.map((row) => row.map((value) => (value === null ? '' : String(value))));
  };
  const findings = await examine([...clients.keys()], ask);
  let problems = 0;
  for (const { level, text, repair } of findings) {
    const isRepaired = repair !== null && repairs;
    if (isRepaired) await clients[repair.shard]!.query(repair.sql);
    if (level === 'problem' && !isRepaired) problems += 1;
    const end = isRepaired ? ' – repaired' : repair === null ? '' : ' (--repair makes it)';
    process.stdout.write(`${level}: ${text}${end}\n`);
  }
  const count = problems === 0 ? 'no problems' : `${problems} problem${problems === 1 ? '' : 's'}`;
  process.stdout.write(`${clients.length} shards compared: ${count}\n`);
  return problems === 0 ? 0 : 1;
}
