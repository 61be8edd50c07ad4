// Report of a differential search, as text.

import type { Counted, Tally } from './search.ts';

export function report(tally: Tally): string {
  const { asked, equal, given, possible, errors, refused, found } = tally;
  const count = (of: ReadonlyMap<string, Counted>) =>
    [...of.values()].reduce((sum, each) => sum + each.count, 0);
  const most = (of: ReadonlyMap<string, Counted>) =>
    [...of]
      .sort(([, a], [, b]) => b.count - a.count)
      .map(([what, each]) => `    ${each.count} × ${what}: ${each.example}`);
  const answers = equal + given + possible + count(refused) + found.length;
  const share = ((100 * count(refused)) / Math.max(1, answers)).toFixed(1);
  return [
    `${asked} statements, ${answers} answers compared: ${equal} equal, ${found.length} different`,
    `  ${given + possible} where PostgreSQL itself has several answers: ${given} are one that it gave, ${possible} could be`,
    `  ${count(errors)} statements that fail on PostgreSQL too`,
    ...most(errors),
    `  ${count(refused)} refused (${share} %)`,
    ...most(refused),
  ].join('\n');
}
