// Nesting: how deep the parser's tree of a text may become, judged from its tokens.

import type { Token } from './token.ts';

/** Words that put what stands before or behind them one level deeper. */
const OPERATOR_WORDS = new Set(
  'not is isnull notnull like ilike similar escape between in collate at overlaps'.split(' '),
);
/** Words whose left side is a level of its own, however many commas and ANDs are between. */
const CHAIN_WORDS = new Set(['join', 'union', 'intersect', 'except']);

/** Words that stand between the parts of a CASE, side by side. */
const BRANCH_WORDS = new Set(['when', 'then', 'else']);

interface Open {
  readonly closedBy: string;
  /** The depth of its elements, each of which may go deeper by its own operators. */
  base: number;
}

/**
 * An upper bound of the tree's depth: open brackets and CASEs, joins and set operations within each
 * of them, and the operators between two commas, ANDs or ORs, which may hang on each other.
 */
export function nestingOf(tokens: readonly Token[]): number {
  const open: Open[] = [{ closedBy: '', base: 0 }];
  let depth = 0;
  let most = 0;
  for (const { kind, text } of tokens) {
    const top = open.at(-1)!;
    if (kind === 'operator') depth++;
    else if (kind === 'word') {
      if (OPERATOR_WORDS.has(text)) depth++;
      else if (CHAIN_WORDS.has(text)) depth = ++top.base;
      else if (text === 'and' || text === 'or') depth = top.base;
      else if (top.closedBy === 'end' && BRANCH_WORDS.has(text)) depth = top.base;
      else if (text === 'case') open.push({ closedBy: 'end', base: ++depth });
    } else if (kind === 'mark') {
      if (text === '(') open.push({ closedBy: ')', base: ++depth });
      else if (text === '[') open.push({ closedBy: ']', base: ++depth });
      else if (text === '::' || text === '.') depth++;
      else if (text === ',') depth = top.base;
      else if (text === ';' && open.length === 1) depth = top.base = 0;
    }
    if (text === top.closedBy && kind !== 'name' && kind !== 'string') {
      open.pop();
      // What is behind the bracket may hang on it: `(…)[1]::text`.
      depth = top.base;
    }
    if (depth > most) most = depth;
  }
  return most;
}
