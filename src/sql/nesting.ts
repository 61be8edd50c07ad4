// Nesting: how deep the parser's tree of a text may become, judged from its tokens.

import type { Token } from './token.ts';

const NESTING_WORDS = new Set([
  'not',
  'case',
  'else',
  'join',
  'union',
  'intersect',
  'except',
  'is',
]);

/**
 * An upper bound of the tree's depth: open brackets, and within each bracket the operators between
 * two commas or ANDs, which may hang on each other.
 */
export function nestingOf(tokens: readonly Token[]): number {
  let depth = 0;
  let most = 0;
  /** Depth at each open bracket's own level, without what its current element added. */
  const bases: number[] = [0];
  for (const { kind, text } of tokens) {
    if (kind === 'operator') depth++;
    else if (kind === 'word') {
      if (NESTING_WORDS.has(text)) depth++;
      else if (text === 'and' || text === 'or') depth = bases.at(-1)!;
    } else if (kind === 'mark') {
      if (text === '(' || text === '[') {
        depth++;
        bases.push(depth);
      } else if (text === ')' || text === ']') {
        if (bases.length > 1) depth = bases.pop()!;
      } else if (text === '::' || text === '.') depth++;
      else if (text === ',' || text === ';') depth = bases.at(-1)!;
    }
    if (depth > most) most = depth;
  }
  return most;
}
