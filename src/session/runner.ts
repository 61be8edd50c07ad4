// Runner: carries out any plan for a session, statement by statement, with room to wait.

import { SqlError, type SqlErrorFields } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { Description } from '../execute/describe.ts';
import { formattedFields } from '../execute/gather.ts';
import type { ClusterQuestion } from '../plan/cluster-question.ts';
import type {
  AggregateMerge,
  ConcatMerge,
  EngineMerge,
  PinReason,
  Plan,
  RoutedPlan,
} from '../plan/plan.ts';
import { onlyTarget, targetsOf } from '../plan/route.ts';
import { refused, severalShards } from '../plan/unsupported.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { EMPTY_QUERY_RESPONSE, encodeCommandComplete } from '../wire/query.ts';
import { answerValue, type BackendValue, backendAnswer } from './backend.ts';
import { isBinaryCopy } from './batch-route.ts';
import {
  isLate,
  lateText,
  plannedAnew,
  type RoutedExecution,
  timedExecution,
  timedExplain,
} from './clock.ts';
import { withClusterAnswers } from './cluster-answers.ts';
import { runCopy } from './copy-runner.ts';
import { portalShard } from './cursor-portal.ts';
import { declareCursor, isCursorUse, mergedCursorOf, runMergedCursor } from './cursor-run.ts';
import { Descriptions, isUnreadable } from './descriptions.ts';
import { runEngineCopy } from './engine-run.ts';
import { keepHome, runEverywhere, spreadAtHome } from './everywhere.ts';
import type { Execution, RunnerDependencies } from './execution.ts';
import { runExplain } from './explain-run.ts';
import { exportSnapshot, importSnapshot } from './exported-snapshot.ts';
import { openGatherRun } from './gather-run.ts';
import { encodeLocalResult } from './local-result.ts';
import { takeSnapshot } from './one-snapshot.ts';
import type { PlanWatch } from './plan-watch.ts';
import { answerGathered, answerRows } from './portal-rows.ts';
import { thrownInWritten } from './rewritten.ts';
import { closeRunning } from './running-gather.ts';
import {
  isInBlock,
  isSettingAction,
  runSessionAction,
  runSettingAction,
} from './session-actions.ts';
import { runSetval } from './setval-run.ts';
import { relayExecution, runSingle } from './single.ts';
import { isPreparedAction, runPreparedAction } from './sql-prepare.ts';
import { withTimeWords } from './time-words.ts';
import { inFailedTransaction, runTransactionCommand } from './transaction-commands.ts';
import { isWriting, runWrite } from './write-run.ts';

const NOT_MERGEABLE: SqlErrorFields = {
  code: SQLSTATE.featureNotSupported,
  message: 'this statement cannot run on several shards',
  hint: 'Give the sharding key a value, so that one shard can answer it.',
};

/**
 * Merges that do something also where one server is all: what was copied, and what is planned, is told
 * shard by shard.
 */
const MORE_THAN_TEXT: ReadonlySet<string> = new Set(['copyIn', 'explain', 'keepView', 'setval']);

/**
 * Answers with everything but ReadyForQuery. Throws SqlError or ServerError for what the client is
 * still to be told, ErrorPassedOn for what it knows.
 */
export class Runner {
  #d: RunnerDependencies;
  #descriptions: Descriptions;
  /** Where the statement under way is run as it tells of last ids; null: it does not. */
  #placed: readonly number[] | null = null;

  constructor(dependencies: RunnerDependencies) {
    this.#d = dependencies;
    const { state, context } = dependencies;
    this.#descriptions = new Descriptions(state, context, (plan) => this.#cursorShard(plan));
  }

  async run(execution: Execution, watch: PlanWatch): Promise<void> {
    const { plan, sql } = execution;
    const { state, client } = this.#d;
    const { routes } = this.#d.context.counters;
    if (plan.op === 'session' && plan.action.action === 'transaction') {
      routes.command += 1;
      const write = (bytes: Buffer) => client.write(bytes);
      return runTransactionCommand(plan.action.command, sql, state, write);
    }
    if (plan.op === 'empty') {
      client.write(EMPTY_QUERY_RESPONSE);
      return;
    }
    if (state.transaction?.state === 'failed' && !isUnreadable(plan)) throw inFailedTransaction();
    if (plan.op === 'refused') throw new SqlError(plan.error);
    if (plan.op === 'sequence') throw new Error('a sequence is run part by part');
    if (plan.op === 'session') {
      routes.local += 1;
      const { action } = plan;
      if (state.transaction !== null) state.transaction.owesSnapshot ||= isInBlock(plan);
      if (isPreparedAction(action)) return runPreparedAction(action, execution, this, this.#d);
      const { result, tag } = await runSessionAction(plan.action, state, this.#d.context);
      if (result !== null) {
        const gathered = encodeLocalResult(result, execution.resultFormats);
        return answerGathered({ ...gathered, tag }, execution, this.#d);
      }
      client.write(encodeCommandComplete(tag));
      return;
    }
    await this.#routed(execution, plan, watch);
  }

  async #routed(execution: Execution, plan: RoutedPlan, watch: PlanWatch): Promise<void> {
    const { state } = this.#d;
    if (isSettingAction(plan.action)) {
      return runSettingAction(plan.action, execution.sql, state, (connection) =>
        relayExecution(this.#d, execution, connection),
      );
    }
    if (plan.action?.action === 'importSnapshot') {
      return importSnapshot(plan.action.id, this.targets(execution, plan), this.#d);
    }
    if (plan.action?.action === 'backend' && state.backends !== null) {
      const value = await backendAnswer(plan.action, execution, state.backends);
      if (value !== null) return this.#tell(value, execution, plan);
    }
    if (plan.asked !== null) return this.#withAnswers(execution, plan.asked, watch);
    if (state.transaction === null) this.#d.context.counters.transactions += 1;
    this.#placed =
      plan.action?.action === 'lastIds'
        ? await state.lastIds.placed({ ...execution, plan }, this.targets(execution, plan))
        : null;
    if (this.#placed === null || plan.route.kind !== 'any') state.lastIds.beginning(plan.takesIds);
    state.pins.doubt(plan.verb === 'DROP' ? ['temporary table'] : plan.releases);
    state.planWatch = watch;
    try {
      await this.#withPins(execution, plan);
    } finally {
      state.planWatch = null;
    }
  }

  async #withAnswers(
    execution: Execution,
    asked: ClusterQuestion,
    watch: PlanWatch,
  ): Promise<void> {
    const { state, context, relay } = this.#d;
    const told = await withClusterAnswers(execution, asked, state, context);
    const rewritten = { written: execution.sql, sent: told.sql };
    relay.rewritten = rewritten;
    try {
      await this.#routed(told, told.plan, watch);
    } catch (error) {
      throw thrownInWritten(error, rewritten);
    } finally {
      relay.rewritten = null;
    }
  }

  async #withPins(execution: Execution, plan: RoutedPlan): Promise<void> {
    const { state } = this.#d;
    const isLeft = (pin: PinReason) => pin === 'set_config' || plan.releases.includes(pin);
    const reasons = plan.pins.filter(isLeft);
    if (reasons.length === 0) return this.#onTargets(execution, plan);
    const { owner } = this.#d;
    for (const each of state.transaction?.participants.values() ?? []) {
      state.pins.add(each, reasons, owner);
    }
    state.leaves = { reasons, owner };
    try {
      await this.#onTargets(execution, plan);
    } finally {
      state.leaves = null;
      if (reasons.includes('temporary table')) state.hidden.forget();
    }
  }

  async #onTargets(execution: Execution, plan: RoutedPlan): Promise<void> {
    const { state } = this.#d;
    if (plan.merge?.how === 'everywhere') {
      await takeSnapshot(plan, true, state, this.#d.context);
      state.settlePlan();
      return runEverywhere(execution, plan.merge, this.#d);
    }
    const cursor = mergedCursorOf(plan, state);
    if (cursor !== null) return runMergedCursor(execution, plan, cursor, this.#d);
    const targets = this.#placed ?? this.targets(execution, plan);
    const how = plan.merge?.how;
    const alone =
      onlyTarget(plan, targets) !== null &&
      !MORE_THAN_TEXT.has(how ?? '') &&
      !(isBinaryCopy(plan) && this.#d.context.cluster.oids[targets[0]!]!.mapping !== null);
    if (this.#placed !== null && !alone) throw new SqlError(refused('sequenceMemory'));
    await takeSnapshot(plan, !alone, state, this.#d.context);
    if (alone) this.#d.context.counters.routes.careful += 1;
    const isHome = plan.route.kind === 'home' || how === 'makeTable';
    const changesHome = plan.effect === 'ddl' && isHome;
    const spread = changesHome ? await spreadAtHome(state, this.#d.context) : [];
    if (alone) await this.#alone(execution, plan, targets[0]!);
    else await this.#several(execution, plan, targets);
    state.planWatch = null;
    const { takesIds } = plan;
    if (takesIds?.when === 'there' && alone) state.lastIds.taken(targets[0]!, takesIds);
    else if (takesIds?.when === 'before') state.lastIds.name(takesIds);
    else if (plan.effect !== 'read' && takesIds?.columns.length !== 0) state.lastIds.forget();
    if (changesHome) await keepHome(spread, state, this.#d.context);
    if (plan.effect === 'ddl') state.noteSchemaChange();
    await state.publishSchemaChange();
  }

  async #alone(execution: Execution, plan: RoutedPlan, shard: number): Promise<void> {
    const { state, context } = this.#d;
    const { sql: written } = execution;
    if (!isLate(plan, written, shard, state)) return runSingle(execution, plan, shard, this.#d);
    const sql = await lateText(execution, plan, state, context);
    const { relay } = this.#d;
    if (sql !== written) relay.rewritten = { written, sent: sql };
    try {
      await runSingle({ ...execution, sql }, plan, shard, this.#d);
    } finally {
      relay.rewritten = null;
    }
  }

  /** Answers with one value of the proxy's own. */
  async #tell(value: BackendValue, execution: Execution, plan: RoutedPlan): Promise<void> {
    const { sql, parameters } = execution;
    this.#d.context.counters.routes.local += 1;
    const description = await this.description(plan, sql, parameters.types);
    await answerValue(value, execution, description, this.#d);
  }

  /** The shards of this execution, by hand or by its route. */
  targets(execution: Execution, plan: RoutedPlan): readonly number[] {
    const { state, context } = this.#d;
    const { transaction } = state;
    const shard = this.#cursorShard(plan);
    if (shard !== undefined) return [shard];
    if (plan.route.kind === 'any' && transaction !== null) {
      const [joined] = transaction.participants.keys();
      if (joined !== undefined) return [joined];
    }
    return targetsOf(plan.route, execution.values, context.topology());
  }

  #cursorShard({ action }: RoutedPlan): number | undefined {
    if (!isCursorUse(action) || action.name === null) return undefined;
    const cursor = this.#d.state.cursor(action.name);
    // As part of another statement; by itself it is run where its row is.
    if (cursor?.on === 'shards') throw new SqlError(severalShards('currentOf'));
    if (cursor === undefined) return portalShard(action.name, this.#d.state);
    if (cursor.on !== 'shard') return undefined;
    const isElsewhere = action.verb === 'current' && action.atHome && cursor.shard !== HOME_SHARD;
    if (isElsewhere) throw new SqlError(severalShards('currentOf'));
    return cursor.shard;
  }

  async #several(
    execution: Execution,
    plan: RoutedPlan,
    targets: readonly number[],
  ): Promise<void> {
    const { state, context } = this.#d;
    const told = await withTimeWords(execution, true, state, context);
    const exact =
      told === execution
        ? { ...execution, plan: this.#exactPlan(execution, plan) }
        : plannedAnew(told, state, context);
    // The others have the time as a parameter, or are timed where they are run.
    const parts = await this.#timed(exact);
    try {
      await this.#merged(parts, execution, plan, targets);
    } catch (error) {
      throw thrownInWritten(error, { written: execution.sql, sent: parts.sql });
    }
  }

  /** `parts`: the client's statement with what it means on several shards. */
  async #merged(
    parts: RoutedExecution,
    execution: Execution,
    plan: RoutedPlan,
    targets: readonly number[],
  ): Promise<void> {
    const { merge, refusal } = parts.plan;
    if (merge === null) throw new SqlError(refusal ?? NOT_MERGEABLE);
    this.#d.context.counters.several(merge.how);
    if (merge.how === 'copyIn' || merge.how === 'copyOut') {
      await runCopy(this.#d, parts, merge, targets, () => this.connections(targets));
    } else if (isWriting(merge)) {
      await runWrite({ d: this.#d, runner: this, execution: parts, merge, targets });
    } else if (merge.how === 'explain') {
      const description = await this.description(plan, execution.sql, execution.parameters.types);
      const run = { execution, merge, description, targets, runner: this };
      await runExplain(this.#d, run);
    } else if (merge.how === 'engineCopy') {
      await runEngineCopy(merge, parts, this.#d);
    } else if (merge.how === 'cursor') {
      const description = await this.description(plan, execution.sql, execution.parameters.types);
      await declareCursor({ d: this.#d, execution: parts, merge, description, targets });
    } else if (merge.how === 'exportSnapshot') {
      const description = await this.description(plan, execution.sql, execution.parameters.types);
      await exportSnapshot(execution, description, this.#d);
    } else if (merge.how === 'setval') {
      const description = await this.description(plan, execution.sql, execution.parameters.types);
      await runSetval({ d: this.#d, runner: this, execution, description }, merge);
    } else if (merge.how !== 'everywhere') {
      await this.#gather(parts, merge, targets);
    }
  }

  async #timed(execution: RoutedExecution): Promise<RoutedExecution> {
    const { state, context } = this.#d;
    const { tellsTime, copy, merge } = execution.plan;
    if (tellsTime && copy === 'out') return timedExecution(execution, state, context);
    if (merge?.how === 'explain') return timedExplain(execution, merge, state, context);
    return execution;
  }

  /** A plan cached by shape is enough for one shard only; several need the plan of this text. */
  #exactPlan(execution: Execution, plan: RoutedPlan): RoutedPlan {
    if (!plan.replan) return plan;
    const { context, state } = this.#d;
    const exact = context.planner.planExact(execution.sql, context.topology(), state.searchPath);
    if (exact.op === 'refused') throw new SqlError(exact.error);
    if (exact.op !== 'routed') throw new Error('a statement changed its kind between two plans');
    return exact;
  }

  /** What one server makes of the client's statement: its columns, its parameters' types. */
  description(plan: Plan, sql: string, parameterTypes: readonly number[]): Promise<Description> {
    return this.#descriptions.of(plan, sql, parameterTypes);
  }

  async #gather(
    execution: Execution & { readonly plan: RoutedPlan },
    merge: ConcatMerge | AggregateMerge | EngineMerge,
    targets: readonly number[],
  ): Promise<void> {
    const { context, state } = this.#d;
    const { plan, sql, parameters, resultFormats } = execution;
    const description = await this.description(plan, sql, parameters.types);
    const running = await openGatherRun({
      execution,
      merge,
      description,
      state,
      context,
      connections: () => this.connections(targets),
    });
    try {
      await state.settleRead();
    } catch (error) {
      await closeRunning(running);
      throw error;
    }
    await answerRows(running, formattedFields(description, resultFormats), execution, this.#d);
  }

  /** One connection a target, all or none: those of the transaction, or borrowed. */
  async connections(
    targets: readonly number[],
  ): Promise<{ connections: ServerConnection[]; release: () => void }> {
    const { state } = this.#d;
    const { transaction } = state;
    const connections: ServerConnection[] = [];
    const release = () => {
      if (transaction === null) for (const each of connections) state.giveBack(each);
    };
    try {
      for (const shard of targets) {
        connections.push(
          transaction === null
            ? await state.borrow(shard, state.settings.current)
            : await transaction.enlist(shard),
        );
      }
    } catch (error) {
      release();
      throw error;
    }
    return { connections, release };
  }
}
