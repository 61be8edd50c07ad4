// PlanCache: the one door to lru-cache; plans by text or shape, bounded in bytes.

import { LRUCache } from 'lru-cache';
import type { Plan } from './plan.ts';

export class PlanCache {
  readonly #plans: LRUCache<string, Plan>;

  /** `bytesMax`: estimated bytes of all keys and plans together. */
  constructor(bytesMax: number) {
    this.#plans = new LRUCache<string, Plan>({
      maxSize: bytesMax,
      maxEntrySize: Math.max(1, Math.floor(bytesMax / 8)),
      sizeCalculation: (plan, key) => 2 * key.length + bytesOf(plan),
    });
  }

  get size(): number {
    return this.#plans.size;
  }

  /** Estimated bytes of all keys and plans. */
  get bytes(): number {
    return this.#plans.calculatedSize;
  }

  /** Keys and plans, the most recently used first. */
  entries(): Iterable<[string, Plan]> {
    return this.#plans.entries();
  }

  get(key: string): Plan | undefined {
    return this.#plans.get(key);
  }

  set(key: string, plan: Plan): void {
    this.#plans.set(key, plan);
  }

  clear(): void {
    this.#plans.clear();
  }
}

/** Objects and small strings of a plan without a merge, about. */
const PLAN_BYTES = 800;
const KEY_BYTES = 80;

function bytesOf(plan: Plan): number {
  if (plan.op === 'sequence') {
    return plan.parts.reduce((sum, part) => sum + 2 * part.sql.length + bytesOf(part.plan), 100);
  }
  if (plan.op !== 'routed') return PLAN_BYTES;
  const { merge, route } = plan;
  const keys = route.kind === 'keys' ? route.keys.length * KEY_BYTES : 0;
  if (merge === null || merge.how === 'write') return PLAN_BYTES + keys;
  if (merge.how !== 'insert') return PLAN_BYTES + keys + 2 * merge.shardSql.before.length;
  const rows = merge.rows.reduce((sum, row) => sum + 2 * row.length + KEY_BYTES, 0);
  return PLAN_BYTES + keys + rows + 2 * (merge.before.length + merge.after.length);
}
