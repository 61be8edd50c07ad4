// PlanCache: the one door to lru-cache; plans by text or shape, bounded in bytes.

import { LRUCache } from 'lru-cache';
import type { EngineMerge, Plan, RoutedPlan } from './plan.ts';

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
  return 2 * (plan.asked?.marked.length ?? 0) + routedBytes(plan);
}

function routedBytes(plan: RoutedPlan): number {
  const { merge, route, fallback } = plan;
  const keyCount = route.kind === 'keys' ? route.keys.length : 0;
  const keys = keyCount * KEY_BYTES + (fallback === null ? 0 : engineBytes(fallback));
  if (merge === null || merge.how === 'write' || merge.how === 'everywhere') {
    return PLAN_BYTES + keys;
  }
  if (merge.how === 'exportSnapshot') return PLAN_BYTES;
  if (merge.how === 'reference') return PLAN_BYTES + 2 * (merge.rows?.homeSql.length ?? 0);
  if (
    merge.how === 'insertRows' ||
    merge.how === 'modifyRows' ||
    merge.how === 'mergeRows' ||
    merge.how === 'makeTable' ||
    merge.how === 'keepView' ||
    merge.how === 'withWrites'
  ) {
    return PLAN_BYTES + keys + 4 * JSON.stringify(merge).length;
  }
  if (merge.how === 'setval') return PLAN_BYTES + 2 * merge.query.length;
  if (merge.how === 'explain') {
    return (
      PLAN_BYTES +
      2 * (merge.prefix.length + merge.planPrefix.length + merge.sql.length) +
      bytesOf(merge.inner)
    );
  }
  if (merge.how === 'engineCopy') {
    return PLAN_BYTES + keys + 2 * merge.before.length + engineBytes(merge.engine);
  }
  if (merge.how === 'cursor') {
    const { before, streamed, engine } = merge;
    const text = before.length + (streamed?.shardSql.before.length ?? 0);
    return PLAN_BYTES + keys + 2 * text + (engine === null ? 0 : engineBytes(engine));
  }
  if (merge.how === 'engine') return PLAN_BYTES + keys + engineBytes(merge);
  if (merge.how === 'copyOut') return PLAN_BYTES + keys;
  if (merge.how === 'copyIn') return PLAN_BYTES + keys + 2 * (merge.timed?.sql.length ?? 0);
  if (merge.how !== 'insert') {
    const { before, after } = merge.shardSql;
    return PLAN_BYTES + keys + 2 * (before.length + after.length);
  }
  const rows = merge.rows.reduce((sum, row) => sum + 2 * row.length + KEY_BYTES, 0);
  const computed = (merge.computed?.rows ?? []).reduce(
    (sum, { before, after }) =>
      sum + KEY_BYTES + [...before, ...after].reduce((length, item) => length + 2 * item.length, 0),
    0,
  );
  return PLAN_BYTES + keys + rows + computed + 2 * (merge.before.length + merge.after.length);
}

/** The leaves of the input for transactions are much the same as the others. */
function engineBytes({ alone, within }: EngineMerge): number {
  return 2 * alone.sql.length + 2 * (within?.sql.length ?? 0) + PLAN_BYTES * alone.leaves.length;
}
