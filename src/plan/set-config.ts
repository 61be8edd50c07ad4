// set_config(): SET as a function, whose settings the session and the other shards must follow.

import type { Call, Expression } from '../sql/expression.ts';
import type { SimpleSelect } from '../sql/statement.ts';
import type { ConfigCall } from './action.ts';
import { argumentSource } from './argument.ts';

/** Settings that the proxy reads statements and values by, or that mean something to it only. */
const REFUSED = new Set(['standard_conforming_strings', 'array_nulls', 'client_encoding']);

/** Whether the proxy cannot follow a change of the setting, `name` in any case. */
export function isRefusedSetting(name: string): boolean {
  const folded = name.toLowerCase();
  return REFUSED.has(folded) || folded.startsWith('drive.');
}

/** null: its setting is not known before it runs, or is not to be changed this way. */
export function configCallOf({ args }: Call): ConfigCall | null {
  const [name, , local] = args;
  if (args.length !== 3 || name === undefined || local === undefined) return null;
  const call = { name: argumentSource(name), local: argumentSource(local) };
  if (call.name === null || call.local === null) return null;
  if (call.name.from === 'constant' && isRefusedSetting(call.name.text)) return null;
  return call as ConfigCall;
}

/**
 * `SELECT set_config(name, …) FROM pg_settings WHERE name = 'x'`, as pg_dump sets what a server may not
 * have: with 'x' for `name`. Any other query as it is.
 */
export function withSettingNamed(body: SimpleSelect): SimpleSelect {
  const [item, ...others] = body.from;
  if (item?.kind !== 'table' || others.length > 0 || body.where?.kind !== 'operator') return body;
  const { schema, name } = item.relation;
  if (name !== 'pg_settings' || (schema !== null && schema !== 'pg_catalog')) return body;
  const { operator, left, right } = body.where;
  if (operator.at(-1) !== '=' || left === null || !isName(left)) return body;
  if (right?.kind !== 'constant') return body;
  const named = ({ expression }: SimpleSelect['targets'][number]): Expression => {
    if (expression.kind !== 'call' || expression.name !== 'set_config') return expression;
    const [first, ...rest] = expression.args;
    return first !== undefined && isName(first)
      ? { ...expression, args: [right, ...rest] }
      : expression;
  };
  const targets = body.targets.map((target) => ({ ...target, expression: named(target) }));
  return { ...body, targets };
}

const isName = (expression: Expression): boolean =>
  expression.kind === 'column' && expression.path.at(-1) === 'name';
