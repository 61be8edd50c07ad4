// Over workers: how what several workers answer to a command becomes one answer.

import { SqlError } from '../base/errors.ts';
import type { Answer, Column, Command, Row, Table, Value } from './command.ts';

/** Runs a command for an operator: in this process, or in all of the proxy. Rejects with SqlError. */
export type RunCommand = (command: Command, argument: string) => Promise<Answer>;

/** One answer of all, in the order of the workers. Throws the error that is to be reported. */
export function combineAnswers(
  { over }: Command,
  outcomes: readonly (Answer | SqlError)[],
): Answer {
  const answers = outcomes.flatMap((each) => (each instanceof SqlError ? [] : [each]));
  const error = outcomes.find((each) => each instanceof SqlError);
  const [first] = answers;
  if (first === undefined || (error !== undefined && over !== 'any')) {
    throw error ?? new Error('no worker has answered');
  }
  const tables = answers.flatMap(({ table }) => table ?? []);
  const ended = answers.flatMap((answer) => answer.ended ?? []);
  return {
    table: first.table === null ? null : combineTables(first.table.columns, tables, over),
    tag: first.tag,
    notices: [...new Set(answers.flatMap(({ notices }) => notices))],
    ...(ended.length === 0 ? {} : { ended: ended.reduce((sum, count) => sum + count, 0) }),
  };
}

/** What an operator is told besides the rows. */
export function noticesOf({ notices, ended }: Answer): readonly string[] {
  return ended === undefined ? notices : [`clients ended: ${ended}`, ...notices];
}

function combineTables(
  columns: readonly Column[],
  tables: readonly Table[],
  over: Command['over'],
): Table {
  if (over !== 'combined') return { columns, rows: tables.flatMap(({ rows }) => rows) };
  const groups = new Map<string, Row[]>();
  for (const { rows } of tables) {
    const seen = new Map<Value, number>();
    for (const row of rows) {
      // Two shards may have databases of one name: then their order tells them apart.
      const name = row[0]!;
      const nth = seen.get(name) ?? 0;
      seen.set(name, nth + 1);
      const key = `${nth} ${name}`;
      groups.set(key, [...(groups.get(key) ?? []), row]);
    }
  }
  return { columns, rows: [...groups.values()].map((rows) => combineRows(columns, rows)) };
}

function combineRows(columns: readonly Column[], rows: readonly Row[]): Row {
  const first = rows[0]!;
  const most = extreme(columns, rows, 'most');
  const least = extreme(columns, rows, 'least');
  return columns.map(({ combine }, i) => {
    switch (combine) {
      case 'first':
        return first[i]!;
      case 'most':
        return most[i]!;
      case 'least':
        return least[i]!;
      case 'sum':
        return sum(rows, i);
      default:
        break;
    }
    if ('sumBut' in combine) {
      return combine.sumBut.includes(String(first[0])) ? first[i]! : sum(rows, i);
    }
    return mean(
      rows,
      i,
      columns.findIndex(({ name }) => name === combine.weightedBy),
    );
  });
}

function extreme(columns: readonly Column[], rows: readonly Row[], how: 'most' | 'least'): Row {
  const places = columns.flatMap(({ combine }, i) => (combine === how ? [i] : []));
  const isBefore = (one: Row, other: Row): boolean => {
    const place = places.find((i) => one[i] !== other[i]);
    if (place === undefined) return false;
    const [a, b] = [one[place] ?? '', other[place] ?? ''];
    return how === 'most' ? a > b : a < b;
  };
  return rows.reduce((best, row) => (isBefore(row, best) ? row : best));
}

const numberAt = (row: Row, i: number): number => Number(row[i] ?? 0);

function sum(rows: readonly Row[], i: number): number {
  return rows.reduce((total, row) => total + numberAt(row, i), 0);
}

function mean(rows: readonly Row[], i: number, weight: number): number {
  const total = sum(rows, weight);
  if (total === 0) return Math.max(...rows.map((row) => numberAt(row, i)));
  const weighted = rows.reduce((all, row) => all + numberAt(row, i) * numberAt(row, weight), 0);
  return Math.round(weighted / total);
}
