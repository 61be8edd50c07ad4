// `drive install`: the schema of sql/ on the configured shards.

import { requireShards } from '../control/config.ts';
import { installSchema } from '../local/schema.ts';
import { configFor } from './serve.ts';

export async function install(options: { readonly config?: string }): Promise<number> {
  const config = configFor(options);
  requireShards(config);
  await installSchema(config.shards);
  for (const { id, host, port, database } of config.shards) {
    process.stdout.write(`shard ${id}: schema installed in ${database} on ${host}:${port}\n`);
  }
  return 0;
}
