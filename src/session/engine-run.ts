// Engine run: gives the merge engine its connections, and takes them back.

import { SqlError } from '../base/errors.ts';
import type { Description } from '../execute/describe.ts';
import { type LeafRows, openEngine } from '../execute/engine/engine.ts';
import type { Transaction } from '../execute/transaction.ts';
import type { EngineInput, EngineLeaf, EngineMerge } from '../plan/plan.ts';
import { type BoundValues, keysOf } from '../plan/route.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { Topology } from '../topology/topology.ts';
import type { SessionContext } from './context.ts';
import type { Execution } from './execution.ts';
import type { RunningGather, SessionState } from './state.ts';

/** The shards that have rows of a leaf, and the keys that select them there. */
interface Place {
  readonly leaf: EngineLeaf;
  readonly shards: readonly number[];
  readonly keys: readonly string[] | null;
}

/** Rejects with SqlError or ServerError; every connection has then been given back. */
export async function openEngineRun(
  merge: EngineMerge,
  execution: Execution,
  description: Description,
  state: SessionState,
  context: SessionContext,
): Promise<RunningGather> {
  const { transaction } = state;
  const input = transaction === null ? merge.alone : inputWithin(merge, transaction);
  const topology = context.topology();
  const places = input.leaves.map((leaf) => placeOf(leaf, execution.values, topology));
  const borrowed: ServerConnection[] = [];
  const release = () => {
    for (const connection of borrowed.splice(0)) state.giveBack(connection);
  };
  try {
    const lent = transaction === null ? await lend(places, state, borrowed) : null;
    const joined = transaction === null ? null : await enlist(places, transaction, state, borrowed);
    const { engine, begin, readers } = (lent ?? joined)!;
    const rows = places.map(({ leaf, shards, keys }): LeafRows => {
      const fromEngine = transaction === null && shards.includes(HOME_SHARD);
      const others = shards.filter((shard) => !fromEngine || shard !== HOME_SHARD);
      return { leaf, keys, fromEngine, sources: others.map((shard) => readers.get(shard)!) };
    });
    const gather = await openEngine({
      engine,
      begin,
      input,
      views: merge.views,
      rows,
      definer: readers.get(HOME_SHARD) ?? null,
      parameters: { ...execution.parameters, types: description.parameterTypes },
      resultFormats: execution.resultFormats,
      spillBytesMax: context.spillBytesMax,
    });
    for (const reader of borrowed.splice(0)) if (reader !== engine) state.giveBack(reader);
    borrowed.push(engine);
    return { gather, rest: [], release };
  } catch (error) {
    release();
    throw error;
  }
}

function inputWithin(merge: EngineMerge, transaction: Transaction): EngineInput {
  const atWrongTime = merge.tellsTime && !transaction.implicit;
  if (merge.within === null || atWrongTime) throw new SqlError(merge.refusal);
  return merge.within;
}

function placeOf(leaf: EngineLeaf, values: BoundValues, topology: Topology): Place {
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

interface Lent {
  readonly engine: ServerConnection;
  readonly begin: string;
  /** By shard. */
  readonly readers: ReadonlyMap<number, ServerConnection>;
}

/**
 * Outside of a transaction: the engine reads its own server's rows itself. In shard order, so that
 * two statements that wait for each other's connections cannot be.
 */
async function lend(
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
async function enlist(
  places: readonly Place[],
  transaction: Transaction,
  state: SessionState,
  borrowed: ServerConnection[],
): Promise<Lent> {
  const readers = new Map<number, ServerConnection>();
  for (const shard of [...new Set([HOME_SHARD, ...shardsOf(places)])].sort((a, b) => a - b)) {
    readers.set(shard, await transaction.enlist(shard));
  }
  const engine = await state.borrow(HOME_SHARD, transaction.settingsBefore, true);
  borrowed.push(engine);
  const begin = [transaction.begin, ...transaction.recorded].join('\n;');
  return { engine, begin, readers };
}

const shardsOf = (places: readonly Place[]): number[] =>
  [...new Set(places.flatMap(({ shards }) => shards))].sort((a, b) => a - b);
