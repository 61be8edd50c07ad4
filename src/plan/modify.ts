// UPDATE, DELETE and MERGE: on the shards of their keys, or on all.

import type { Expression } from '../sql/expression.ts';
import type {
  Assignment,
  DeleteStatement,
  MergeStatement,
  UpdateStatement,
} from '../sql/statement.ts';
import type { Table } from '../topology/table.ts';
import { CommonTables } from './common-tables.ts';
import { type PlanContext, Refusal } from './context.ts';
import { shardedLeaf } from './from.ts';
import { KeyClass } from './key-class.ts';
import {
  surveyCondition,
  surveyExpressions,
  surveyFrom,
  surveySelect,
  withTables,
} from './level.ts';
import { mergeRows, tieMerge } from './merge.ts';
import { modifyRows } from './modify-rows.ts';
import type { KeySource, Plan, WriteMerge } from './plan.ts';
import { keySourceOf } from './restriction.ts';
import { refusedFor, refusedPlan, routedPlan, shardedPlan } from './routed.ts';
import { type Leaf, NO_NAMES, Scope } from './scope.ts';
import { planUnsharded } from './select.ts';
import { NoMerge } from './splice.ts';
import { strayKeys } from './stray-keys.ts';
import type { Survey } from './survey.ts';
import { refused, severalShards } from './unsupported.ts';
import { surveyUnused } from './with.ts';
import { targetTable } from './written-view.ts';

type Modify = UpdateStatement | DeleteStatement | MergeStatement;

/** Each server is sent the statement. */
const WHOLE: WriteMerge = { how: 'write' };

const VERBS = { update: 'UPDATE', delete: 'DELETE', merge: 'MERGE' } as const;

export function planModify(statement: Modify, survey: Survey, context: PlanContext): Plan {
  const found = surveyModify(statement, survey, new CommonTables(), true);
  const { anchored, scope } = found;
  surveyUnused(survey);
  const verb = VERBS[statement.kind];
  const cursor = statement.kind === 'merge' ? null : statement.cursor;
  if (survey.classes.length === 0) {
    const plan = planUnsharded(verb, survey, context, 'write');
    if (cursor === null || plan.op !== 'routed') return plan;
    return { ...plan, action: { action: 'cursor', verb: 'current', name: cursor, atHome: true } };
  }
  const table = targetTable(statement.relation, survey);
  const strays = strayKeys(statement, table);
  const straying = (plan: Plan): Plan => (plan.op === 'routed' ? { ...plan, strays } : plan);
  if (cursor !== null) {
    const plan = planCurrentOf(verb, cursor, survey);
    return strays === null || plan.op !== 'routed' ? plan : { ...plan, strays, merge: WHOLE };
  }
  const merge = (): WriteMerge => {
    if (!anchored || !found.insertsOwn) throw new NoMerge('noFrom');
    return WHOLE;
  };
  const staged = () =>
    statement.kind === 'merge'
      ? mergeRows(statement, table, scope, survey, context)
      : modifyRows(statement, table, scope, survey, context);
  return straying(shardedPlan(verb, survey, context, 'write', { merge, engine: null, staged }));
}

/** The session knows on which shard it has declared the cursor; the server, that there is none. */
function planCurrentOf(verb: string, cursor: string, survey: Survey): Plan {
  if (survey.readsHome) return refusedFor(verb, 'mixed');
  const reason = survey.roots.length > 1 ? 'joinWithoutKey' : survey.severalShardsReason;
  if (reason !== null) return refusedPlan(verb, severalShards(reason));
  const action = { action: 'cursor', verb: 'current', name: cursor, atHome: false } as const;
  return routedPlan(verb, { kind: 'home' }, 'write', { action });
}

interface SurveyedModify {
  readonly anchored: boolean;
  readonly scope: Scope;
  /** MERGE: every row it inserts is made on the shard that it belongs to. */
  readonly insertsOwn: boolean;
}

/** Also for one inside a WITH. `moves`: the key may be set to another. Throws Refusal. */
export function surveyModify(
  statement: Modify,
  survey: Survey,
  outer: CommonTables,
  moves = false,
): SurveyedModify {
  const tables = withTables(statement.with, survey, null, outer);
  const scope = new Scope(null);
  const table = targetTable(statement.relation, survey);
  if (statement.relation.name === 'pg_settings') throw new Refusal(refused('settingsTable'));
  checkTarget(table, survey);
  const leaf = targetLeaf(statement, table, survey);
  scope.leaves.push(leaf);
  const walk = { scope, survey, tables, surveySelect };
  surveyFrom(statement.kind === 'merge' ? [statement.source] : statement.from, walk);
  const anchored = leaf.anchored;
  let insertsOwn = true;
  if (statement.kind === 'merge') {
    if (table?.kind === 'sharded') {
      if (table.keyColumn === null) throw new Refusal(refused('view'));
      insertsOwn = tieMerge(statement, table, scope, survey);
      if (!moves && !insertsOwn) throw new Refusal(severalShards('writingWith'));
    }
    // The condition restricts only rows that match; others are inserted.
    surveyExpressions([statement.on, ...statement.parts], scope, survey, tables, anchored);
  } else if (statement.where !== null) surveyCondition(statement.where, walk, anchored);
  const parts: Expression[] = statement.returning.map((target) => target.expression);
  if (statement.kind === 'update') {
    parts.push(...statement.rowSources);
    for (const { value } of statement.assignments) if (value !== null) parts.push(value);
    if (table?.keyColumn != null) {
      const moved = keyAssigned(statement.assignments, table, leaf, scope, survey);
      if (moved !== null && !moves) throw new Refusal(severalShards('writingWith'));
      if (moved !== null) survey.classes.push(moved);
    }
  }
  surveyExpressions(parts, scope, survey, tables, anchored);
  return { anchored, scope, insertsOwn };
}

/** Throws Refusal for what cannot be written through the proxy. */
export function checkTarget(table: Table | null, survey: Survey): void {
  if (table?.kind === 'reference' && !survey.targetsReference)
    throw new Refusal(refused('referenceWrite'));
  if (table?.kind === 'shardedView') throw new Refusal(refused('view'));
  if (table?.touchesSharded === true) throw new Refusal(refused('homeTrigger'));
  survey.context.makesTables ||= table?.makesTables === true;
}

function targetLeaf(statement: Modify, table: Table | null, survey: Survey): Leaf {
  if (table?.kind === 'sharded') return shardedLeaf(table, statement.alias, [], survey);
  survey.relation(statement.relation);
  const columns =
    table === null ? null : new Map(table.columns.map((column) => [column.name, column]));
  const name = statement.alias ?? statement.relation.name;
  const schema = statement.alias === null ? (table?.schema ?? null) : null;
  const rest = { keys: new Map(), anchored: false, sharded: false, nullableKeys: NO_NAMES };
  return { name, schema, columns, ...rest };
}

/** The keys that rows get; null where SET surely keeps every row on its shard. Throws Refusal. */
function keyAssigned(
  assignments: readonly Assignment[],
  table: Table,
  leaf: Leaf,
  scope: Scope,
  { context }: Survey,
): KeyClass | null {
  const key = leaf.keys.get(table.keyColumn!)!;
  const assignment = assignments.find(({ column }) => column === table.keyColumn);
  if (assignment === undefined) return null;
  const { value } = assignment;
  if (value !== null && keepsKey(value, key, scope, context)) return null;
  return movedKey(value, table, context);
}

/** The keys that rows get by an assignment to the sharding key; `value`: as of Assignment. Throws Refusal. */
function movedKey(value: Expression | null, table: Table, context: PlanContext): KeyClass {
  const moved = new KeyClass();
  const source = value === null || value.kind === 'default' ? null : keySourceOf(value, context);
  if (source === null) return moved;
  const isNull = source.from === 'constant' && source.value === null;
  const column = table.columns.find(({ name }) => name === table.keyColumn);
  if (isNull && column?.notNull !== true) throw new Refusal(refused('insertDefault'));
  moved.restrict([source]);
  return moved;
}

function keepsKey(value: Expression, key: KeyClass, scope: Scope, context: PlanContext): boolean {
  if (value.kind === 'column') return scope.find(value.path)?.key?.isSame(key) ?? false;
  const source = keySourceOf(value, context);
  const [only, ...others] = key.keys ?? [];
  if (source === null || only === undefined || others.length > 0) return false;
  return isSameSource(source, only, context);
}

function isSameSource(a: KeySource, b: KeySource, context: PlanContext): boolean {
  if (a.from === 'parameter' && b.from === 'parameter') {
    return a.index === b.index && !a.array && !b.array;
  }
  if (a.from !== 'constant' || b.from !== 'constant') return false;
  context.dependsOnValue = true;
  return a.value !== null && a.value === b.value;
}
