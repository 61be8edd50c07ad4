// SharedConnections: the connections of a shard that carry statements of many sessions in pipelines.

import {
  SHARED_CONNECTIONS_MAX,
  SHARED_DEPTH_GOAL,
  SHARED_DEPTH_MAX,
  SHARED_HEAD_MS_MAX,
} from '../base/limits.ts';
import type { ServerConnection } from './server-connection.ts';
import type { Settings } from './settings.ts';

/** Statements of different sessions leave and arrive together, which costs each of them less. */
export class SharedConnections {
  #connections: ServerConnection[] = [];

  get size(): number {
    return this.#connections.length;
  }

  has(connection: ServerConnection): boolean {
    return this.#connections.includes(connection);
  }

  add(connection: ServerConnection): void {
    this.#connections.push(connection);
  }

  /** False: it is not shared. */
  remove(connection: ServerConnection): boolean {
    const index = this.#connections.indexOf(connection);
    if (index < 0) return false;
    this.#connections.splice(index, 1);
    return true;
  }

  /** The one with these settings that owes least, if it can take one more; null otherwise. */
  leastLoaded(settings: Settings): ServerConnection | null {
    let least: ServerConnection | null = null;
    for (const each of this.#connections) {
      if (each.settings.signature !== settings.signature) continue;
      if (least === null || each.owedCount < least.owedCount) least = each;
    }
    return least !== null && least.owedCount < SHARED_DEPTH_MAX ? least : null;
  }

  /** Whether it would serve better than `least` to have one more. */
  wantsMore(least: ServerConnection | null): boolean {
    if (least === null) return true;
    return least.owedCount >= SHARED_DEPTH_GOAL && this.size < SHARED_CONNECTIONS_MAX;
  }

  get isFull(): boolean {
    return this.size >= SHARED_CONNECTIONS_MAX;
  }

  /** One that owes nothing; null if there is none. */
  rested(): ServerConnection | null {
    return this.#connections.find((each) => each.owedCount === 0) ?? null;
  }

  /** Those whose head has taken too long at `nowMs`, by performance.now(). */
  stalled(nowMs: number): ServerConnection[] {
    return this.#connections.filter(
      (each) => each.owedCount > 0 && nowMs - each.headSinceMs > SHARED_HEAD_MS_MAX,
    );
  }

  all(): readonly ServerConnection[] {
    return this.#connections;
  }
}
