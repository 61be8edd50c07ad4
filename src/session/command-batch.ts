// Command batches: BEGIN, COMMIT and ROLLBACK by the extended protocol, where a batch starts with one.

import type { TransactionVerb } from '../plan/action.ts';
import { BIND_COMPLETE, NO_DATA, PARSE_COMPLETE } from '../wire/extended.ts';
import type { BatchMessage } from './batch.ts';
import { prepare } from './batch-route.ts';
import type { SessionContext } from './context.ts';
import { type PreparedStatement, portalOf } from './prepared.ts';
import type { OpenPortal, SessionState } from './state.ts';

/** The command that a batch starts with. */
export interface LeadingCommand {
  readonly command: TransactionVerb;
  readonly sql: string;
  /** What answers its messages before its Execute. */
  readonly replies: Buffer;
  /** How many messages of the batch are about it. */
  readonly length: number;
  /** Of its Parse; null: it was prepared before. */
  readonly parsed: { readonly name: string; readonly statement: PreparedStatement } | null;
  /** What is left of it when it has been executed. */
  readonly portal: OpenPortal;
}

/** So that other statements are not planned in vain. */
const COMMAND = /^\s*(begin|start|commit|end|rollback|abort)\b/i;

/**
 * [Parse,] Bind, [Describe,] Execute of a transaction command by the portal without a name. null: the
 * batch starts otherwise, or there is something wrong with it, which the careful way reports.
 */
export function leadingCommand(
  messages: readonly BatchMessage[],
  state: SessionState,
  context: SessionContext,
): LeadingCommand | null {
  const replies: Buffer[] = [];
  let parsed: LeadingCommand['parsed'] = null;
  let at = 0;
  const [first] = messages;
  if (first?.kind === 'parse') {
    const { name, sql } = first.parse;
    if (!COMMAND.test(sql) || (name !== '' && state.statements.has(name))) return null;
    parsed = { name, statement: prepare(first.parse, state, context) };
    replies.push(PARSE_COMPLETE);
    at = 1;
  }
  const binding = messages[at++];
  if (binding?.kind !== 'bind') return null;
  const { bind } = binding;
  const statement =
    parsed?.name === bind.statement ? parsed.statement : state.statements.get(bind.statement);
  const plan = statement?.planned.plan;
  if (statement === undefined || plan?.op !== 'session') return null;
  if (plan.action.action !== 'transaction' || statement.byHand || context.hold.isOn) return null;
  const { parameters, parameterFormats, resultFormats } = bind;
  if (parameters.length > 0 || parameterFormats.length > 1 || resultFormats.length > 1) return null;
  if (bind.portal !== '' || (state.portals.get('')?.running ?? null) !== null) return null;
  replies.push(BIND_COMPLETE);
  const described = messages[at];
  if (described?.kind === 'describe') {
    if (described.describe.target !== 'portal' || described.describe.name !== '') return null;
    replies.push(NO_DATA);
    at += 1;
  }
  const execution = messages[at++];
  if (execution?.kind !== 'execute' || execution.execute.portal !== '') return null;
  const fields = {
    shard: null,
    isApart: false,
    running: null,
    ended: { tag: null },
    savepoints: 0,
  };
  const portal = { portal: portalOf(statement, bind), ...fields };
  const { command } = plan.action;
  const { sql } = statement;
  return { command, sql, replies: Buffer.concat(replies), length: at, parsed, portal };
}

/** The session has the command's statement and portal from now on. */
export function noteCommand(
  { parsed, portal }: LeadingCommand,
  { statements, portals }: SessionState,
): void {
  if (parsed !== null) statements.set(parsed.name, parsed.statement);
  portals.set('', portal);
}
