// Hand routes: a shard or key that the user gives, by a leading comment or SET drive.….

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { parseInt8 } from './integer.ts';
import { classOf, SLASH, SPACE, STAR } from './lexeme.ts';

/** A route given by the user instead of found in the statement. */
export type HandRoute =
  | { readonly by: 'shard'; readonly shard: number }
  | { readonly by: 'key'; readonly key: bigint };

/** Past this no number is a shard's; far above any cluster, far below where a number is inexact. */
const SHARD_NUMBER_END = 1_000_000n;

/** The values of SET drive.shard or drive.key; null takes the choice back. Throws SqlError 22023. */
export function handRoute(by: HandRoute['by'], values: readonly string[]): HandRoute | null {
  const [value = ''] = values;
  // An empty value takes the choice back, as for other settings made up by their users.
  if (value === '' && values.length === 1) return null;
  const key = values.length === 1 ? parseInt8(value) : null;
  const fits = key !== null && (by === 'key' || (key >= 0n && key < SHARD_NUMBER_END));
  if (!fits) {
    throw new SqlError({
      code: SQLSTATE.invalidParameterValue,
      message: `invalid value for parameter "drive.${by}": "${values.join(', ')}"`,
      hint: by === 'key' ? 'Give an integer key.' : 'Give the number of a shard.',
    });
  }
  return by === 'key' ? { by, key } : { by, shard: Number(key) };
}

const DIRECTIVE = /\/\*\s*drive\.(shard|key)\s*=\s*('?)((?:(?!\*\/)[^'])*?)\2\s*\*\//y;

/**
 * The route given by a comment before the statement: drive.shard=1 or drive.key=42. Throws SqlError
 * 22023 for a value that is none. Looks at two characters of a text without a leading comment.
 */
export function handRouteOf(sql: string): HandRoute | null {
  const match = directiveOf(sql);
  if (match === null) return null;
  const value = match[3]!;
  // In a comment an empty value is a mistake: there is nothing to take back.
  return handRoute(match[1] as HandRoute['by'], value === '' ? [] : [value]);
}

/** Whether handRouteOf finds a route, be it a possible one or not. */
export function hasHandRoute(sql: string): boolean {
  return directiveOf(sql) !== null;
}

function directiveOf(sql: string): RegExpExecArray | null {
  let i = 0;
  while (i < sql.length && classOf(sql.charCodeAt(i)) === SPACE) i++;
  if (sql.charCodeAt(i) !== SLASH || sql.charCodeAt(i + 1) !== STAR) return null;
  DIRECTIVE.lastIndex = i;
  return DIRECTIVE.exec(sql);
}
