// Merge source: the relations that the source of a MERGE is made of, by the names of its columns.

import { quoteName } from '../base/quote.ts';
import { partsOf } from '../sql/expression.ts';
import type { FromItem } from '../sql/statement.ts';
import { NoMerge } from './splice.ts';
import type { JoinedRow, MergeSource } from './staged.ts';

/** What no statement can call it by. */
const UNNAMED = 'drive.source';

type JoinItem = Extract<FromItem, { kind: 'join' }>;

/** Throws NoMerge where a column could not be told which relation it is of. */
export function mergeSource(source: FromItem): MergeSource {
  const names: string[] = [];
  const merges = namesOf(source, names);
  if (names.length === 1) return { aliases: names.map(quoteName), joined: null };
  return { aliases: names.map(quoteName), joined: merges ? joinedRow(source, { next: 0 }) : null };
}

/** Adds the names of the relations, from left to right. True where columns are of two of them. */
function namesOf(item: FromItem, names: string[], within = false): boolean {
  if (item.kind !== 'join' || item.alias !== null) {
    const name = nameOf(item);
    if (name === null && within) throw new NoMerge('mergeSource');
    names.push(name ?? UNNAMED);
    return false;
  }
  const parts = [namesOf(item.left, names, true), namesOf(item.right, names, true)];
  return parts.includes(true) || isNamed(item);
}

function nameOf(item: FromItem): string | null {
  if (item.alias !== null) return item.alias;
  if (item.kind === 'table') return item.relation.name;
  if (item.kind !== 'function') return null;
  // A function gives its name to its rows.
  const calls = item.parts.flatMap((part) =>
    [...partsOf(part)].flatMap((each) => (each.kind === 'call' ? [each] : [])),
  );
  return calls.sort((a, b) => a.at - b.at)[0]?.name ?? null;
}

/** By USING or NATURAL. */
const isNamed = ({ using, natural }: JoinItem): boolean => using.length > 0 || natural;

/**
 * Of one row of each relation one row of the join. Which rows belong together is known, so that nothing may
 * keep them apart: an inner join is a left one, which shows the same columns.
 */
function joinedRow(item: FromItem, count: { next: number }): JoinedRow {
  if (item.kind !== 'join' || item.alias !== null) return count.next++;
  const left = joinedRow(item.left, count);
  const right = joinedRow(item.right, count);
  if (!isNamed(item)) return { type: 'CROSS', left, right, using: '' };
  const isWhole = typeof left === 'number' && typeof right === 'number';
  // Only of a relation by itself is it known whether it has a row there.
  if (item.type === 'full' && !isWhole) throw new NoMerge('mergeSource');
  const type = item.type === 'full' ? 'FULL' : item.type === 'right' ? 'RIGHT' : 'LEFT';
  const name = item.usingAlias === null ? '' : ` AS ${quoteName(item.usingAlias)}`;
  const using = item.natural ? null : ` USING (${item.using.map(quoteName).join(', ')})${name}`;
  return { type, left, right, using };
}
