// Command: one thing an operator may ask for, whichever door the wish comes through.

import type { Operations } from './operations.ts';

/**
 * What becomes of a column where workers answer with the same row. first: they agree. most, least: it
 * is taken from the row that has the largest, or smallest, values in all columns marked so.
 * weightedBy: the mean, weighted by the column of that name. sumBut: the sum, but for rows whose first
 * value is one of these, in which they agree.
 */
export type Combine =
  | 'first'
  | 'sum'
  | 'most'
  | 'least'
  | { readonly weightedBy: string }
  | { readonly sumBut: readonly string[] };

export interface Column {
  readonly name: string;
  readonly type: 'text' | 'int4' | 'int8';
  readonly combine: Combine;
}

export type Value = string | number | null;
export type Row = readonly Value[];

export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
}

/**
 * How a command is run where the proxy has several workers. here: by the one that was asked. rows: by
 * all, and the answer is the rows of all. combined: by all, and rows with the same first value become
 * one. every: all must do it. any: one of them must be able to.
 */
export type OverWorkers = 'here' | 'rows' | 'combined' | 'every' | 'any';

export interface Answer {
  readonly table: Table | null;
  /** The command tag: `SHOW`, `PAUSE`. */
  readonly tag: string;
  /** What the operator should know besides. */
  readonly notices: readonly string[];
  /** KILL: how many clients it has ended. */
  readonly ended?: number;
}

export interface Command {
  /** As typed: `SHOW POOLS`, `PAUSE`. */
  readonly name: string;
  /** What may follow the name: `[shard]`; empty if nothing may. */
  readonly usage: string;
  /** Its argument is all that follows, as it was typed; else one word at most. */
  readonly takesLine?: true;
  /** One line for SHOW HELP. */
  readonly about: string;
  /** reads: changes nothing. operates: changes what clients meet. */
  readonly role: 'reads' | 'operates';
  readonly over: OverWorkers;
  /** The columns of the answer's table, for those who describe before they run; null: no table. */
  readonly columns: readonly Column[] | null;
  /** `argument`: what followed the name, '' if nothing did. Rejects with SqlError. */
  run(argument: string, operations: Operations): Answer | Promise<Answer>;
}

const MARKS: Readonly<Record<string, Combine>> = { '+': 'sum', '>': 'most', '<': 'least' };

/** `id:int4 name count:int8+` → columns; text where no type is given, first where no mark is. */
export function columns(list: string): readonly Column[] {
  return list.split(/\s+/).map((each) => {
    const [, name = '', type = 'text', mark = ''] = /^(\w+)(?::(\w+))?([+<>]?)$/.exec(each) ?? [];
    return { name, type: type as Column['type'], combine: MARKS[mark] ?? 'first' };
  });
}

/** A command that shows a table and takes no argument. */
export function show(
  name: string,
  about: string,
  over: OverWorkers,
  shape: readonly Column[],
  rows: (operations: Operations) => readonly Row[],
): Command {
  return {
    name: `SHOW ${name}`,
    usage: '',
    about,
    role: 'reads',
    over,
    columns: shape,
    run: (_, operations) => ({
      table: { columns: shape, rows: rows(operations) },
      tag: 'SHOW',
      notices: [],
    }),
  };
}

export const done = (tag: string, notices: readonly string[] = []): Answer => ({
  table: null,
  tag,
  notices,
});
