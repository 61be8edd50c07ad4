// Descriptions: what one server makes of statements, for all that the proxy answers itself.

import { type Description, describe } from '../execute/describe.ts';
import type { Plan, RoutedPlan } from '../plan/plan.ts';
import { ServerError } from '../pool/query.ts';
import type { Settings } from '../pool/settings.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { SessionContext } from './context.ts';
import { isCursorUse, mergedCursorOf } from './cursor-run.ts';
import { mayNeedSeveral, takeSnapshot } from './one-snapshot.ts';
import { apartOf } from './single.ts';
import type { SessionState } from './state.ts';
import { inFailedTransaction } from './transaction-commands.ts';

/** Text the parser cannot read: the server says why, even in a failed transaction. */
export function isUnreadable(plan: Plan): boolean {
  return plan.op === 'routed' && plan.verb === '';
}

const pathIn = ({ assignments }: Settings): string | undefined => assignments.get('search_path');

/** Of one session. */
export class Descriptions {
  #state: SessionState;
  #context: SessionContext;
  #cursorShard: (plan: RoutedPlan) => number | undefined;
  /** The last one by plan, which texts that differ in literals share, and types do not change. */
  #known = new WeakMap<Plan, { readonly of: string; readonly description: Description }>();

  /** `cursorShard`: of the cursor that a plan uses, where it is on one server. */
  constructor(
    state: SessionState,
    context: SessionContext,
    cursorShard: (plan: RoutedPlan) => number | undefined,
  ) {
    this.#state = state;
    this.#context = context;
    this.#cursorShard = cursorShard;
  }

  /** Rejects with ServerError and SqlError. */
  async of(plan: Plan, sql: string, parameterTypes: readonly number[]): Promise<Description> {
    const of = `${parameterTypes.join()} ${sql}`;
    const known = this.#known.get(plan);
    if (known?.of === of) return known.description;
    const { transaction } = this.#state;
    if (transaction?.state === 'failed' && !isUnreadable(plan)) {
      return this.#apart(sql, parameterTypes);
    }
    await takeSnapshot(plan, mayNeedSeveral(plan), this.#state, this.#context);
    const cursor = plan.op === 'routed' && isCursorUse(plan.action) ? plan : null;
    const merged = cursor && mergedCursorOf(cursor, this.#state);
    if (merged?.action.verb === 'fetch') {
      const { fields } = merged.merged;
      return { parameterTypes: [], fields: merged.action.fetch.isMove ? null : fields };
    }
    const isOther = cursor !== null && merged === null;
    const shard = isOther ? (this.#cursorShard(cursor) ?? HOME_SHARD) : HOME_SHARD;
    const connection =
      transaction === null
        ? await this.#state.borrow(shard, this.#state.settings.current)
        : ((cursor && apartOf(cursor, this.#state)) ?? (await transaction.enlist(shard)));
    try {
      const description = await describe(connection, sql, parameterTypes);
      // Another cursor of the same name may have other columns.
      if (cursor === null) this.#known.set(plan, { of, description });
      return description;
    } finally {
      if (transaction === null) this.#state.giveBack(connection);
    }
  }

  /**
   * In a failed transaction, whose servers say nothing of a statement: another connection is asked,
   * where the transaction has not changed what the statement means.
   */
  async #apart(sql: string, parameterTypes: readonly number[]): Promise<Description> {
    const { settings, topology } = this.#state;
    const { names, settingsBefore } = this.#state.transaction!;
    const isPathSame = names.path === null && pathIn(settings.current) === pathIn(settingsBefore);
    if (topology !== null || !isPathSame) throw inFailedTransaction();
    const connection = await this.#state.borrow(HOME_SHARD, settings.current, true);
    try {
      return await describe(connection, sql, parameterTypes);
    } catch (error) {
      throw error instanceof ServerError ? inFailedTransaction() : error;
    } finally {
      this.#state.giveBack(connection);
    }
  }
}
