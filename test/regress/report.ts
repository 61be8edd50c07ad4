// Report of a statement corpus: what share of each file is equal, refused and different.

import type { Outcome } from './run.ts';

export function printOutcomes(outcomes: ReadonlyMap<string, Outcome>): string {
  const rows = [...outcomes].map(([name, outcome]) => {
    const { equal, renumbered, other, possible, refused, different, skipped } = outcome;
    return [name, equal, renumbered, other, possible, refused, different.length, skipped] as const;
  });
  const all = [1, 2, 3, 4, 5, 6, 7].map((i) =>
    rows.reduce((sum, row) => sum + (row[i] as number), 0),
  );
  const line = (name: string, counts: readonly number[]) => {
    const [equal, renumbered, other, possible, refused, different, skipped] = counts as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const right = equal + renumbered + other + possible;
    const share = ((100 * right) / Math.max(1, right + refused + different)).toFixed(1);
    return `| ${name} | ${equal} | ${renumbered} | ${other} | ${possible} | ${refused} | ${different} | ${share} % | ${skipped} |`;
  };
  return [
    '| file | equal | renumbered | other order | possible | refused | different | share right | left out |',
    '|---|---:|---:|---:|---:|---:|---:|---:|---:|',
    ...rows.map(([name, ...counts]) => line(name, counts)),
    line('all', all),
  ].join('\n');
}
