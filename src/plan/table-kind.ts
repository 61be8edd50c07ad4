// Table kinds by statement: SELECT create_reference_table('t') and its kin, as Citus names them.

import type { Expression } from '../sql/expression.ts';
import type { SelectStatement } from '../sql/statement.ts';
import type { Plan, SessionAction } from './plan.ts';

type Arguments = readonly [min: number, max: number];

/** How many arguments each takes. */
const FUNCTIONS: { readonly [name: string]: Arguments } = {
  create_reference_table: [1, 1],
  create_distributed_table: [2, 2],
  undistribute_table: [1, 1],
};

/** null: not such a statement by itself; the server then says that there is no such function. */
export function planTableKind(select: SelectStatement): Plan | null {
  const { body } = select;
  if (body.kind !== 'simple' || body.from.length > 0 || body.where !== null) return null;
  const [target, ...others] = body.targets;
  if (target === undefined || others.length > 0 || select.with !== null) return null;
  const call = target.expression;
  if (call.kind !== 'call') return null;
  const takes = FUNCTIONS[call.name];
  if (takes === undefined || (call.schema !== null && call.schema !== 'drive')) return null;
  const texts = call.args.map(textOf);
  if (texts.length < takes[0] || texts.length > takes[1] || texts.includes(null)) return null;
  return { op: 'session', verb: 'SELECT', action: actionOf(call.name, texts as string[]) };
}

function actionOf(name: string, [table = '', key = '']: readonly string[]): SessionAction {
  const base = { action: 'tableKind', call: name, table } as const;
  if (name === 'create_reference_table') return { ...base, kind: 'reference', key: null };
  if (name === 'undistribute_table') return { ...base, kind: 'home', key: null };
  return { ...base, kind: 'sharded', key };
}

/** The value of a string literal, cast or not; null for anything else. */
function textOf(expression: Expression): string | null {
  if (expression.kind === 'cast') return textOf(expression.arg);
  if (expression.kind !== 'constant' || expression.type !== 'string') return null;
  return expression.text;
}
