// set_config(): SET as a function, whose settings the session and the other shards must follow.

import type { Call } from '../sql/expression.ts';
import type { ConfigCall } from './action.ts';
import { argumentSource } from './argument.ts';

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
  const call = { name: argumentSource(name), local: argumentSource(local) };
  if (call.name === null || call.local === null) return null;
  if (call.name.from === 'constant' && isRefusedSetting(call.name.text)) return null;
  return call as ConfigCall;
}
