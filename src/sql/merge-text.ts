// Merge text: where the source of a MERGE stands in its text, so that it can be replaced.

import { isFree, nestingOf } from './clause.ts';
import { conditionOf } from './merge-clauses.ts';
import type { Token } from './token.ts';

export interface MergeText {
  /** WITH … in front of MERGE, or ''. */
  readonly with: string;
  /** MERGE INTO t [AS a] USING, with a space behind. */
  readonly before: string;
  /** The source with its alias, or those of what it joins. */
  readonly source: string;
  /** ON … to the end, with a space in front. */
  readonly after: string;
}

/** null where the parts are not certain. */
export function mergeText(sql: string, tokens: readonly Token[]): MergeText | null {
  const depths = nestingOf(tokens);
  const at = (word: string, from: number) =>
    tokens.findIndex(
      ({ kind, text }, i) =>
        i >= from && depths[i] === 0 && kind === 'word' && text === word && isFree(tokens, i),
    );
  const merge = at('merge', 0);
  const using = at('using', merge + 1);
  const on = conditionOf(tokens, depths, using, at('when', using + 1));
  if (merge < 0 || using < 0 || on <= using + 1) return null;
  if (tokens.some(({ kind, text }) => kind === 'word' && text === 'uescape')) return null;
  return {
    with: sql.slice(0, tokens[merge]!.start),
    before: `${sql.slice(tokens[merge]!.start, tokens[using]!.end)} `,
    source: sql.slice(tokens[using + 1]!.start, tokens[on - 1]!.end),
    after: ` ${sql.slice(tokens[on]!.start, tokens.at(-1)!.end)}`,
  };
}
