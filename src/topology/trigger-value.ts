// Trigger value: whether a trigger may give a column another value than the statement has given.

import { cutBody } from './routine-code.ts';

/** By what they are of: they change nothing but a column of their row that is no key, or leave the row out. */
export const OWN_ROW_ONLY: ReadonlySet<string> = new Set([
  'pg_catalog.suppress_redundant_updates_trigger',
  'pg_catalog.tsvector_update_trigger',
  'pg_catalog.tsvector_update_trigger_column',
  'moddatetime.moddatetime',
  'insert_username.insert_username',
]);

/** A row as a whole, which may be any other behind it; what is returned and is not simply the one or the other. */
const WHOLE_ROW =
  /(?<!\breturn\s+)\bnew\b(?!"?\s*\.)|\breturn\b(?!\s+"?(?:new|old|null)\b"?\s*(?:;|$))/;

/** Where a statement begins, which may be an assignment; the function's name may stand before its row. */
const BEGINS = '(?:^|;|>>|\\b(?:begin|then|else|loop)\\b)\\s*(?:[^\\s.;:=()]+\\s*\\.\\s*)?';

/** What puts values into variables that it names. */
const GIVES =
  '(?:(?<!\\b(?:insert|merge)\\s+)\\binto|\\b(?:for|foreach|call|diagnostics))\\b[^;]*?';

/** False where its function surely does not set the column. `body`: in PL/pgSQL; null: in another language. */
export function mayGiveValue(body: string | null, column: string): boolean {
  const code = body === null ? null : cutBody(body)?.code.toLowerCase();
  if (code == null || WHOLE_ROW.test(code)) return true;
  // Of a name that is written with escapes nothing is told but that it may be any.
  if (/\bu&"/.test(code)) return true;
  const name = column.toLowerCase().replaceAll('"', '""').replace(/[^\w]/g, '\\$&');
  const field = `\\bnew\\b"?\\s*\\.\\s*"?${name}(?![\\w$])`;
  return new RegExp(`${BEGINS}"?${field}"?\\s*:?=|${GIVES}${field}`).test(code);
}
