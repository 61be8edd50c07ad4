// Routine settings: which of the users' routines may leave a setting behind on their server.

import { withCallers, withoutComments } from './calling-routines.ts';
import { type RunBy, runBy, type UsedRoutine } from './routine-state.ts';

/** What of a statement says that settings may stay behind. */
export interface SettingRoutines extends RunBy {
  /** Those that may set the search path for the session, and for their transaction; some for either. */
  readonly paths: { readonly session: ReadonlySet<string>; readonly local: ReadonlySet<string> };
}

/** By their bodies: those that set something, and those that name another such routine. */
export function settingRoutines(routines: readonly UsedRoutine[]): SettingRoutines {
  const names = withCallers(routines, leavesSettings);
  const paths = {
    session: withCallers(routines, (body) => /session|either/.test(setsPath(body) ?? '')),
    local: withCallers(routines, (body) => /local|either/.test(setsPath(body) ?? '')),
  };
  return { ...runBy(names, routines), paths };
}

/** For how long the search path is set: for the session, the transaction, or what is not known before. */
export type PathSet = 'session' | 'local' | 'either';

/** Whether the text of a routine or DO block may set the search path, and for how long. */
export function setsPath(body: string): PathSet | null {
  const text = withoutComments(body).toLowerCase();
  if (!text.includes('search_path')) return null;
  const calls = [...text.matchAll(SET_CONFIG)].map(({ index, 0: call }) => index + call.length);
  const paths = calls.filter((start) => /^\s*'+search_path'/.test(text.slice(start)));
  const ends = paths.map((start) => lastArgumentOf(text, start));
  const found: ReadonlySet<PathSet> = new Set([
    ...(SET_PATH.test(text) ? (['session'] as const) : []),
    ...(SET_LOCAL_PATH.test(text) ? (['local'] as const) : []),
    ...ends.map((end) => (end === null ? 'either' : end ? 'local' : 'session')),
  ]);
  return together(found);
}

/** What several of them are, of which any may be met; null: none. */
export function together(found: ReadonlySet<PathSet>): PathSet | null {
  if (found.size > 1) return 'either';
  const [only] = found;
  return only ?? null;
}

/** Where a statement may begin: not the SET of an UPDATE. */
const STATEMENT = String.raw`(?:^|;|'|\$\$|\bbegin\b|\bthen\b|\belse\b|\bloop\b)\s*`;
const SET = new RegExp(
  String.raw`${STATEMENT}(?:re)?set\s+(?!local\b|constraints\b|transaction\b)`,
);
const SET_PATH = new RegExp(String.raw`${STATEMENT}(?:re)?set\s+(?:session\s+)?"?search_path\b`);
const SET_LOCAL_PATH = new RegExp(String.raw`${STATEMENT}set\s+local\s+"?search_path\b`);
const SET_CONFIG = /\bset_config"?\s*\(/g;

/** By which servers read texts: statements that they keep would stay as they were read under these. */
const READ_WITH = String.raw`(?:time\s*zone|timezone_abbreviations|datestyle|intervalstyle|role
  |session[\s_]+authorization|array_nulls|xml\s*option|lc_monetary|transform_null_equals
  |backslash_quote)`.replaceAll(/\s*\n\s*/g, '');
const SET_LOCAL = new RegExp(String.raw`${STATEMENT}set\s+local\s+"?${READ_WITH}\b`);
const NAMES_READ_WITH = new RegExp(`^${READ_WITH}$`);

/**
 * False where the text of a routine or DO block surely sets nothing beyond its transaction, and within it
 * nothing that stays with what servers keep.
 */
export function leavesSettings(body: string): boolean {
  const text = withoutComments(body).toLowerCase();
  if (SET.test(text) || SET_LOCAL.test(text)) return true;
  if (/\bupdate\s+(?:pg_catalog\.)?pg_settings\b/.test(text)) return true;
  for (const { index, 0: call } of text.matchAll(SET_CONFIG)) {
    const start = index + call.length;
    if (!isLocalCall(text, start) || mayBeReadWith(text.slice(start))) return true;
  }
  // Named without a call of its own: in a text that is put together.
  return /set_config(?!"?\s*\()/.test(text);
}

/** Of the arguments of set_config(): a name of the users' own has a dot. */
function mayBeReadWith(args: string): boolean {
  const literal = /^\s*'+([^']*)'/.exec(args)?.[1];
  return literal === undefined || (!literal.includes('.') && NAMES_READ_WITH.test(literal));
}

/** The call whose arguments begin at `start` ends in `, true)`. */
const isLocalCall = (text: string, start: number): boolean => lastArgumentOf(text, start) === true;

/** What the last argument is of the call whose arguments begin at `start`; null: no constant. */
function lastArgumentOf(text: string, start: number): boolean | null {
  let depth = 1;
  for (let i = start; i < text.length; i++) {
    if (text[i] === '(') depth += 1;
    if (text[i] === ')') depth -= 1;
    if (depth > 0) continue;
    const found = /,\s*(?:is_local\s*(?:=>|:=)\s*)?'?(true|false)'?\s*$/.exec(text.slice(start, i));
    return found === null ? null : found[1] === 'true';
  }
  return null;
}
