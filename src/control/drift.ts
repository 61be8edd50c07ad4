// Drift: what a shard's tables lack of those that are on every shard, as the proxy sees it at start.

import type { Catalog } from '../topology/table.ts';
import type { ShardSchema } from './shard-schema.ts';

/** One sentence a table; `drive doctor` tells more. */
export function driftOf(catalog: Catalog, shard: number, { relations }: ShardSchema): string[] {
  const found = new Map(relations.map((each) => [`${each.schema}.${each.name}`, each]));
  const drift: string[] = [];
  for (const table of catalog.tables()) {
    if (table.kind !== 'sharded' && table.kind !== 'reference') continue;
    const name = `${table.schema}.${table.name}`;
    const there = found.get(name);
    if (there === undefined) {
      drift.push(`shard ${shard} lacks the ${table.kind} table ${name}: see drive doctor`);
      continue;
    }
    const columns = new Set(there.columns.map((column) => column.name));
    const missing = table.columns.filter((column) => !columns.has(column.name));
    if (missing.length === 0 && columns.size === table.columns.length) continue;
    drift.push(`table ${name} has other columns on shard ${shard}: see drive doctor`);
  }
  return drift;
}
