// Reads the columns of a row as the types the API expects, and says so when they are not.

import type { Row } from './database.ts';

function column(row: Row, name: string, type: 'bigint' | 'number' | 'string'): unknown {
  const value = row[name];
  if (typeof value !== type) throw new TypeError(`column ${name} is ${typeof value}, not ${type}`);
  return value;
}

/** An int8 column. @throws TypeError when it is not one. */
export function bigintOf(row: Row, name: string): bigint {
  return column(row, name, 'bigint') as bigint;
}

/** An int4 column. @throws TypeError when it is not one. */
export function intOf(row: Row, name: string): number {
  return column(row, name, 'number') as number;
}

/** A count(*): int8 of which no table fills more than a double holds exactly. */
export function countOf(row: Row, name: string): number {
  return Number(bigintOf(row, name));
}

/** A column of any other type, as its text. @throws TypeError on NULL. */
export function textOf(row: Row, name: string): string {
  return column(row, name, 'string') as string;
}

/** The only row of an answer that has exactly one. @throws TypeError otherwise. */
export function onlyRow(rows: readonly Row[]): Row {
  const [row] = rows;
  if (row === undefined || rows.length !== 1) {
    throw new TypeError(`${rows.length} rows where one was expected`);
  }
  return row;
}
