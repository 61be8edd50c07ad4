// Drive calls: functions of schema drive in place of PostgreSQL's own, which tell of one server.

import { tokenize } from '../sql/token.ts';
import { isName, nameOf } from './engine-text.ts';

/**
 * The text with schema drive's function in place of each that `isMeant`, by its schema (null: none is written) and its
 * name; it gets `argument`, as SQL, before the others.
 */
export function withDriveCalls(
  sql: string,
  isMeant: (schema: string | null, name: string) => boolean,
  argument: string,
): string {
  const tokens = tokenize(sql) ?? [];
  let text = '';
  let from = 0;
  for (const [i, token] of tokens.entries()) {
    const bracket = tokens[i + 1];
    if (bracket?.text !== '(' || !isName(token)) continue;
    const first = tokens[i - 1]?.text === '.' ? tokens[i - 2]! : token;
    if (!isMeant(first === token ? null : nameOf(first), nameOf(token))) continue;
    text += `${sql.slice(from, first.start)}drive.${nameOf(token)}(${argument}, `;
    from = bracket.end;
  }
  return text + sql.slice(from);
}
