// Difference: what two answers to a statement do not have in common.

import { type Answer, unordered } from '../parity/answer.ts';

export type Rows = Extract<Answer, { kind: 'rows' }>;

const ROWS_SHOWN = 400;

/** null: the same columns and rows, in any order, or the same error. */
export function differenceOf(plain: Answer, proxy: Answer): string | null {
  if (plain.kind === 'error' || proxy.kind === 'error') {
    const word = (answer: Answer) =>
      answer.kind === 'error' ? `${answer.code} ${answer.message}` : `${answer.rows.length} rows`;
    const isSame =
      plain.kind === proxy.kind && 'code' in plain && 'code' in proxy && plain.code === proxy.code;
    return isSame ? null : `${word(plain)} | ${word(proxy)}`;
  }
  if (JSON.stringify(unordered(plain)) === JSON.stringify(unordered(proxy))) return null;
  const head = ({ command, count, columns }: Rows) => JSON.stringify({ command, count, columns });
  const heads = [head(plain), head(proxy)];
  return [
    ...(heads[0] === heads[1] ? [] : heads),
    rowsBeyond(plain, proxy),
    rowsBeyond(proxy, plain),
  ].join('\n  ');
}

/** Some rows of `one` that `other` does not have. */
function rowsBeyond(one: Rows, other: Rows): string {
  const left = other.rows.map((row) => JSON.stringify(row));
  const beyond = one.rows
    .map((row) => JSON.stringify(row))
    .filter((row) => {
      const at = left.indexOf(row);
      if (at >= 0) left.splice(at, 1);
      return at < 0;
    });
  return `${beyond.length} other rows: ${beyond.join(' ').slice(0, ROWS_SHOWN)}`;
}
