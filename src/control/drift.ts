// Drift: what a shard's tables lack of those that are on every shard, as the proxy sees it at start.

import { FIRST_USER_OID } from '../base/oid.ts';
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
    const difference = differenceOf(table.columns, there.columns);
    if (difference === null) continue;
    drift.push(`table ${name} has ${difference} on shard ${shard}: see drive doctor`);
  }
  return drift;
}

type Columns = readonly { readonly name: string; readonly typeOid: number }[];

function differenceOf(here: Columns, there: Columns): string | null {
  const types = new Map(there.map(({ name, typeOid }) => [name, typeOid]));
  if (types.size !== here.length || here.some(({ name }) => !types.has(name)))
    return 'other columns';
  for (const { name, typeOid } of here) {
    const other = types.get(name)!;
    if (typeOid !== other && Math.min(typeOid, other) < FIRST_USER_OID) {
      return `another type of column "${name}"`;
    }
  }
  const isOrdered = here.every(({ name }, i) => name === there[i]!.name);
  // What names no columns is then written, and read, otherwise.
  return isOrdered ? null : 'its columns in another order';
}
