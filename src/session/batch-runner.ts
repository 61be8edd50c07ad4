// BatchRunner: an extended batch, message by message, where no single server can answer it whole.

import { protocolViolation, SqlError } from '../base/errors.ts';
import { quoteName } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { formattedFields } from '../execute/gather.ts';
import { namesTypes, valuesOn } from '../execute/parameters.ts';
import type { Plan } from '../plan/plan.ts';
import { query } from '../pool/query.ts';
import type { Step } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import {
  BIND_COMPLETE,
  CLOSE_COMPLETE,
  encodeBind,
  encodeDescribe,
  encodeExecute,
  encodeParameterDescription,
  NO_DATA,
  PARSE_COMPLETE,
  SYNC,
} from '../wire/extended.ts';
import { encodeCommandComplete } from '../wire/query.ts';
import { encodeRowDescription, type FieldDescription } from '../wire/row.ts';
import type { BatchMessage } from './batch.ts';
import { prepare } from './batch-route.ts';
import type { ClientStream } from './client-stream.ts';
import type { SessionContext } from './context.ts';
import { closeCursor, describeCursor, executesCursor, noPortal } from './cursor-portal.ts';
import { isUnreadable } from './descriptions.ts';
import { handPlan } from './hand.ts';
import { lookForHidden } from './hidden-tables.ts';
import { localFields } from './local-result.ts';
import { PlanWatch, whilePlanHolds } from './plan-watch.ts';
import { sendRows } from './portal-rows.ts';
import {
  checkColumns,
  columnsOf,
  currentPlan,
  mayHaveOtherColumns,
  type Portal,
  type PreparedStatement,
  portalOf,
  StatementValues,
  serverParse,
} from './prepared.ts';
import { checkDates } from './prepared-dates.ts';
import type { AfterCopy } from './relay.ts';
import type { Runner } from './runner.ts';
import { discardsAll, isInBlock, looksAlone } from './session-actions.ts';
import { showColumns } from './show.ts';
import type { OpenPortal, SessionState } from './state.ts';
import { tableKindColumns } from './table-kind.ts';
import { inFailedTransaction } from './transaction-commands.ts';

interface StatementDescription {
  readonly parameterTypes: readonly number[];
  readonly fields: readonly FieldDescription[] | null;
}

/**
 * Runs one segment after the other of a batch. The segments of a batch that executes more than one
 * statement share an implicit transaction, as PostgreSQL gives them; Sync ends it.
 */
export class BatchRunner {
  #context: SessionContext;
  #state: SessionState;
  #client: ClientStream;
  #runner: Runner;
  #afterCopy: AfterCopy = 'none';

  constructor(context: SessionContext, state: SessionState, client: ClientStream, runner: Runner) {
    this.#context = context;
    this.#state = state;
    this.#client = client;
    this.#runner = runner;
  }

  /** `synced`: Sync follows, so nothing more can join these messages. Throws at the first error. */
  async run(messages: readonly BatchMessage[], synced: boolean): Promise<void> {
    const executes = messages.filter((message) => message.kind === 'execute').length;
    const several = executes > 1 || (executes === 1 && !synced);
    this.#afterCopy = synced ? 'clientSync' : 'ownSync';
    for (const message of messages) await this.#message(message, several);
  }

  async #message(message: BatchMessage, several: boolean): Promise<void> {
    await this.#context.hold.ended();
    await lookForHidden(this.#state, this.#context);
    switch (message.kind) {
      case 'parse':
        return this.#parse(message);
      case 'bind':
        return this.#bind(message);
      case 'describe':
        return message.describe.target === 'statement'
          ? this.#describeStatement(this.#statement(message.describe.name))
          : this.#describePortal(message.describe.name);
      case 'execute':
        return whilePlanHolds(this.#context, this.#state, async () => {
          await lookForHidden(this.#state, this.#context);
          await this.#execute(message.execute.portal, message.execute.maxRows, several);
        });
      case 'close':
        return this.#close(message.close.target, message.close.name);
    }
  }

  async #parse(message: BatchMessage & { kind: 'parse' }): Promise<void> {
    const { name } = message.parse;
    const { statements } = this.#state;
    if (name === '') statements.delete('');
    const statement = prepare(message.parse, this.#state, this.#context);
    let plan = this.#plan(statement);
    this.#refuseInFailed(plan);
    const unknown = plan.op === 'routed' ? plan.unknownTables : [];
    if (unknown.length > 0 && !this.#state.pins.has('temporary table')) {
      // They may have been made a moment ago, past this proxy.
      await this.#context.lookFor(unknown);
      plan = this.#plan(statement);
    }
    if (plan.op === 'refused') throw new SqlError(plan.error);
    if (plan.op === 'sequence') throw severalCommands();
    // The server's own judgement of the text comes now, as it does on one PostgreSQL.
    const { fields } = await this.#describe(statement);
    statement.columns = columnsOf(fields);
    statement.columnsPlan = statement.planned.plan;
    if (statements.has(name)) {
      throw new SqlError({
        code: SQLSTATE.duplicatePreparedStatement,
        message: `prepared statement "${name}" already exists`,
      });
    }
    statements.set(name, statement);
    this.#client.write(PARSE_COMPLETE);
  }

  async #bind(message: BatchMessage & { kind: 'bind' }): Promise<void> {
    const { bind } = message;
    const statement = this.#statement(bind.statement);
    const plan = this.#plan(statement);
    const given = bind.parameters.length;
    if (given > 0 && takesNoParameters(plan)) throw needsNoParameters(given, bind.statement);
    this.#refuseInFailed(plan, true);
    checkDates(statement, this.#state);
    await this.#refuseOtherColumns(statement, plan);
    const { portals } = this.#state;
    const isTaken = portals.has(bind.portal) || this.#state.cursor(bind.portal) !== undefined;
    if (bind.portal !== '' && isTaken) {
      throw new SqlError({
        code: SQLSTATE.duplicateCursor,
        message: `cursor "${bind.portal}" already exists`,
      });
    }
    await this.#state.closePortal(bind.portal);
    portals.set(bind.portal, {
      portal: await this.#typed(portalOf(statement, bind)),
      shard: null,
      isApart: false,
      running: null,
      ended: null,
      savepoints: this.#state.savepoints,
    });
    this.#client.write(BIND_COMPLETE);
  }

  /** Drivers read rows as the columns that they were told of when they prepared the statement. */
  async #refuseOtherColumns(statement: PreparedStatement, plan: Plan): Promise<void> {
    if (!mayHaveOtherColumns(statement)) return;
    if (plan.op !== 'routed' || plan.action !== null) return;
    const current = statement.planned.plan;
    const { fields } = await this.#describe(statement);
    checkColumns(statement, fields);
    statement.columnsPlan = current;
  }

  /** With the types of parameters that name types: elsewhere these have other numbers. */
  async #typed(portal: Portal): Promise<Portal> {
    const { statement, parameters } = portal;
    const { values, formats } = parameters;
    const participants = this.#state.transaction?.participants.values() ?? [];
    const all = [...this.#context.cluster.oids, ...[...participants].map(({ oids }) => oids)];
    if (!all.some((oids) => namesTypes(oids, values, formats))) return portal;
    const { parameterTypes: types } = await this.#describe(statement);
    return { ...portal, parameters: { ...parameters, types } };
  }

  async #describeStatement(statement: PreparedStatement): Promise<void> {
    const description = await this.#describe(statement);
    this.#refuseDescription(description);
    const { parameterTypes, fields } = description;
    this.#client.write(encodeParameterDescription([...parameterTypes]));
    this.#client.write(fields === null ? NO_DATA : encodeRowDescription([...fields]));
  }

  async #describePortal(name: string): Promise<void> {
    const open = this.#state.portals.get(name);
    if (open === undefined) return this.#describeCursor(name);
    const { portal } = open;
    const description = await this.#describe(portal.statement);
    this.#refuseDescription(description);
    const { parameterTypes, fields } = description;
    const formatted = formattedFields({ parameterTypes, fields }, portal.resultFormats);
    this.#client.write(fields === null ? NO_DATA : encodeRowDescription(formatted));
  }

  async #describeCursor(name: string): Promise<void> {
    const describe: Runner['description'] = (...of) => this.#runner.description(...of);
    const fields = await describeCursor(name, this.#state, this.#context, describe);
    if (fields === null) throw noPortal(name);
    this.#client.write(encodeRowDescription([...fields]));
  }

  async #describe(statement: PreparedStatement): Promise<StatementDescription> {
    const plan = this.#plan(statement);
    if (plan.op === 'session' && plan.action.action === 'tableKind') {
      return { parameterTypes: [], fields: localFields(tableKindColumns(plan.action), []) };
    }
    if (plan.op === 'session' && plan.action.action === 'showRoute') {
      return { parameterTypes: [], fields: localFields(showColumns(plan.action.name), []) };
    }
    if (plan.op === 'session' && plan.action.action === 'execute') {
      const prepared = this.#state.statements.get(plan.action.name);
      // That there is none is told when it is executed.
      if (prepared === undefined) return { parameterTypes: [], fields: null };
      const { before } = plan.action;
      const { fields } =
        before === ''
          ? await this.#describe(prepared)
          : await this.#runner.description(plan, before + prepared.sql, prepared.parameterTypes);
      return { parameterTypes: [], fields };
    }
    if (plan.op !== 'routed') return { parameterTypes: [], fields: null };
    return this.#runner.description(plan, statement.sql, statement.parameterTypes);
  }

  async #execute(name: string, maxRows: number, several: boolean): Promise<void> {
    const open = this.#portal(name);
    const { portal } = open;
    const plan = this.#plan(portal.statement);
    this.#refuseInFailed(plan);
    if (open.running !== null) {
      return sendRows(open.running, open, maxRows, { client: this.#client, state: this.#state });
    }
    if (open.ended !== null && plan.op !== 'empty') return this.#executeAgain(name, open.ended);
    const { sql } = portal.statement;
    const begins = several && isInBlock(plan);
    const isFirst = begins && looksAlone(plan);
    if (begins && !isFirst && this.#state.transaction === null) this.#state.begin('BEGIN', true);
    const execution = {
      sql,
      plan,
      values: new StatementValues(portal.statement.planned.literals, portal.parameters),
      parameters: portal.parameters,
      resultFormats: portal.resultFormats,
      extended: {
        open,
        maxRows,
        afterCopy: this.#afterCopy,
        encode: (connection: ServerConnection, text: string) =>
          this.#encode(name, { open, sql: text, maxRows }, connection),
      },
    };
    const watch = new PlanWatch(this.#context, plan, () => this.#plan(portal.statement));
    await this.#runner.run(execution, watch);
    if (isFirst && this.#state.transaction === null && !discardsAll(plan)) {
      this.#state.begin('BEGIN', true);
    }
    const isHere = open.shard === null && !open.isApart && open.running === null;
    if (isHere) open.ended ??= { tag: null };
  }

  /** A portal of the proxy's own has run to its end: there are no more rows. */
  #executeAgain(name: string, { tag }: NonNullable<OpenPortal['ended']>): void {
    if (tag === null) throw cannotRunAgain(name);
    this.#client.write(encodeCommandComplete(tag));
  }

  /** What runs the portal on one server; a portal the server has already is only executed. */
  #encode(
    name: string,
    { open, sql, maxRows }: { open: OpenPortal; sql: string; maxRows: number },
    connection: ServerConnection,
  ): { bytes: Buffer; steps: readonly Step[] } {
    const { statement, parameters, resultFormats } = open.portal;
    const execute = encodeExecute({ portal: name, maxRows });
    const describe = encodeDescribe({ target: 'portal', name });
    // Oids in values of the binary format are found by the columns' types.
    const carries = connection.oids.mapping !== null && resultFormats.includes(1);
    const forward: Step = { do: 'forward', done: null };
    const swallow: Step = { do: 'swallow', done: null };
    if (open.isApart || open.shard === connection.shard.id) {
      if (!carries) return { bytes: Buffer.concat([execute, SYNC]), steps: [forward] };
      return { bytes: Buffer.concat([describe, execute, SYNC]), steps: [swallow, forward] };
    }
    const bind = encodeBind({
      portal: name,
      statement: '',
      parameterFormats: [...parameters.formats],
      parameters: valuesOn(connection, parameters),
      resultFormats: [...resultFormats],
    });
    const parse = serverParse({ ...statement, sql }, '', connection);
    return {
      bytes: Buffer.concat([parse, bind, ...(carries ? [describe] : []), execute, SYNC]),
      steps: [swallow, swallow, ...(carries ? [swallow] : []), forward],
    };
  }

  async #close(target: 'statement' | 'portal', name: string): Promise<void> {
    if (target === 'statement') this.#state.statements.delete(name);
    else await this.#closePortal(name);
    this.#client.write(CLOSE_COMPLETE);
  }

  async #closePortal(name: string): Promise<void> {
    const { portals, transaction } = this.#state;
    if (!portals.has(name)) return closeCursor(name, this.#state);
    const { shard = null, isApart = false } = portals.get(name) ?? {};
    await this.#state.closePortal(name);
    // The server lets go of one without a name when the next comes, and of all where it has failed.
    if (name === '' || transaction?.state !== 'open') return;
    const connection = isApart ? transaction.apart : transaction.participants.get(shard ?? -1);
    if (connection != null) await query(connection, `CLOSE ${quoteName(name)}`);
  }

  #plan(statement: PreparedStatement): Plan {
    const topology = this.#context.topology();
    const { plan } = currentPlan(
      statement,
      this.#context.planner,
      topology,
      this.#state.searchPath,
    );
    return handPlan(statement.sql, plan, this.#state, this.#context);
  }

  #statement(name: string): PreparedStatement {
    const statement = this.#state.statements.get(name);
    if (statement !== undefined) return statement;
    throw new SqlError({
      code: SQLSTATE.invalidSqlStatementName,
      message:
        name === ''
          ? 'unnamed prepared statement does not exist'
          : `prepared statement "${name}" does not exist`,
    });
  }

  #portal(name: string): OpenPortal {
    const open = this.#state.portals.get(name);
    if (open !== undefined) return open;
    throw this.#state.cursor(name) === undefined ? noPortal(name) : executesCursor();
  }

  /** In a failed transaction only COMMIT and ROLLBACK get any further. */
  #refuseInFailed(plan: Plan, binds = false): void {
    if (this.#state.transaction?.state !== 'failed') return;
    const action = plan.op === 'session' ? plan.action : null;
    const ends = action?.action === 'transaction' && ENDS.has(action.command.verb);
    const isEmpty = plan.op === 'empty' && !binds;
    if (!ends && !isEmpty && !isUnreadable(plan)) throw inFailedTransaction();
  }

  /** Of what gives rows. */
  #refuseDescription({ fields }: StatementDescription): void {
    if (fields !== null && this.#state.transaction?.state === 'failed') throw inFailedTransaction();
  }
}

/** No server sees it, to say so. */
const takesNoParameters = (plan: Plan): boolean =>
  plan.op === 'empty' || (plan.op === 'session' && plan.action.action === 'transaction');

const needsNoParameters = (given: number, name: string): SqlError =>
  protocolViolation(
    `bind message supplies ${given} parameters, but prepared statement "${name}" requires 0`,
  );

const ENDS: ReadonlySet<string> = new Set(['commit', 'rollback', 'rollbackTo']);

/** 55000. */
function cannotRunAgain(name: string): SqlError {
  return new SqlError({
    code: SQLSTATE.objectNotInPrerequisiteState,
    message: `portal "${name}" cannot be run`,
  });
}

function severalCommands(): SqlError {
  return new SqlError({
    code: SQLSTATE.syntaxError,
    message: 'cannot insert multiple commands into a prepared statement',
  });
}
