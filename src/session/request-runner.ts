// RequestRunner: runs a client's Query or batch the careful way, one statement after the other.

import { asSqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { NO_PARAMETERS } from '../execute/parameters.ts';
import type { Plan, SequencePlan } from '../plan/plan.ts';
import type { Planned } from '../plan/planner.ts';
import { ServerError } from '../pool/query.ts';
import { tokenize } from '../sql/token.ts';
import { encodeErrorResponse } from '../wire/error-response.ts';
import type { BatchMessage } from './batch.ts';
import type { OneShardBatch } from './batch-route.ts';
import { BatchRunner } from './batch-runner.ts';
import type { RunnerDependencies } from './execution.ts';
import { callFunction } from './function-call.ts';
import { handPlan } from './hand.ts';
import { lookForHidden } from './hidden-tables.ts';
import { Listening } from './listening.ts';
import { PlanWatch, whilePlanHolds } from './plan-watch.ts';
import { StatementValues } from './prepared.ts';
import { Runner } from './runner.ts';
import { isInBlock } from './session-actions.ts';
import { movedError } from './session-errors.ts';
import { ErrorPassedOn } from './single.ts';

function unknownTablesOf(plan: Plan): readonly string[] {
  if (plan.op === 'sequence') return plan.parts.flatMap((part) => unknownTablesOf(part.plan));
  return plan.op === 'routed' ? plan.unknownTables : [];
}

/** The text of a Query message. */
const sqlOf = (message: Buffer): string => message.toString('utf8', 5, message.length - 1);

/** Everything but ReadyForQuery is its business. */
export class RequestRunner {
  #d: RunnerDependencies;
  #runner: Runner;
  #batchRunner: BatchRunner;
  #listening = new Listening();

  constructor(dependencies: RunnerDependencies) {
    this.#d = dependencies;
    this.#runner = new Runner(dependencies);
    const { context, state, client } = dependencies;
    this.#batchRunner = new BatchRunner(context, state, client, this.#runner);
  }

  /** Throws what the client is to be told; see `report`. */
  async runQuery(sql: string): Promise<void> {
    const { context, state } = this.#d;
    await state.closePortal('');
    await whilePlanHolds(context, state, async () => {
      const { plan, literals, watch } = await this.#plan(sql);
      if (plan.op === 'sequence') await this.#runSequence(sql, plan.parts);
      else await this.#runStatement(sql, plan, literals, watch);
    });
  }

  async #runSequence(sql: string, parts: SequencePlan['parts']): Promise<void> {
    try {
      await this.#runParts(sql, parts);
    } catch (error) {
      throw movedError(error, this.#d.relay.textBefore);
    } finally {
      this.#d.relay.textBefore = '';
    }
  }

  async #runParts(sql: string, parts: SequencePlan['parts']): Promise<void> {
    const { context, state, relay } = this.#d;
    const { version } = context.topology();
    const { searchPath } = state;
    const planOf = (part: SequencePlan['parts'][number]) => {
      // A part before this one may have changed the schema, the search path, or the route by hand.
      const isOld = context.topology().version !== version || state.searchPath !== searchPath;
      const own = isOld
        ? context.planner.planExact(part.sql, context.topology(), state.searchPath)
        : part.plan;
      return handPlan(part.sql, own, state, context);
    };
    let end = 0;
    for (const part of parts) {
      const start = sql.indexOf(part.sql, end);
      end = start + part.sql.length;
      relay.textBefore = sql.slice(0, start);
      await whilePlanHolds(context, state, async () => {
        await lookForHidden(state, context);
        const plan = planOf(part);
        const watch = new PlanWatch(context, plan, () => planOf(part));
        // Several statements in one string are one transaction, unless they say otherwise.
        if (isInBlock(plan) && state.transaction === null) state.begin('BEGIN', true);
        await this.#runStatement(part.sql, plan, null, watch);
      });
    }
  }

  /** A table that is not known may have been made a moment ago, past this proxy. */
  async #plan(sql: string): Promise<Planned & { readonly watch: PlanWatch }> {
    const { context, state } = this.#d;
    await lookForHidden(state, context);
    const planNow = (): Planned => {
      const planned = context.planner.plan(sql, context.topology(), state.searchPath);
      if (planned.plan.op === 'sequence') return planned;
      return { ...planned, plan: handPlan(sql, planned.plan, state, context) };
    };
    const watched = (planned: Planned) => ({
      ...planned,
      watch: new PlanWatch(context, planned.plan, () => planNow().plan),
    });
    const planned = planNow();
    const unknown = unknownTablesOf(planned.plan);
    if (unknown.length === 0 || state.pins.has('temporary table')) return watched(planned);
    await context.lookFor(unknown);
    return watched(planNow());
  }

  /** `synced`: Sync follows the messages. */
  runBatch(messages: readonly BatchMessage[], synced: boolean): Promise<void> {
    return this.#batchRunner.run(messages, synced);
  }

  /** What the relay lane could not do. */
  runAgain(content: Buffer | OneShardBatch): Promise<void> {
    if (!Buffer.isBuffer(content)) return this.runBatch(content.messages, true);
    return this.runQuery(sqlOf(content));
  }

  /** A FunctionCall message. */
  callFunction(bytes: Buffer): Promise<void> {
    return callFunction(bytes, this.#d);
  }

  /** Sync, or the end of a Query: what was implicitly begun ends here. */
  async end(): Promise<void> {
    const { state } = this.#d;
    const { transaction } = state;
    if (transaction === null) {
      await state.closePortals();
    } else if (transaction.implicit) {
      this.#d.context.counters.transactions += 1;
      await state.endTransaction(transaction.state === 'failed' ? 'rollback' : 'commit');
    }
    if (state.transaction !== null) return;
    await this.#listening.settle(state, this.#d.context, this.#d.owner);
    await state.pins.settle();
  }

  /** Tells the client, unless it knows, and puts an open transaction into the failed state. */
  report(error: unknown): void {
    const { state, client, context } = this.#d;
    if (state.transaction !== null) state.transaction.state = 'failed';
    if (error instanceof ErrorPassedOn) return;
    if (error instanceof ServerError) {
      const { breaking } = state;
      const isCanceled = error.fields.code === SQLSTATE.queryCanceled;
      client.write(encodeErrorResponse(isCanceled && breaking !== null ? breaking : error.fields));
      return;
    }
    const known = asSqlError(error);
    context.counters.failed(known.code);
    if (known !== error) context.log.error({ err: error }, 'a statement met a defect');
    client.write(encodeErrorResponse(known));
  }

  async #runStatement(
    sql: string,
    plan: Plan,
    literals: readonly string[] | null,
    watch: PlanWatch,
  ): Promise<void> {
    const values = new StatementValues(literals, NO_PARAMETERS);
    await this.#runner.run(
      {
        sql,
        plan: withoutParameters(plan, sql),
        values,
        parameters: NO_PARAMETERS,
        resultFormats: [],
        extended: null,
      },
      watch,
    );
  }
}

/** Of these the text may name parameters: EXPLAIN (GENERIC_PLAN), and routines in what runs everywhere. */
const MAY_NAME_PARAMETERS: ReadonlySet<string> = new Set(['explain', 'everywhere']);

/** A simple Query gives none: for a statement that names one, a server's error says so (42P02), and where. */
function withoutParameters(plan: Plan, sql: string): Plan {
  if (plan.op !== 'routed' || (plan.merge === null && !plan.replan)) return plan;
  if (MAY_NAME_PARAMETERS.has(plan.merge?.how ?? '') || !sql.includes('$')) return plan;
  if (tokenize(sql)?.some(({ kind }) => kind === 'parameter') !== true) return plan;
  const nothing = { merge: null, fallback: null, refusal: null, clock: null, strays: null };
  return { ...plan, route: { kind: 'home' }, replan: false, ...nothing };
}
