// Report of a statement corpus: what share of each file is equal, refused and different.

import type { Outcome } from './run.ts';

export function printOutcomes(outcomes: ReadonlyMap<string, Outcome>): string {
  const rows: (readonly [string, number, number, number, number])[] = [...outcomes].map(
    ([name, { equal, refused, different, skipped }]) =>
      [name, equal, refused, different.length, skipped] as const,
  );
  const all = [1, 2, 3, 4].map((i) => rows.reduce((sum, row) => sum + (row[i] as number), 0));
  const share = (equal: number, refused: number, different: number): string =>
    `${((100 * equal) / Math.max(1, equal + refused + different)).toFixed(1)} %`;
  const line = (name: string, [equal, refused, different, skipped]: readonly number[]) =>
    `| ${name} | ${equal} | ${refused} | ${different} | ${share(equal!, refused!, different!)} | ${skipped} |`;
  return [
    '| file | equal | refused | different | share equal | left out |',
    '|---|---:|---:|---:|---:|---:|',
    ...rows.map(([name, ...counts]) => line(name, counts)),
    line('all', all),
  ].join('\n');
}
