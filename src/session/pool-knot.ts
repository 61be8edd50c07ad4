// Pool knot: sessions that wait for connections of pools which they keep empty for each other.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { ShardPool } from '../pool/shard-pool.ts';
import type { Client } from './client.ts';
import type { SessionState } from './state.ts';

type Pools = readonly Pick<ShardPool, 'connections'>[];

/** Those of `waiting` that nobody else can give a connection: none, or several. */
export function knotOf(waiting: readonly Client[], pools: Pools): readonly Client[] {
  const held = new Set(waiting.flatMap(({ session }) => [...heldBy(session.state)]));
  const isFull = (shard: number) => {
    const { idle, leased, shared } = pools[shard]!.connections();
    return idle.length + shared.length === 0 && leased.every((each) => held.has(each));
  };
  const stuck = waiting.filter(({ session }) => isFull(session.waitsFor!));
  // Who is not stuck will give back what others of them wait for.
  return stuck.length === waiting.length ? stuck : knotOf(stuck, pools);
}

/** In its transaction, beside it for a statement, or of its own. */
export function heldBy({
  transaction,
  borrowed,
  pins,
}: SessionState): ReadonlySet<ServerConnection> {
  const { participants, apart } = transaction ?? { participants: null, apart: null };
  const joined = [...(participants?.values() ?? []), ...(apart === null ? [] : [apart])];
  return new Set([...joined, ...borrowed, ...pins.connections()]);
}

/** Whose transaction has begun last, of those that have something to give. */
export const lastOf = (knot: readonly Client[]): Client | undefined =>
  knot
    .filter(({ session }) => heldBy(session.state).size > 0)
    .sort((a, b) => begunMs(b) - begunMs(a))[0];

const begunMs = ({ session }: Client): number => session.state.transaction?.begunMs ?? 0;

export const knotted = (shard: number): SqlError =>
  new SqlError({
    code: SQLSTATE.deadlockDetected,
    message: 'deadlock detected',
    detail: `All connections to shard ${shard} are held by clients that wait for connections to other shards.`,
    hint: 'Run the transaction again; a larger pool.size, or fewer transactions over several shards at once, avoid this.',
  });
