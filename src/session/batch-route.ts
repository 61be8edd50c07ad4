// Batch routing: finds the one shard that can answer a whole batch, and what to send to it.

import { namesTypes } from '../execute/parameters.ts';
import type { Keeping, Plan, RoutedPlan, TakenIds } from '../plan/plan.ts';
import { targetsOf } from '../plan/route.ts';
import { hasHandRoute } from '../sql/hand-route.ts';
import { mayHoldTime } from '../sql/token.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { BindMessage, ParseMessage } from '../wire/extended.ts';
import type { BatchMessage } from './batch.ts';
import { isLate } from './clock.ts';
import type { SessionContext } from './context.ts';
import { isSeenByAll, takesSnapshot } from './one-snapshot.ts';
import {
  currentPlan,
  mayHaveOtherColumns,
  type Portal,
  type PreparedStatement,
  portalOf,
  StatementValues,
} from './prepared.ts';
import { datesOf, mayReadOtherwise } from './prepared-dates.ts';
import type { OpenPortal, SessionState } from './state.ts';
import type { StatementCost } from './statement-cost.ts';

/** A batch that one server can answer by itself, in one round trip. */
export interface OneShardBatch {
  readonly shard: number;
  readonly version: number;
  readonly writes: boolean;
  readonly takesSnapshot: boolean;
  readonly takesIds: TakenIds | null;
  readonly copies: boolean;
  /** Of the statement it executes; null where it must have a connection to itself. */
  readonly cost: StatementCost | null;
  /** See PreparedStatement. */
  readonly isRepeatable: boolean;
  readonly keeping: Keeping;
  readonly messages: readonly BatchMessage[];
  /** What its Parse messages without a name make, in their order: each takes the place of the one before. */
  readonly unnamed: readonly PreparedStatement[];
  /** The same of its Bind messages. */
  readonly bound: readonly OpenPortal[];
  /** The statements and portals the batch makes, by the client's names. */
  readonly statements: ReadonlyMap<string, PreparedStatement>;
  readonly portals: ReadonlyMap<string, OpenPortal>;
}

export function prepare(
  parse: ParseMessage,
  state: SessionState,
  context: SessionContext,
): PreparedStatement {
  const topology = context.topology();
  const { version } = topology;
  const { statementNames } = context;
  const { searchPath } = state;
  const { sql, parameterTypes } = parse;
  const planned = context.planner.plan(sql, topology, searchPath);
  const text = { sql, parameterTypes, version, searchPath };
  // What another client's Parse has made of 'now' is that client's time.
  const isOwn = mayHoldTime(sql);
  return {
    sql,
    parameterTypes,
    isNew: true,
    dates: datesOf(state),
    columns: undefined,
    columnsPlan: planned.plan,
    isRepeatable: !isOwn && (planned.literals === null || statementNames.has(text)),
    server: isOwn ? statementNames.ownStatement(version) : statementNames.statementOf(text),
    planned,
    planVersion: version,
    searchPath,
    byHand: hasHandRoute(sql),
  };
}

/** What a server can be sent as it is: no session action, no pin, no schema change or doubt. */
export function isRelayable(plan: Plan): plan is RoutedPlan {
  return (
    plan.op === 'routed' &&
    plan.action === null &&
    plan.pins.length === 0 &&
    plan.effect !== 'ddl' &&
    !plan.asIsAtHome &&
    plan.strays === null &&
    plan.merge?.how !== 'copyIn' &&
    plan.merge?.how !== 'explain' &&
    plan.merge?.how !== 'setval' &&
    !isBinaryCopy(plan) &&
    plan.unknownTables.length === 0 &&
    plan.asked === null
  );
}

/** Its values may name types, for which the shard may have other numbers. */
export function isBinaryCopy({ merge }: RoutedPlan): boolean {
  if (merge?.how === 'engineCopy') return merge.out.format === 'binary';
  return merge?.how === 'copyOut' && merge.format === 'binary';
}

/** null: the batch needs the careful way, because of several shards or of the session's state. */
export function routeBatch(
  messages: readonly BatchMessage[],
  state: SessionState,
  context: SessionContext,
): OneShardBatch | null {
  if (context.hold.isOn) return null;
  const statements = new Map<string, PreparedStatement>();
  const portals = new Map<string, OpenPortal>();
  const unnamed: PreparedStatement[] = [];
  const bound: OpenPortal[] = [];
  const closed = new Set<string>();
  let shard = -1;
  const { version } = context.topology();
  let writes = false;
  let snapshot = false;
  let copies = false;
  let takesIds: TakenIds | null = null;
  let executes = false;
  for (const message of messages) {
    let wanted = -1;
    switch (message.kind) {
      case 'parse': {
        const { name } = message.parse;
        if (name !== '' && (state.statements.has(name) || statements.has(name))) return null;
        const statement = prepare(message.parse, state, context);
        const { plan } = statement.planned;
        if (!isRelayable(plan) || statement.byHand) return null;
        if (isSeenByAll(plan, state, context)) return null;
        if (name !== '' && mayRunAnywhere(plan)) return null;
        statements.set(name, statement);
        if (name === '') unnamed.push(statement);
        snapshot ||= takesSnapshot(plan);
        break;
      }
      case 'bind': {
        const name = message.bind.statement;
        if (closed.has(name) || isTaken(message.bind.portal, state)) return null;
        const statement = statements.get(name) ?? state.statements.get(name);
        if (statement === undefined || statement.byHand) return null;
        const portal = portalOf(statement, message.bind);
        const target = shardOf(portal, state, context);
        if (mayHaveOtherColumns(statement) || mayReadOtherwise(statement, state)) return null;
        if (target < 0 || mustBeTyped(message.bind, target, state, context)) return null;
        wanted = target;
        snapshot ||= takesSnapshot(statement.planned.plan);
        const { savepoints } = state;
        const fields = { shard: target, isApart: false, running: null, ended: null, savepoints };
        const open = { portal, ...fields };
        portals.set(message.bind.portal, open);
        bound.push(open);
        break;
      }
      case 'execute':
      case 'describe': {
        const name = portalName(message);
        const open = name === null ? null : (portals.get(name) ?? state.portals.get(name));
        if (open === undefined) return null;
        if (open === null) {
          const described = closed.size > 0 ? null : describedBy(message, statements, state);
          if (described === null || isSeenByAll(described, state, context)) return null;
          // A server that does not have the statement parses it, and looks.
          snapshot ||= takesSnapshot(described);
          break;
        }
        if (open.shard === null || open.running !== null) return null;
        wanted = open.shard;
        const { plan } = open.portal.statement.planned;
        if (plan.op === 'routed' && plan.effect !== 'read') writes = true;
        if (plan.op === 'routed' && plan.copy !== null) copies = true;
        if (message.kind !== 'execute') break;
        takesIds = plan.op === 'routed' ? plan.takesIds : null;
        // What others before it have taken is not told of.
        if (executes && takesIds !== null) takesIds = { ...takesIds, noOthers: false };
        executes = true;
        break;
      }
      case 'close':
        if (message.close.target === 'statement') closed.add(message.close.name);
        else if (isKnownPortal(message.close.name, state)) return null;
    }
    if (wanted >= 0) {
      if (shard >= 0 && shard !== wanted) return null;
      shard = wanted;
    }
  }
  if (shard < 0) shard = anyShard(state, context);
  const only = onlyStatement(messages, portals);
  const plan = only?.planned.plan.op === 'routed' ? only.planned.plan : null;
  return {
    shard,
    version,
    writes,
    takesSnapshot: snapshot,
    copies,
    takesIds,
    cost: plan === null ? null : context.costs.of(plan),
    isRepeatable: only?.isRepeatable === true,
    keeping: plan?.keeping ?? 'never',
    messages,
    unnamed,
    bound,
    statements,
    portals,
  };
}

/** Its values may name types for which the shard has other numbers. */
function mustBeTyped(
  { parameters, parameterFormats }: BindMessage,
  shard: number,
  { transaction }: SessionState,
  { cluster }: SessionContext,
): boolean {
  const oids = transaction?.participants.get(shard)?.oids ?? cluster.oids[shard]!;
  return namesTypes(oids, parameters, parameterFormats);
}

/** The careful way knows what to do with the portal that has the name. */
function isTaken(name: string, state: SessionState): boolean {
  if (name !== '') return isKnownPortal(name, state);
  const running = state.portals.get('')?.running ?? null;
  return running !== null;
}

/** Cursors of SQL are portals, too. */
const isKnownPortal = (name: string, state: SessionState): boolean =>
  state.portals.has(name) || state.cursor(name) !== undefined;

/**
 * A batch may share a connection when it runs one portal and makes nothing that outlives it: what a
 * displaced batch would do a second time, it does with the same effect. null: it does more.
 */
function onlyStatement(
  messages: readonly BatchMessage[],
  portals: ReadonlyMap<string, OpenPortal>,
): PreparedStatement | null {
  // One name may have been bound several times: each is a statement, and only the last is known here.
  if (messages.filter((message) => message.kind === 'bind').length !== 1) return null;
  for (const message of messages) {
    if (message.kind === 'close') return null;
    if (message.kind === 'parse' && message.parse.name !== '') return null;
  }
  const [open] = portals.values();
  return open!.portal.statement;
}

function portalName(message: BatchMessage): string | null {
  if (message.kind === 'execute') return message.execute.portal;
  if (message.kind === 'describe' && message.describe.target === 'portal') {
    return message.describe.name;
  }
  return null;
}

/**
 * What is described, where any shard does so as one PostgreSQL would: the tables are the same everywhere.
 * null: no shard does by itself.
 */
function describedBy(
  message: BatchMessage,
  statements: ReadonlyMap<string, PreparedStatement>,
  state: SessionState,
): RoutedPlan | null {
  if (message.kind !== 'describe') return null;
  const { name } = message.describe;
  const plan = (statements.get(name) ?? state.statements.get(name))?.planned.plan;
  return plan !== undefined && isRelayable(plan) ? plan : null;
}

/** The one shard of the portal; -1 when there are several or the plan is not one to relay. */
function shardOf(portal: Portal, state: SessionState, context: SessionContext): number {
  const topology = context.topology();
  const { searchPath } = state;
  const { plan, literals } = currentPlan(portal.statement, context.planner, topology, searchPath);
  if (!isRelayable(plan)) return -1;
  if (plan.route.kind === 'any') return anyShard(state, context);
  const values = new StatementValues(literals, portal.parameters);
  const targets = targetsOf(plan.route, values, topology);
  return targets.length === 1 && !isLate(plan, portal.statement.sql, targets[0]!, state)
    ? targets[0]!
    : -1;
}

/**
 * A server that parses it later, or several of them, would not know what columns it had when the client
 * prepared it: these are kept.
 */
const mayRunAnywhere = ({ route }: RoutedPlan): boolean =>
  route.kind === 'all' || route.kind === 'home';

/** A shard the transaction is on already, else the first that is up. */
export function anyShard(state: SessionState, context: SessionContext): number {
  if (state.transaction !== null) {
    for (const shard of state.transaction.participants.keys()) return shard;
  }
  const up = context.cluster.pools.findIndex((pool) => pool.downBecause === null);
  return up < 0 ? HOME_SHARD : up;
}
