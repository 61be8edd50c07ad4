// Statement costs: how long a plan's statements take and how much they answer, as measured.

import {
  GROUP_STATEMENT_MS_MAX,
  KEPT_REFUSALS_MAX,
  KEPT_REST_STATEMENTS,
  SHARED_ANSWER_BYTES_MAX,
  SHARED_STATEMENT_MS_MAX,
} from '../base/limits.ts';
import type { RoutedPlan } from '../plan/plan.ts';
import type { KeptStatement } from './kept-statement.ts';

/** Weight of the newest measurement in the moving average. */
const NEWEST = 1 / 8;

/** By which part of the difference the least time rises with each measurement above it. */
const RISING = 1 / 64;

/** How much of a refusal is left after one more success. */
const FORGIVEN = 0.99;

/** Moving averages of one plan, and whether servers may keep its statement. */
export class StatementCost {
  /** The form in which servers keep it; null as long as nobody has needed it. */
  kept: KeptStatement | null = null;
  #ms = Number.POSITIVE_INFINITY;
  /** The least of late: what it takes where nobody is in its way. */
  #leastMs = Number.POSITIVE_INFINITY;
  #bytes = 0;
  #refusals = 0;
  /** Statements to come before the kept form is tried again; 0: it is in use. */
  #rest: number;

  /** Its statements are committed in groups: see GroupCommit. */
  readonly isGrouped: boolean;
  /** Its statements wait for no locks, copy nothing and have no effect that could not be shared. */
  #isShareable: boolean;

  constructor({ keeping, groupable, effect }: RoutedPlan) {
    this.#rest = keeping === 'never' ? Number.POSITIVE_INFINITY : 0;
    this.isGrouped = groupable;
    this.#isShareable = effect === 'read' || groupable;
  }

  /** Cheap enough to share a connection. What was never measured is not. */
  get isSmall(): boolean {
    if (!this.#isShareable) return false;
    const msMax = this.isGrouped ? GROUP_STATEMENT_MS_MAX : SHARED_STATEMENT_MS_MAX;
    return this.#ms <= msMax && this.#bytes <= SHARED_ANSWER_BYTES_MAX;
  }

  /** Servers may be sent Bind and Execute of a statement that they keep, instead of its text. */
  get isKeepable(): boolean {
    return this.#rest === 0 && this.#isQuick;
  }

  get #isQuick(): boolean {
    return this.#leastMs <= SHARED_STATEMENT_MS_MAX;
  }

  /** From now on it is sent as its clients write it. */
  neverKeep(): void {
    this.#rest = Number.POSITIVE_INFINITY;
  }

  /** A server has answered the kept form with an error or a notice instead of rows. */
  refuse(): void {
    this.#refusals += 1;
    if (this.#refusals < KEPT_REFUSALS_MAX || this.#rest > 0) return;
    this.#refusals = 0;
    this.#rest = KEPT_REST_STATEMENTS;
  }

  /** `kept`: in the kept form. */
  observe(ms: number, bytes: number, kept: boolean): void {
    if (this.#ms === Number.POSITIVE_INFINITY) {
      this.#ms = ms;
      this.#leastMs = ms;
      this.#bytes = bytes;
      return;
    }
    this.#ms += (ms - this.#ms) * NEWEST;
    this.#leastMs = Math.min(ms, this.#leastMs + (ms - this.#leastMs) * RISING);
    this.#bytes += (bytes - this.#bytes) * NEWEST;
    if (this.#rest > 0) this.#rest -= 1;
    else if (kept && this.#isQuick) this.#refusals *= FORGIVEN;
    // A plan made for any value can be slow where one for this value is not.
    else if (kept) this.refuse();
  }
}

/** A plan is forgotten with its cost when no cache and no prepared statement holds it any more. */
export class StatementCosts {
  #costs = new WeakMap<RoutedPlan, StatementCost>();

  /** null: the plan's statements copy, which takes as long as the client takes. */
  of(plan: RoutedPlan): StatementCost | null {
    if (plan.copy !== null) return null;
    let cost = this.#costs.get(plan);
    if (cost === undefined) {
      cost = new StatementCost(plan);
      this.#costs.set(plan, cost);
    }
    return cost;
  }
}
