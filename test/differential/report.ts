// Report of a differential search, as text.

import type { Tally } from './search.ts';

export function report({ asked, equal, ambiguous, errors, refused, found }: Tally): string {
  const count = (of: ReadonlyMap<string, number>) =>
    [...of.values()].reduce((sum, n) => sum + n, 0);
  const most = (of: ReadonlyMap<string, number>) =>
    [...of].sort((a, b) => b[1] - a[1]).map(([what, n]) => `    ${n} × ${what}`);
  const answers = equal + ambiguous + count(refused) + found.length;
  const share = ((100 * count(refused)) / Math.max(1, answers)).toFixed(1);
  return [
    `${asked} statements, ${answers} answers compared: ${equal} equal, ${found.length} different`,
    `  ${ambiguous} where PostgreSQL itself has more than one answer`,
    `  ${count(errors)} statements that fail on PostgreSQL too`,
    `  ${count(refused)} refused (${share} %)`,
    ...most(refused),
  ].join('\n');
}
