// set_config(): SET as a function, whose settings the session and the other shards must follow.

import type { Call, Expression } from '../sql/expression.ts';
import type { ArgumentSource, ConfigCall } from './action.ts';

/** Settings that the planner reads statements by, or that mean something to the proxy only. */
const REFUSED = new Set(['standard_conforming_strings', 'client_encoding']);

/** Whether the proxy cannot follow a change of the setting, `name` in any case. */
export function isRefusedSetting(name: string): boolean {
  const folded = name.toLowerCase();
  return REFUSED.has(folded) || folded.startsWith('drive.');
}

/** null: its setting is not known before it runs, or is not to be changed this way. */
export function configCallOf({ args }: Call): ConfigCall | null {
  const [name, , local] = args;
  if (args.length !== 3 || name === undefined || local === undefined) return null;
  const call = { name: sourceOf(name), local: sourceOf(local) };
  if (call.name === null || call.local === null) return null;
  if (call.name.from === 'constant' && isRefusedSetting(call.name.text)) return null;
  return call as ConfigCall;
}

function sourceOf(expression: Expression): ArgumentSource | null {
  switch (expression.kind) {
    case 'cast':
      return sourceOf(expression.arg);
    case 'constant':
      return { from: 'constant', text: expression.text };
    case 'parameter':
      return { from: 'parameter', index: expression.index };
    default:
      return null;
  }
}
