// DO blocks of migrations: one that contains nothing but DDL runs where its statements would.

import { blockText, hasDdl } from '../sql/block-text.ts';
import { parseSql } from '../sql/parser.ts';
import { isSystem, type PlanContext } from './context.ts';
import { everywhere } from './ddl.ts';
import { DdlParts, type PlanPart, parsePart } from './ddl-parts.ts';
import { isUnknown, mayWrite } from './functions.ts';
import type { EverywhereMerge, Plan, RoutedPlan } from './plan.ts';
import { refusedFor } from './routed.ts';

/** null: it is no such block, and has no DDL. `planPart` plans a statement by itself. */
export function planBlock(
  body: string,
  traits: RoutedPlan,
  context: PlanContext,
  planPart: PlanPart,
): Plan | null {
  if (!hasDdl(body)) return null;
  const text = blockText(body);
  if (text === null || !text.conditions.every((each) => isOfCatalogs(each, context))) {
    return refusedFor(traits.verb, 'doBlock');
  }
  const plans: RoutedPlan[] = [];
  const parts = new DdlParts(context, planPart);
  for (const sql of text.statements) {
    const plan = planOf(sql, parts);
    if (plan === null) return refusedFor(traits.verb, 'doBlock');
    if (plan.op !== 'routed') return plan;
    plans.push(plan);
  }
  const merges = plans.flatMap(({ merge }) => (merge?.how === 'everywhere' ? [merge] : []));
  if (
    merges.length === 0 &&
    plans.every(({ route, merge }) => route.kind === 'home' && merge === null)
  ) {
    return traits;
  }
  if (merges.length < plans.length) return refusedFor(traits.verb, 'mixedDdl');
  const merge = together(merges);
  return merge === null ? refusedFor(traits.verb, 'doBlock') : everywhere(traits, merge);
}

/** null: not one statement of DDL. */
function planOf(sql: string, parts: DdlParts): Plan | null {
  const part = parsePart(sql);
  if (part === null) return null;
  if (part.statement.kind === 'utility' && part.statement.node === 'DoStmt') return null;
  const plan = parts.plan(part);
  return plan.op === 'refused' || (plan.op === 'routed' && plan.effect === 'ddl') ? plan : null;
}

/** What all of them need of one transaction; null: no transaction can do it. */
function together(merges: readonly EverywhereMerge[]): Partial<EverywhereMerge> | null {
  const fits = merges.every(
    ({ mode, onlyAtHome, elsewhere, pieces, converts, tellsTime }) =>
      mode === 'transaction' &&
      onlyAtHome === null &&
      elsewhere === null &&
      pieces.length === 0 &&
      converts.length === 0 &&
      !tellsTime,
  );
  if (!fits) return null;
  return {
    creates: merges.flatMap((merge) => merge.creates),
    alters: merges.flatMap((merge) => merge.alters),
    homeMayBeAlone: merges.every((merge) => merge.homeMayBeAlone),
    restarts: merges.some((merge) => merge.restarts),
  };
}

/** It asks nothing but the system catalogs, which say the same on every shard. */
function isOfCatalogs(condition: string, { input }: PlanContext): boolean {
  const statement = parseSql(`SELECT ${condition}`)?.statements[0]?.statement;
  if (statement?.kind !== 'select') return false;
  const open: unknown[] = [statement];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const node = next as { kind?: string; relation?: never };
    if (node.kind === 'table' && !isSystem(node.relation!)) return false;
    if (node.kind === 'call') {
      const call = next as Parameters<typeof isUnknown>[0];
      if (isUnknown(call) && (mayWrite(call) || input.catalog.hasRoutine(call.name))) return false;
    }
    open.push(...Object.values(next).filter((part) => part !== undefined));
  }
  return true;
}
