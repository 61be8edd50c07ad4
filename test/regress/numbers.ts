// Numbers: whether answers differ in what sequences have given and in nothing else.

import type pg from 'pg';
import { type Answer, ask } from '../parity/answer.ts';
import type { Rows } from './difference.ts';

const NUMBER = /^-?\d+$/;

/** Every sequence loses a number, as it does when a transaction that took one is rolled back. */
export async function loseNumbers(client: pg.Client): Promise<void> {
  await ask(
    client,
    `DO $$ DECLARE s oid; BEGIN
       FOR s IN SELECT seqrelid FROM pg_sequence LOOP
         BEGIN PERFORM nextval(s); EXCEPTION WHEN OTHERS THEN NULL; END;
       END LOOP;
     END $$`,
  );
}

/**
 * True when `proxy` is `plain` but for numbers, and these are just the values that differ on one
 * PostgreSQL by itself, too, where its sequences have lost numbers (`beside`). As many of them are distinct, in each column.
 */
export function differInNumbers(plain: Answer, beside: Answer, proxy: Answer): boolean {
  if (plain.kind === 'error' || beside.kind === 'error' || proxy.kind === 'error') return false;
  if (plain.rows.length !== beside.rows.length) return false;
  if (JSON.stringify(plain.columns) !== JSON.stringify(proxy.columns)) return false;
  const rows = alignedTo(plain.rows, beside.rows);
  const given = plain.rows.map((row, i) => row.map((value, c) => value !== rows[i]![c]));
  const isNumber = given.every((marks, i) =>
    marks.every((mark, c) => !mark || NUMBER.test(plain.rows[i]![c] ?? '')),
  );
  return isNumber && pairs(plain, given, proxy);
}

/**
 * Rows that are the same on both stand beside each other, then those that are but for numbers, and the others as
 * they come: a statement about a number that only one of them has given may have changed their order.
 */
function alignedTo(rows: Rows['rows'], others: Rows['rows']): Rows['rows'] {
  const left = [...others];
  const take = (row: Rows['rows'][number], isAlike: typeof isSame) => {
    const at = left.findIndex((other) => row.every((value, c) => isAlike(value, other[c]!)));
    return at < 0 ? null : left.splice(at, 1)[0]!;
  };
  const same = rows.map((row) => take(row, isSame));
  const alike = rows.map((row, i) => same[i] ?? take(row, isSameOrNumber));
  return alike.map((row) => row ?? left.shift()!);
}

const isSame = (a: string | null, b: string | null): boolean => a === b;
const isSameOrNumber = (a: string | null, b: string | null): boolean =>
  a === b || (NUMBER.test(a ?? '') && NUMBER.test(b ?? ''));

/** Pairs the rows, those with the fewest numbers given by sequences first. */
function pairs(plain: Rows, given: readonly boolean[][], proxy: Rows): boolean {
  const left = [...proxy.rows];
  const distinct = plain.columns.map(() => [new Set<string>(), new Set<string>()] as const);
  const byMarks = given
    .map((marks, i) => ({ marks, row: plain.rows[i]! }))
    .sort((a, b) => a.marks.filter(Boolean).length - b.marks.filter(Boolean).length);
  for (const { marks, row } of byMarks) {
    const at = left.findIndex((other) =>
      marks.every((mark, c) => (mark ? NUMBER.test(other[c] ?? '') : other[c] === row[c])),
    );
    if (at < 0) return false;
    const [paired] = left.splice(at, 1);
    for (const [c, mark] of marks.entries()) {
      if (!mark) continue;
      distinct[c]![0].add(row[c]!);
      distinct[c]![1].add(paired![c]!);
    }
  }
  return left.length === 0 && distinct.every(([ours, theirs]) => ours.size === theirs.size);
}
