// Session commands: transactions, SET, SHOW, DISCARD and routing by hand.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { handRoute } from '../sql/hand-route.ts';
import type { SetStatement, TransactionStatement, UtilityStatement } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import type { SessionAction, TransactionVerb } from './action.ts';
import type { PlanInput } from './context.ts';
import type { Plan } from './plan.ts';
import { refusedFor, routedPlan } from './routed.ts';
import type { RefusedReason } from './unsupported.ts';

export function planTransaction(statement: TransactionStatement): Plan {
  const command = transactionVerb(statement);
  if (command === null) return refusedFor('PREPARE TRANSACTION', 'prepareTransaction');
  return { op: 'session', verb: statement.verb, action: { action: 'transaction', command } };
}

function transactionVerb({
  verb,
  savepoint,
  chain,
  modes,
}: TransactionStatement): TransactionVerb | null {
  const name = savepoint ?? '';
  switch (verb) {
    case 'BEGIN':
    case 'START':
      return modes ? { verb: 'begin', modes } : { verb: 'begin' };
    case 'COMMIT':
      return { verb: 'commit', chain };
    case 'ROLLBACK':
      return { verb: 'rollback', chain };
    case 'SAVEPOINT':
      return { verb: 'savepoint', name };
    case 'RELEASE':
      return { verb: 'release', name };
    case 'ROLLBACK_TO':
      return { verb: 'rollbackTo', name };
    default:
      return null;
  }
}

/** As parse_bool (bool.c) takes them: prefixes too. */
const ON = new Set(['on', 'true', 'tru', 'tr', 't', 'yes', 'ye', 'y', '1']);

/** They last for one transaction, whatever SET says. */
const TRANSACTION_SETTINGS = new Set([
  'transaction_isolation',
  'transaction_read_only',
  'transaction_deferrable',
]);

/** Backslashes in strings, and NULL in arrays, would mean something else than to the proxy. */
const NEVER_OFF: ReadonlyMap<string, RefusedReason> = new Map([
  ['standard_conforming_strings', 'stringEscapes'],
  ['array_nulls', 'arrayNulls'],
]);

export function planSet(statement: SetStatement, input: PlanInput): Plan {
  const { form, name, values, local } = statement;
  const resets = form === 'reset' || form === 'resetAll' || form === 'default';
  if (name.startsWith('drive.')) return planHand(statement, resets);
  const verb = resets && form !== 'default' ? 'RESET' : 'SET';
  if (resets) {
    const reset: SessionAction = {
      action: 'reset',
      name: form === 'resetAll' ? null : name,
      local,
    };
    return setting(verb, reset);
  }
  const whenOff = NEVER_OFF.get(name);
  if (whenOff !== undefined && !ON.has(values[0]?.toLowerCase() ?? '')) {
    return refusedFor(verb, whenOff);
  }
  if (name === 'seed') {
    // The numbers that follow are the server connection's; to replay it would start them anew.
    return routedPlan(verb, { kind: 'home' }, 'read', { pins: ['session state'] });
  }
  if (name === 'session characteristics') {
    const modes = statement.modes.map(([mode, value]) => {
      const setting = `default_${mode}`;
      return { name: setting, assignment: `${setting} TO '${value}'` };
    });
    return setting(verb, { action: 'characteristics', modes });
  }
  // The server says what is wrong with SET LOCAL.
  if (name === 'transaction snapshot' && !local) {
    const action = { action: 'importSnapshot', id: values[0] ?? '' } as const;
    return routedPlan(verb, { kind: 'all' }, 'read', { action });
  }
  const isTransaction =
    TRANSACTION_SETTINGS.has(name) || (form === 'multi' && name.startsWith('transaction'));
  return setting(verb, {
    action: 'set',
    name,
    assignment: assignmentText(input.sql, input.tokens),
    local: local || isTransaction,
  });
}

/** SET CONSTRAINTS lasts for the transaction. */
export function planSetConstraints(input: PlanInput): Plan {
  const assignment = assignmentText(input.sql, input.tokens);
  return setting('SET', { action: 'set', name: 'constraints', assignment, local: true });
}

const setting = (verb: string, action: SessionAction): Plan =>
  routedPlan(verb, { kind: 'home' }, 'read', { action });

/** The text behind SET [SESSION | LOCAL]. */
function assignmentText(sql: string, tokens: readonly Token[]): string {
  const second = tokens[1]?.text;
  const third = tokens[2]?.text ?? '';
  const isScope = second === 'local' || second === 'session';
  const isName = second === 'session' && (third === 'authorization' || third === 'characteristics');
  return sql.slice(tokens[isScope && !isName ? 2 : 1]!.start, tokens.at(-1)!.end);
}

/** PostgreSQL keeps any setting with a dot, so that a misspelt one would change nothing, unsaid. */
function planHand({ name, values, local }: SetStatement, resets: boolean): Plan {
  if (name !== 'drive.shard' && name !== 'drive.key') {
    throw new SqlError({
      code: SQLSTATE.undefinedObject,
      message: `unrecognized configuration parameter "${name}"`,
      hint: 'Settings of the proxy itself are drive.shard and drive.key.',
    });
  }
  if (local) {
    throw new SqlError({
      code: SQLSTATE.featureNotSupported,
      message: `SET LOCAL ${name} is not supported`,
      hint: `Use SET ${name} and RESET ${name}, or a leading comment /* ${name}=… */.`,
    });
  }
  const hand = resets ? null : handRoute(name === 'drive.shard' ? 'shard' : 'key', values);
  return { op: 'session', verb: resets ? 'RESET' : 'SET', action: { action: 'routeByHand', hand } };
}

const SHOWN = new Set(['drive.shard', 'drive.key', 'drive.shards', 'drive.tables', 'drive.copied']);

export function planShow({ name }: UtilityStatement): Plan {
  const setting = name?.toLowerCase() ?? '';
  if (SHOWN.has(setting)) {
    const shown = setting as Extract<SessionAction, { action: 'showRoute' }>['name'];
    return { op: 'session', verb: 'SHOW', action: { action: 'showRoute', name: shown } };
  }
  return routedPlan('SHOW', { kind: 'home' }, 'read');
}

export function planDiscard({ name }: UtilityStatement): Plan {
  const target = (name ?? '').replace('DISCARD_', '').toLowerCase();
  const known = target as 'all' | 'plans' | 'sequences' | 'temp';
  return { op: 'session', verb: 'DISCARD', action: { action: 'discard', target: known } };
}
