// PREPARE, EXECUTE and DEALLOCATE over the session's prepared statements.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { constantParameter } from '../execute/constant-parameter.ts';
import type { BoundParameters } from '../execute/parameters.ts';
import type { SessionAction } from '../plan/action.ts';
import type { Plan } from '../plan/plan.ts';
import type { Step } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { encodeBind, encodeDescribe, encodeExecute, SYNC } from '../wire/extended.ts';
import { encodeCommandComplete } from '../wire/query.ts';
import { prepare } from './batch-route.ts';
import type { ClientStream } from './client-stream.ts';
import type { SessionContext } from './context.ts';
import type { Execution } from './execution.ts';
import { handPlan } from './hand.ts';
import { PlanWatch } from './plan-watch.ts';
import {
  checkColumns,
  columnsOf,
  currentPlan,
  type PreparedStatement,
  StatementValues,
  serverParse,
} from './prepared.ts';
import { checkDates } from './prepared-dates.ts';
import type { Runner } from './runner.ts';
import { movedError } from './session-errors.ts';
import type { SessionState } from './state.ts';

export type PreparedAction = Extract<
  SessionAction,
  { action: 'prepare' | 'execute' | 'deallocate' }
>;

export function isPreparedAction(action: SessionAction): action is PreparedAction {
  const { action: name } = action;
  return name === 'prepare' || name === 'execute' || name === 'deallocate';
}

export interface PreparedDependencies {
  readonly context: SessionContext;
  readonly state: SessionState;
  readonly client: ClientStream;
}

/** Answers as PostgreSQL does, but for ReadyForQuery. Throws what the client is to be told. */
export async function runPreparedAction(
  action: PreparedAction,
  asked: Execution,
  runner: Runner,
  d: PreparedDependencies,
): Promise<void> {
  switch (action.action) {
    case 'prepare':
      await define(action, runner, d);
      d.client.write(encodeCommandComplete('PREPARE'));
      return;
    case 'deallocate':
      d.client.write(encodeCommandComplete(deallocate(action.name, d.state)));
      return;
    case 'execute':
      await execute(action, asked, runner, d);
  }
}

/** The statement that EXECUTE names. Throws 26000. */
function preparedStatement(name: string, state: SessionState): PreparedStatement {
  const statement = name === '' ? undefined : state.statements.get(name);
  if (statement !== undefined) return statement;
  throw new SqlError({
    code: SQLSTATE.invalidSqlStatementName,
    message: `prepared statement "${name}" does not exist`,
  });
}

async function define(
  { name, before, sql, parameterTypes }: Extract<PreparedAction, { action: 'prepare' }>,
  runner: Runner,
  { state, context }: PreparedDependencies,
): Promise<void> {
  if (state.statements.has(name)) {
    throw new SqlError({
      code: SQLSTATE.duplicatePreparedStatement,
      message: `prepared statement "${name}" already exists`,
    });
  }
  const statement = prepare({ name, sql, parameterTypes }, state, context);
  const { plan } = statement.planned;
  if (plan.op === 'refused') throw new SqlError(plan.error);
  // The server's own judgement of the text comes now, as it does on one PostgreSQL.
  try {
    const { fields } = await runner.description(plan, sql, parameterTypes);
    statement.columns = columnsOf(fields);
  } catch (error) {
    throw movedError(error, before);
  }
  state.statements.set(name, statement);
}

function deallocate(name: string | null, state: SessionState): string {
  if (name !== null) {
    preparedStatement(name, state);
    state.statements.delete(name);
    return 'DEALLOCATE';
  }
  for (const each of [...state.statements.keys()]) if (each !== '') state.statements.delete(each);
  return 'DEALLOCATE ALL';
}

async function execute(
  { name, args, before }: Extract<PreparedAction, { action: 'execute' }>,
  asked: Execution,
  runner: Runner,
  { state, context }: PreparedDependencies,
): Promise<void> {
  const statement = preparedStatement(name, state);
  if ((asked.extended?.maxRows ?? 0) > 0) throw noRowLimit();
  const { parameterTypes } = statement;
  const sql = before + statement.sql;
  const planNow = () => {
    const { searchPath } = state;
    const { plan, literals } =
      before === ''
        ? currentPlan(statement, context.planner, context.topology(), searchPath)
        : context.planner.plan(sql, context.topology(), searchPath);
    return { plan: handPlan(sql, plan, state, context), literals };
  };
  checkDates(statement, state);
  const { plan, literals } = planNow();
  const watch = new PlanWatch(context, plan, () => planNow().plan);
  const described = await runner.description(plan, sql, parameterTypes);
  const types = described.parameterTypes;
  // Where it takes none PostgreSQL does not look at what is given. Source: ExecuteQuery() of prepare.c.
  const { length } = types;
  if (length > 0 && args.length !== length) throw wrongCount(name, length, args.length);
  const parameters: BoundParameters = {
    values: types.map((type, i) => constantParameter(args[i]!, type, i)),
    formats: [],
    types,
  };
  if (before === '') checkColumns(statement, described.fields);
  const describes = asked.extended === null;
  const { resultFormats } = asked;
  const answersRows = described.fields !== null;
  const open = {
    portal: { statement: { ...statement, sql }, parameters, resultFormats },
    shard: null,
    isApart: false,
    running: null,
    ended: null,
    savepoints: 0,
  };
  const execution = {
    sql,
    plan,
    values: new StatementValues(literals, parameters),
    parameters,
    resultFormats,
    extended: {
      open,
      maxRows: 0,
      afterCopy: 'none' as const,
      describes,
      encode: (connection: ServerConnection, text: string) =>
        encodeRun(
          { ...statement, sql: text },
          connection,
          parameters,
          resultFormats,
          describes && answersRows,
        ),
    },
  };
  await runner.run(execution, watch);
  if (asked.extended !== null && answersRows) {
    asked.extended.open.ended = open.ended ?? { tag: tagOfNone(plan) };
  }
}

/** What one server calls no rows of the statement, which is one that PREPARE takes, or its EXPLAIN. */
function tagOfNone({ verb }: Plan): string {
  if (verb === 'EXPLAIN') return verb;
  return verb === 'INSERT' ? 'INSERT 0 0' : `${verb} 0`;
}

/** What runs the statement once on a server, described or not. */
function encodeRun(
  statement: PreparedStatement,
  connection: ServerConnection,
  { values, types }: BoundParameters,
  resultFormats: readonly number[],
  describes: boolean,
): { bytes: Buffer; steps: readonly Step[] } {
  const forward: Step = { do: 'forward', done: null };
  const swallow: Step = { do: 'swallow', done: null };
  const bind = { portal: '', statement: '', parameterFormats: [], parameters: values };
  // Oids in values of the binary format are found by the columns' types.
  const carries = connection.oids.mapping !== null && resultFormats.includes(1);
  const messages = [
    serverParse({ ...statement, parameterTypes: types }, '', connection),
    encodeBind({ ...bind, resultFormats }),
    ...(describes || carries ? [encodeDescribe({ target: 'portal', name: '' })] : []),
    encodeExecute({ portal: '', maxRows: 0 }),
    SYNC,
  ];
  const steps = [swallow, swallow, ...(describes ? [forward] : carries ? [swallow] : []), forward];
  return { bytes: Buffer.concat(messages), steps };
}

function wrongCount(name: string, expected: number, given: number): SqlError {
  return new SqlError({
    code: SQLSTATE.syntaxError,
    message: `wrong number of parameters for prepared statement "${name}"`,
    detail: `Expected ${expected} parameters but got ${given}.`,
  });
}

function noRowLimit(): SqlError {
  return new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: 'EXECUTE with a row limit of the protocol',
    hint: 'Ask for all rows, or bind the prepared statement itself.',
  });
}
