// Engine lend: the connections that the merge engine reads and computes with, for one statement.

import type { LeafRows } from '../execute/engine/engine.ts';
import { filterSql } from '../execute/engine/filter-text.ts';
import type { BoundParameters } from '../execute/parameters.ts';
import type { Transaction } from '../execute/transaction.ts';
import type { EngineLeaf } from '../plan/plan.ts';
import { type BoundValues, keysOf } from '../plan/route.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { Topology } from '../topology/topology.ts';
import type { SessionState } from './state.ts';

/** Of the engine's copies in a transaction that goes on. */
const SAVEPOINT = 'SAVEPOINT drive_cursor';

/** The shards that have rows of a leaf, and the keys that select them there. */
export interface Place {
  readonly leaf: EngineLeaf;
  readonly shards: readonly number[];
  readonly keys: readonly string[] | null;
}

/** Where the rows of a leaf are, once the statement's keys are known. */
export function placeOf(leaf: EngineLeaf, values: BoundValues, topology: Topology): Place {
  if (!leaf.isSharded) return { leaf, shards: [HOME_SHARD], keys: null };
  if (leaf.keys === null) {
    return { leaf, shards: topology.shards.map((shard) => shard.id), keys: null };
  }
  const keys = keysOf(leaf.keys, values);
  const shards = new Set(keys.map((key) => topology.placement.shardOf(key)));
  // Of a narrow key column's type no literal could be that is out of its range.
  const literals = [...new Set(keys.map((key) => `'${key}'::pg_catalog.int8`))];
  return { leaf, shards: [...shards].sort((a, b) => a - b), keys: literals };
}

export interface Lent {
  readonly engine: ServerConnection;
  readonly begin: string;
  /** By shard. */
  readonly readers: ReadonlyMap<number, ServerConnection>;
}

/**
 * Outside of a transaction: the engine reads its own server's rows itself. In shard order, so that
 * two statements that wait for each other's connections cannot be.
 */
export async function lend(
  places: readonly Place[],
  state: SessionState,
  borrowed: ServerConnection[],
): Promise<Lent> {
  const settings = state.settings.current;
  const engine = await state.borrow(HOME_SHARD, settings);
  borrowed.push(engine);
  const readers = new Map<number, ServerConnection>();
  for (const shard of shardsOf(places)) {
    if (shard === HOME_SHARD) continue;
    const reader = await state.borrow(shard, settings);
    borrowed.push(reader);
    readers.set(shard, reader);
  }
  return { engine, begin: 'BEGIN', readers };
}

/** In a transaction its own connections read, and see its changes; the engine is apart from it. */
export async function enlist(
  places: readonly Place[],
  transaction: Transaction,
  state: SessionState,
  borrowed: ServerConnection[],
  apart: ServerConnection | null,
): Promise<Lent> {
  const readers = await enlistReaders(places, transaction);
  if (apart !== null) return { engine: apart, begin: SAVEPOINT, readers };
  const engine = await state.borrow(HOME_SHARD, transaction.settingsBefore, true);
  borrowed.push(engine);
  const begin = [transaction.begin, ...transaction.recorded].join('\n;');
  return { engine, begin, readers };
}

/** The transaction's own connections, that to the home shard among them, by shard. */
export async function enlistReaders(
  places: readonly Place[],
  transaction: Transaction,
): Promise<ReadonlyMap<number, ServerConnection>> {
  const readers = new Map<number, ServerConnection>();
  for (const shard of [...new Set([HOME_SHARD, ...shardsOf(places)])].sort((a, b) => a - b)) {
    readers.set(shard, await transaction.enlist(shard));
  }
  return readers;
}

const shardsOf = (places: readonly Place[]): number[] =>
  [...new Set(places.flatMap(({ shards }) => shards))].sort((a, b) => a - b);

/** What is to be read of each leaf. `fromEngine`: the engine reads what its own server has. */
export function leafRowsOf(
  places: readonly Place[],
  readers: ReadonlyMap<number, ServerConnection>,
  fromEngine: boolean,
  parameters: BoundParameters,
): LeafRows[] {
  return places.map(({ leaf, shards, keys }): LeafRows => {
    const isThere = fromEngine && shards.includes(HOME_SHARD);
    const others = shards.filter((shard) => !isThere || shard !== HOME_SHARD);
    const sources = others.map((shard) => readers.get(shard)!);
    const filters = leaf.filters.flatMap((filter) => filterSql(filter, parameters) ?? []);
    return { leaf, keys, filters, fromEngine: isThere, sources };
  });
}
