// Utility statements: DDL, COPY, EXPLAIN, cursors and all the others.

import type {
  CopyStatement,
  CreateTableStatement,
  RowStatement,
  UtilityStatement,
} from '../sql/statement.ts';
import { asksLastId } from '../topology/routine-state.ts';
import type { Catalog } from '../topology/table.ts';
import type { SessionAction } from './action.ts';
import { allWords, codeWords } from './body-words.ts';
import { CommonTables } from './common-tables.ts';
import { PlanContext, Refusal } from './context.ts';
import { planCopy } from './copy.ts';
import { planDdl, planNewTable } from './ddl.ts';
import { planDeclare } from './declare.ts';
import { planBlock } from './do-block.ts';
import { explainsExecute, planExplain } from './explain-statement.ts';
import { SEQUENCE_MEMORY } from './functions.ts';
import { planKeptView } from './kept-view.ts';
import { surveyExpressions } from './level.ts';
import { createAs, planMakeTable } from './make-table.ts';
import { planNewSchema } from './new-schema.ts';
import type { Effect, PinReason, Plan, RoutedPlan } from './plan.ts';
import { readsOtherShards } from './policy.ts';
import { refusedFor, refusedPlan, routedPlan } from './routed.ts';
import { planRows, surveyFor } from './rows.ts';
import { Scope } from './scope.ts';
import { planDiscard, planSetConstraints, planShow } from './session-command.ts';
import { hidesAsTemporary, isOnEveryShard, showsReference } from './shadow.ts';
import { planExecute, planPrepare } from './sql-prepare.ts';
import type { RefusedReason } from './unsupported.ts';

type HomeStatement = UtilityStatement | CopyStatement | CreateTableStatement;

const HOME = { kind: 'home' } as const;

/** What a statement is, whatever shard it goes to: its effect, pins, action and COPY. */
export function traitsOf(statement: HomeStatement, context: PlanContext): RoutedPlan {
  const verb = (context.input.tokens[0]?.text ?? '').toUpperCase();
  if (statement.kind === 'copy') {
    const copy = statement.onServer ? null : statement.from ? 'in' : 'out';
    return routedPlan('COPY', HOME, statement.from ? 'write' : 'read', { copy });
  }
  if (statement.kind === 'createTable') {
    const pins: PinReason[] = statement.temporary ? ['temporary table'] : [];
    return routedPlan('CREATE TABLE', HOME, statement.temporary ? 'write' : 'ddl', { pins });
  }
  return routedPlan(verb, HOME, effectOf(statement.node), {
    pins: pinsOf(statement),
    action: actionOf(statement),
    releases: RELEASES[statement.node] ?? [],
  });
}

const READS = new Set([
  'ExplainStmt',
  'DeclareCursorStmt',
  'FetchStmt',
  'ClosePortalStmt',
  'ListenStmt',
  'UnlistenStmt',
  'CheckPointStmt',
  'LoadStmt',
]);
const WRITES = new Set(['NotifyStmt', 'LockStmt', 'TruncateStmt', 'CallStmt']);

function effectOf(node: string): Effect {
  if (READS.has(node)) return 'read';
  return WRITES.has(node) ? 'write' : 'ddl';
}

function pinsOf(statement: UtilityStatement): PinReason[] {
  if (statement.node === 'ListenStmt') return ['listen'];
  if (statement.cursor?.hold === true) return ['cursor with hold'];
  // LOAD brings a library into one server process.
  if (statement.node === 'LoadStmt') return ['session state'];
  return statement.temporary ? ['temporary table'] : [];
}

const RELEASES: { readonly [node: string]: readonly PinReason[] } = {
  UnlistenStmt: ['listen'],
  ClosePortalStmt: ['cursor with hold'],
};

function actionOf({ node, name, fetch }: UtilityStatement): SessionAction | null {
  if (node === 'DeclareCursorStmt') return { action: 'cursor', verb: 'declare', name };
  if (fetch !== null) return { action: 'cursor', verb: 'fetch', name: name ?? '', fetch };
  if (node === 'ClosePortalStmt') return { action: 'cursor', verb: 'close', name };
  return null;
}

/** Statements whose plan is the same by hand. */
export function planOwn(statement: UtilityStatement, context: PlanContext): Plan | null {
  switch (statement.node) {
    case 'VariableShowStmt':
      return planShow(statement);
    case 'DiscardStmt':
      return planDiscard(statement);
    case 'ConstraintsSetStmt':
      return planSetConstraints(context.input);
    case 'PrepareStmt':
      return planPrepare(statement, context.input);
    case 'ExecuteStmt':
      return planExecute(statement);
    case 'DeallocateStmt': {
      const action = { action: 'deallocate', name: statement.name } as const;
      return { op: 'session', verb: 'DEALLOCATE', action };
    }
    default:
      return null;
  }
}

export function planUtility(statement: HomeStatement, context: PlanContext): Plan {
  const traits = traitsOf(statement, context);
  if (runsForAnybody(statement, context)) return refusedFor(traits.verb, 'sequenceMemory');
  if (statement.kind === 'copy') return planCopy(statement, traits, context);
  if (statement.kind === 'createTable') return planCreateTable(statement, traits, context);
  const own = planOwn(statement, context);
  if (own !== null) return own;
  const isExplain = statement.node === 'ExplainStmt';
  if (isExplain && explainsExecute(context.input.tokens)) return planExplain(traits, context);
  if (statement.node === 'DoStmt') {
    const block = planBlock(statement.body ?? '', traits, context, planUtility);
    if (block !== null) return block;
  }
  if (statement.node === 'CreateSchemaStmt') {
    const schema = planNewSchema(traits, context, planUtility);
    if (schema !== null) return schema;
  }
  const reason = refusalOf(statement, context);
  if (reason !== null) return refusedFor(traits.verb, reason);
  const made = planKeptView(statement, traits, context) ?? planDdl(statement, traits, context);
  if (made !== null) {
    // A table is made of what is told now; a view asks whenever it is read.
    if (statement.objectType === 'OBJECT_TABLE') context.asked = askedBy(statement.inner, context);
    return made;
  }
  if (statement.inner !== null) {
    if (isExplain) return planExplain(traits, context);
    if (statement.cursor !== null) return planDeclare(statement.cursor, traits, context);
    return planMade(statement, statement.inner, traits, context);
  }
  if (statement.calls.length > 0) return planCall(statement, traits, context);
  return traits;
}

/** What is computed at once, or kept for whoever has a server's connection then. */
const COMPUTED = new Set([
  ...['CreateTableAsStmt', 'ViewStmt', 'AlterTableStmt', 'ExplainStmt'],
  ...['CreateDomainStmt', 'AlterDomainStmt'],
]);

/** It would be told the last id of another session. */
function runsForAnybody(statement: HomeStatement, { input }: PlanContext): boolean {
  if (statement.kind === 'copy') return false;
  if (statement.kind === 'utility') {
    if (statement.node === 'DoStmt') return asksLastId(statement.body ?? '');
    if (!COMPUTED.has(statement.node)) return false;
  }
  const { tokens } = input;
  const isCall = (i: number) => tokens[i]?.kind === 'word' && tokens[i + 1]?.text === '(';
  return tokens.some(({ text }, i) => SEQUENCE_MEMORY.has(text) && isCall(i));
}

function refusalOf(statement: UtilityStatement, context: PlanContext): RefusedReason | null {
  const { node, relations, body, temporary } = statement;
  const { catalog } = context.input;
  if (temporary && relations.some((relation) => hidesAsTemporary(relation, context)))
    return 'shadow';
  // Servers do not have the session's statements by their names.
  if (node === 'CreateTableAsStmt' && statement.inner === null) return 'makeExecute';
  // EXPLAIN of CREATE TABLE AS and its kin.
  if (node === 'ExplainStmt' && statement.inner === null) {
    const spread = relations.some((relation) => isOnEveryShard(relation, context));
    return spread ? 'createAs' : null;
  }
  const isPolicy = node === 'CreatePolicyStmt' || node === 'AlterPolicyStmt';
  if (isPolicy && readsOtherShards(statement, context)) return 'policy';
  if (node !== 'DoStmt' || body === null) return null;
  const { tokens } = context.input;
  const words = codeWords(body, tokens);
  // A routine may run a text that it is given.
  const given = words.some((word) => catalog.hasRoutine(word)) ? allWords(body, tokens) : [];
  return mayTouch([...words, ...given], catalog) ? 'routine' : null;
}

/** A block that names a sharded table, calls a routine that does, or runs text made by itself. */
function mayTouch(words: readonly string[], catalog: Catalog): boolean {
  const names = new Set<string>();
  for (const { kind, name } of catalog.tables()) if (kind !== 'home') names.add(name.toLowerCase());
  return words.some(
    (word) => word === 'execute' || names.has(word) || catalog.routineTouchesSharded(word),
  );
}

/** `query`: a part of the statement's text. */
function askedBy(query: RowStatement | null, { input }: PlanContext): PlanContext['asked'] {
  const own = new PlanContext(input);
  if (query !== null) planRows(query, own);
  return own.asked;
}

/** CREATE TABLE AS and its kin; of views the temporary ones, which are on shard 0. */
function planMade(
  { node, objectType, relations, temporary }: UtilityStatement,
  inner: RowStatement,
  traits: RoutedPlan,
  context: PlanContext,
): Plan {
  const isView = node === 'ViewStmt';
  if (isView && showsReference(inner, context)) return refusedFor(traits.verb, 'temporaryView');
  context.mergeable = false;
  const plan = planRows(inner, context);
  const [target] = relations;
  // The query of a table has a plan of its own: what is refused here may be computed over copies.
  const isTable = objectType === 'OBJECT_TABLE' && target !== undefined;
  // What is kept is the query, which asks anew whenever it is run.
  if (!isTable) context.asked = null;
  if (plan.op !== 'routed' && !(isTable && plan.op === 'refused')) return plan;
  const kind = plan.op === 'routed' ? plan.route.kind : 'all';
  if (kind !== 'keys' && kind !== 'all') return traits;
  if (isView) return refusedFor(traits.verb, 'temporaryView');
  if (!isTable) return refusedFor(traits.verb, 'createAs');
  return planMakeTable(createAs(context), target, temporary, traits);
}

function planCall(statement: UtilityStatement, traits: RoutedPlan, context: PlanContext): Plan {
  const survey = surveyFor(context);
  try {
    surveyExpressions(statement.calls, new Scope(null), survey, new CommonTables(), false);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return refusedPlan(traits.verb, error.fields);
  }
  if (survey.classes.length > 0) return refusedFor(traits.verb, 'routine');
  return { ...traits, pins: [...context.pins] };
}

function planCreateTable(
  statement: CreateTableStatement,
  traits: RoutedPlan,
  context: PlanContext,
): Plan {
  if (!statement.temporary) return planNewTable(statement, traits, context);
  return hidesAsTemporary(statement.relation, context) ? refusedFor(traits.verb, 'shadow') : traits;
}
