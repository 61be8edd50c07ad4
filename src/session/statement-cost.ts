// Statement costs: how long a plan's statements take and how much they answer, as measured.

import { SHARED_ANSWER_BYTES_MAX, SHARED_STATEMENT_MS_MAX } from '../base/limits.ts';
import type { RoutedPlan } from '../plan/plan.ts';

/** Weight of the newest measurement in the moving average. */
const NEWEST = 1 / 8;

/** Moving averages of one plan. */
export class StatementCost {
  #ms = Number.POSITIVE_INFINITY;
  #bytes = 0;

  /** Cheap enough to share a connection. What was never measured is not. */
  get isSmall(): boolean {
    return this.#ms <= SHARED_STATEMENT_MS_MAX && this.#bytes <= SHARED_ANSWER_BYTES_MAX;
  }

  observe(ms: number, bytes: number): void {
    if (this.#ms === Number.POSITIVE_INFINITY) {
      this.#ms = ms;
      this.#bytes = bytes;
      return;
    }
    this.#ms += (ms - this.#ms) * NEWEST;
    this.#bytes += (bytes - this.#bytes) * NEWEST;
  }
}

/** A plan is forgotten with its cost when no cache and no prepared statement holds it any more. */
export class StatementCosts {
  #costs = new WeakMap<RoutedPlan, StatementCost>();

  /**
   * null: the plan's statements must not share a connection, because they have an effect, wait for
   * locks, copy, or leave something behind.
   */
  of(plan: RoutedPlan): StatementCost | null {
    if (plan.effect !== 'read' || plan.copy !== null) return null;
    let cost = this.#costs.get(plan);
    if (cost === undefined) {
      cost = new StatementCost();
      this.#costs.set(plan, cost);
    }
    return cost;
  }
}
