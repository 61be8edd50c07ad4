// By hand: the plan of a statement whose shard the user has chosen. Nothing is refused.

import type { Call } from '../sql/expression.ts';
import { parseSql } from '../sql/parser.ts';
import type { RowStatement, Statement } from '../sql/statement.ts';
import { withoutSemicolons } from '../sql/token.ts';
import type { Topology } from '../topology/topology.ts';
import { PlanContext } from './context.ts';
import { mayWrite, pinByHand } from './functions.ts';
import type { PinReason, Plan } from './plan.ts';
import { routedPlan } from './routed.ts';
import { planSet, planTransaction } from './session-command.ts';
import { keptSettings } from './setting-pin.ts';
import { planOwn, traitsOf } from './utility.ts';

const HOME = { kind: 'home' } as const;

/**
 * Effect, pins, action and COPY as ever, with a route to one shard (home) that the caller replaces
 * by the shard chosen. Throws 54000 and 54001 as Planner.plan does.
 */
export function planByHand(
  sql: string,
  topology: Topology,
  searchPath: readonly string[] | null,
): Plan {
  const parsed = parseSql(sql);
  if (parsed === null) return routedPlan('', HOME, 'read');
  const { statements, tokens } = parsed;
  if (statements.length === 0) return { op: 'empty', verb: '' };
  if (statements.length > 1) {
    const parts = statements.map(({ text }) => ({
      sql: text,
      plan: planByHand(text, topology, searchPath),
    }));
    return { op: 'sequence', verb: parts[0]!.plan.verb, parts };
  }
  const { catalog } = topology;
  const own = withoutSemicolons(tokens);
  const input = { sql, tokens: own, catalog, searchPath, literalStarts: [] };
  const { statement } = statements[0]!;
  const context = new PlanContext(input);
  return keptSettings(planStatement(statement, context), statement, context);
}

function planStatement(statement: Statement, context: PlanContext): Plan {
  switch (statement.kind) {
    case 'set':
      return planSet(statement, context.input);
    case 'transaction':
      return planTransaction(statement);
    case 'copy':
    case 'createTable':
      return traitsOf(statement, context);
    case 'utility': {
      const own = planOwn(statement, context) ?? traitsOf(statement, context);
      if (own.op !== 'routed' || statement.inner === null) return own;
      const inner = traitsOfRows(statement.inner);
      return {
        ...own,
        effect: inner.writes ? 'write' : own.effect,
        pins: [...own.pins, ...inner.pins],
      };
    }
    default: {
      const { writes, pins, temporary } = traitsOfRows(statement);
      if (temporary) pins.push('temporary table');
      const verb = statement.kind.toUpperCase();
      return routedPlan(verb, HOME, writes ? 'write' : 'read', { pins });
    }
  }
}

interface RowTraits {
  writes: boolean;
  temporary: boolean;
  readonly pins: PinReason[];
}

function traitsOfRows(statement: RowStatement): RowTraits {
  const traits: RowTraits = { writes: false, temporary: false, pins: [] };
  collect(statement, traits);
  return traits;
}

const WRITING = new Set(['insert', 'update', 'delete', 'merge']);

function collect(value: unknown, traits: RowTraits): void {
  if (typeof value !== 'object' || value === null) return;
  const { kind, locks, into } = value as {
    kind?: string;
    locks?: readonly unknown[];
    into?: unknown;
  };
  if (kind !== undefined && WRITING.has(kind)) traits.writes = true;
  if (locks !== undefined && locks.length > 0) traits.writes = true;
  if (typeof into === 'object' && into !== null) {
    traits.writes = true;
    if ((into as { temporary: boolean }).temporary) traits.temporary = true;
  }
  if (kind === 'call') {
    const pin = pinByHand(value as Call);
    if (pin !== null && !traits.pins.includes(pin)) traits.pins.push(pin);
    if (mayWrite(value as Call)) traits.writes = true;
  }
  for (const part of Object.values(value)) collect(part, traits);
}
