// Settings: what a session has SET, in the form in which it is brought to a server connection.

import { createHash } from 'node:crypto';
import { quoteLiteral, quoteName } from '../base/quote.ts';

/** An immutable set of session settings. Equal contents have equal signatures. */
export interface Settings {
  readonly signature: string;
  /** What is equal where a server reads one text as one statement; '' without a setting that matters. */
  readonly reading: string;
  /** The same of dates, times, intervals and amounts of money in its strings. */
  readonly dates: string;
  /** Name in lower case → what stands behind SET: `TimeZone TO 'UTC'`, `ROLE alice`. */
  readonly assignments: ReadonlyMap<string, string>;
}

export const NO_SETTINGS: Settings = Object.freeze({
  signature: '',
  reading: '',
  dates: '',
  assignments: new Map(),
});

export function settingsOf(assignments: ReadonlyMap<string, string>): Settings {
  if (assignments.size === 0) return NO_SETTINGS;
  const sorted = [...assignments].sort(([a], [b]) => (a < b ? -1 : 1));
  const signature = sorted.map(([name, assignment]) => `${name}=${assignment}`).join('\0');
  const wordOf = (isMeant: (reads: Reads) => boolean) =>
    readingOf(sorted.filter(([name]) => isMeant(readWith(name))).map(([, each]) => each));
  const reading = wordOf((reads) => reads !== 'nothing');
  const dates = wordOf((reads) => reads === 'dates');
  return Object.freeze({ signature, reading, dates, assignments: new Map(sorted) });
}

/** What a server reads of a text by a setting: `dates` are among its words. */
export type Reads = 'nothing' | 'words' | 'dates';

/**
 * By which a server makes constants of a statement's literals when it parses it, knows an operator, or
 * lets a name be used. The search path is not among them: when it changes, servers parse anew.
 */
const READ_WITH: ReadonlyMap<string, Reads> = new Map([
  ['array_nulls', 'words'],
  ['backslash_quote', 'words'],
  ['datestyle', 'dates'],
  ['escape_string_warning', 'words'],
  ['intervalstyle', 'dates'],
  ['lc_monetary', 'dates'],
  ['role', 'words'],
  ['session_authorization', 'words'],
  ['timezone', 'dates'],
  ['timezone_abbreviations', 'dates'],
  ['transform_null_equals', 'words'],
  ['xmloption', 'words'],
]);

/** What of a text may be read as something else once this is SET; null: all settings. */
export const readWith = (name: string | null): Reads =>
  name === null ? 'dates' : (READ_WITH.get(name) ?? 'nothing');

/** A short word for what has been SET, in this order; see Settings. */
export function readingOf(assignments: readonly string[]): string {
  if (assignments.length === 0) return '';
  return createHash('sha256').update(assignments.join('\0')).digest('base64url').slice(0, 16);
}

/** The statements that take a connection with the settings `from` to the settings `to`. */
export function switchSql(from: Settings, to: Settings): string {
  const statements: string[] = [];
  for (const name of from.assignments.keys()) {
    if (IDENTITY.has(name) || to.assignments.has(name)) continue;
    statements.push(`RESET ${quoteSettingName(name)}`);
  }
  for (const [name, assignment] of to.assignments) {
    if (IDENTITY.has(name) || from.assignments.get(name) === assignment) continue;
    statements.push(`SET ${assignment}`);
  }
  // A role may be allowed less than the user, and who takes a role on depends on the session's user.
  const before = [...IDENTITY].filter((name) => from.assignments.has(name)).reverse();
  const after = [...IDENTITY].filter((name) => to.assignments.has(name));
  return [
    ...before.map((name) => `RESET ${name}`),
    ...statements,
    ...after.map((name) => `SET ${to.assignments.get(name)}`),
  ].join(';');
}

/** Who the session is, in the order in which it becomes so. */
const IDENTITY: ReadonlySet<string> = new Set(['session_authorization', 'role']);

/** Settings that are lists and that a session may set. */
const LISTS = new Set(['search_path', 'datestyle', 'temp_tablespaces']);

/** The text behind SET for a value given outside of SQL (a startup packet). */
export function assignmentOf(name: string, value: string): string {
  // Lists are split by SET itself only where they stand unquoted; one quoted list is one name.
  const literal = LISTS.has(name.toLowerCase()) ? listLiteral(value) : quoteLiteral(value);
  return `${quoteSettingName(name)} TO ${literal}`;
}

/** Custom settings have dotted names, whose parts are quoted one by one. */
function quoteSettingName(name: string): string {
  return name
    .split('.')
    .map((part) => (/^[a-z_][a-z0-9_$]*$/i.test(part) ? part : quoteName(part)))
    .join('.');
}

/** `a, "B c"` → `'a', 'B c'`: each element by itself, as SET wants a list. */
function listLiteral(value: string): string {
  const elements = value.match(/"(?:[^"]|"")*"|[^,\s][^,]*/g) ?? [];
  const literals = elements.map((element) => {
    const name = element.trim();
    const quoted = name.startsWith('"') && name.endsWith('"') && name.length > 1;
    return quoteLiteral(quoted ? name.slice(1, -1).replaceAll('""', '"') : name.toLowerCase());
  });
  return literals.length === 0 ? "''" : literals.join(', ');
}
