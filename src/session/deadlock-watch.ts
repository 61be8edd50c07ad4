// Deadlock watch: finds transactions that wait for each other over several shards, and breaks one.

import { SqlError } from '../base/errors.ts';
import { DEADLOCK_WAIT_MS, POOL_KNOT_WAIT_MS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { ShardPool } from '../pool/shard-pool.ts';
import type { Shard } from '../topology/shard.ts';
import { TERMINATE } from '../wire/terminate.ts';
import type { Client } from './client.ts';
import { heldBy, knotOf, knotted, lastOf } from './pool-knot.ts';
import {
  circleOf,
  type OpenTransaction,
  type Waiter,
  waiterText,
  waitGraph,
} from './wait-graph.ts';

export interface DeadlockWatchOptions {
  /** Of this process. */
  clients(): Iterable<Client>;
  /** Of all processes of all proxies; clients of other proxies by texts. */
  transactions(): Promise<readonly OpenTransaction[]>;
  readonly shards: readonly Shard[];
  /** Of this process, by shard. */
  readonly pools: readonly Pick<ShardPool, 'connections'>[];
  /** A new connection: those of the pools may all be waiting. */
  connect(shard: Shard): Promise<ServerConnection>;
  /** What sessions are timed by. */
  nowMs(): number;
  readonly log: Logger;
}

/**
 * No server sees a circle that goes over several of them. Every process looks for its own clients;
 * all of them choose the transaction that began last, and the process that has it ends it.
 */
export class DeadlockWatch {
  readonly #options: DeadlockWatchOptions;
  #running = false;
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(options: DeadlockWatchOptions) {
    this.#options = options;
  }

  /** To be called every DEADLOCK_WATCH_MS. Never rejects: what fails is logged and comes again. */
  async watch(): Promise<void> {
    this.#breakKnot();
    const { nowMs, log } = this.#options;
    const suspects = this.#suspects();
    if (this.#running || suspects.length === 0) return;
    if (nowMs() - this.#lookedMs < DEADLOCK_WAIT_MS) return;
    this.#running = true;
    try {
      await this.#look(suspects);
    } catch (error) {
      log.debug({ err: error }, 'deadlocks could not be looked for');
    }
    this.#lookedMs = nowMs();
    this.#running = false;
  }

  /** On several shards, and long at one statement: a circle over shards goes through such a one. */
  #suspects(): Client[] {
    const { clients, nowMs } = this.#options;
    return [...clients()].filter(({ session }) => {
      const { transaction } = session.state;
      if (transaction === null || heldBy(session.state).size < 2) return false;
      if (session.phase === 'ready' || session.phase === 'closed') return false;
      return session.waitsFor === null && nowMs() - session.sinceMs > DEADLOCK_WAIT_MS;
    });
  }

  /** Where the connections of the pools are all held by those who wait for them, one gives up his. */
  #breakKnot(): void {
    const { clients, pools, nowMs, log } = this.#options;
    const waiting = [...clients()].filter(
      ({ session }) => session.waitsFor !== null && nowMs() - session.sinceMs > POOL_KNOT_WAIT_MS,
    );
    const victim = waiting.length === 0 ? undefined : lastOf(knotOf(waiting, pools));
    if (victim === undefined) return;
    log.info({ victim: victim.identity.id }, 'transactions that wait for the pools are unknotted');
    victim.session.breakDeadlock(knotted(victim.session.waitsFor!));
  }

  async #look(suspects: readonly Client[]): Promise<void> {
    const { transactions, clients, log } = this.#options;
    const connections: ServerConnection[] = [];
    try {
      await this.#connect(connections);
      const all = await transactions();
      for (const { identity } of suspects) {
        const circle = circleOf(identity.id, await waitGraph(connections, all));
        if (circle === null) continue;
        // The shards were not asked at one moment: what is real is still there.
        const again = circleOf(identity.id, await waitGraph(connections, await transactions()));
        if (again?.join() !== circle.join()) continue;
        const victim = youngest(circle, all);
        const own = [...clients()].find((client) => client.identity.id === victim);
        if (own === undefined) continue;
        log.info({ clients: circle, victim }, 'a deadlock over several shards is broken');
        own.session.breakDeadlock(deadlockDetected(circle));
      }
    } finally {
      for (const connection of connections) connection.close(TERMINATE);
    }
  }

  /** One to each shard that answers: a circle does not go through the others. */
  async #connect(into: ServerConnection[]): Promise<void> {
    const { shards, connect, log } = this.#options;
    const connecting = shards.map(async (shard) => {
      try {
        into.push(await connect(shard));
      } catch (error) {
        log.debug({ shard: shard.id, err: error }, 'a shard is not looked at for deadlocks');
      }
    });
    await Promise.all(connecting);
  }
}

/** Of those that are known who began last, in one millisecond by the servers; all processes find the same. */
function youngest(circle: readonly Waiter[], all: readonly OpenTransaction[]): Waiter | undefined {
  const known = all.filter(({ client }) => circle.includes(client));
  known.sort((a, b) => b.begunMs - a.begunMs || (a.servers.join() > b.servers.join() ? -1 : 1));
  return known[0]?.client;
}

function deadlockDetected(circle: readonly Waiter[]): SqlError {
  const waits = circle.map((waiter, i) => {
    const [first, next] = [waiterText(waiter), waiterText(circle[(i + 1) % circle.length]!)];
    return `${first[0]!.toUpperCase()}${first.slice(1)} waits for ${next}.`;
  });
  return new SqlError({
    code: SQLSTATE.deadlockDetected,
    message: 'deadlock detected',
    detail: `Over several shards: ${waits.join(' ')}`,
    hint: 'Run the transaction again; lock rows in one order everywhere to avoid this.',
  });
}
