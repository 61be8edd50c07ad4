// Plan watch: whether a statement that has waited would still be planned as it was.

import { isDeepStrictEqual } from 'node:util';
import { SqlError } from '../base/errors.ts';
import { PLAN_TRIES_MAX } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { Plan } from '../plan/plan.ts';
import { isOutdated, type SessionContext } from './context.ts';
import type { SessionState } from './state.ts';

/** The schema has changed: the statement is to be planned anew, and nothing of it has been done. */
class OutdatedPlan extends Error {}

/** Of one statement, from its plan until something of it is done that cannot be taken back. */
export class PlanWatch {
  #context: SessionContext;
  #plan: Plan;
  #planNow: () => Plan;
  #version: number;

  /** `plan` is what `planNow` gives just now, by the topology of now. */
  constructor(context: SessionContext, plan: Plan, planNow: () => Plan) {
    this.#context = context;
    this.#plan = plan;
    this.#planNow = planNow;
    this.#version = context.topology().version;
  }

  /**
   * Throws OutdatedPlan where the schema is not that of the plan any more: columns, too, may be others
   * than those that are known.
   */
  check(): void {
    if (isOutdated(this.#context, this.#version)) throw new OutdatedPlan();
  }

  /**
   * Of a statement whose rows have been read, and would have to be read again: rejects with OutdatedPlan
   * only where its plan would be another.
   */
  async checkRead(): Promise<void> {
    const { topology, hold } = this.#context;
    if (!isOutdated(this.#context, this.#version)) return;
    await hold.ended();
    const isSame = topology().version === this.#version;
    if (!isSame && !isDeepStrictEqual(this.#planNow(), this.#plan)) throw new OutdatedPlan();
  }
}

/**
 * Runs `run`, which plans and carries out one statement, until its plan has held. Rejects with 40001 where
 * the schema changes again and again.
 */
export async function whilePlanHolds(
  { hold }: SessionContext,
  state: SessionState,
  run: () => Promise<void>,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    await hold.ended();
    const { transaction } = state;
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof OutdatedPlan)) throw error;
      if (tries === PLAN_TRIES_MAX) throw changesTooOften();
      if (transaction === null) await state.takeBack();
    }
  }
}

const changesTooOften = (): SqlError =>
  new SqlError({
    code: SQLSTATE.serializationFailure,
    message: `the schema has changed ${PLAN_TRIES_MAX} times while this statement waited`,
    hint: 'Run it again.',
  });
