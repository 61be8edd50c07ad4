// Error of a part: whether a failure is PostgreSQL's own over a part of the rows, as each shard has one.

import { Random } from '../support/random.ts';
import type { Side } from './ground.ts';
import { overParts, type Part } from './variation.ts';
import type { WorldTable } from './world.ts';

/** Enough to meet any row without those whose error comes before. */
const THIN_PARTS = 60;

/**
 * Of the errors of several rows one server meets the first, and those of triggers AFTER and of foreign keys
 * last; each shard does among its own rows. An error that no part of the rows has is another statement's.
 * `asks`: the statement, then parts of it; each gives the SQLSTATE of its failure.
 */
export async function isErrorOfPart(
  plain: Side,
  shards: number,
  tables: readonly WorldTable[],
  within: boolean,
  asks: readonly (() => Promise<string | null>)[],
  error: string,
): Promise<boolean> {
  const [whole, ...apart] = asks;
  const isMet = async (parts: readonly Part[], ask: () => Promise<string | null>) =>
    (await overParts(plain, parts, within, ask)) === error;
  for (let shard = 0; shard < shards; shard++) {
    const parts = tables.flatMap((table) => ofShard(table, shard, shards));
    for (const ask of asks) if (await isMet(parts, ask)) return true;
  }
  for (const ask of apart) if (await isMet([], ask)) return true;
  for (let seed = 0; seed < THIN_PARTS; seed++)
    if (await isMet(thinned(tables, new Random(seed)), whole!)) return true;
  return false;
}

function ofShard({ name, kind, key }: WorldTable, shard: number, shards: number): Part[] {
  if (kind !== 'sharded') return [];
  return [{ table: name, where: `((t.${key} % ${shards}) + ${shards}) % ${shards} = ${shard}` }];
}

/** Of each table a share of the rows, or all. */
function thinned(tables: readonly WorldTable[], random: Random): Part[] {
  return tables.flatMap(({ name }): Part[] => {
    const most = random.pick(['8', '4', '1', '04', null]);
    if (most === null) return [];
    const seed = random.int(0, 1_000_000);
    return [{ table: name, where: `md5(t::text || '${seed}') < '${most}'` }];
  });
}
