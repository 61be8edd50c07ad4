// Command: one thing an operator may ask for, whichever door the wish comes through.

import type { Operations } from './operations.ts';

export interface Column {
  readonly name: string;
  readonly type: 'text' | 'int4' | 'int8';
}

export type Value = string | number | null;

export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Value[])[];
}

export interface Answer {
  readonly table: Table | null;
  /** The command tag: `SHOW`, `PAUSE`. */
  readonly tag: string;
  /** What the operator should know besides. */
  readonly notices: readonly string[];
}

export interface Command {
  /** As typed: `SHOW POOLS`, `PAUSE`. */
  readonly name: string;
  /** What may follow the name: `[shard]`; empty if nothing may. */
  readonly usage: string;
  /** One line for SHOW HELP. */
  readonly about: string;
  /** reads: changes nothing. operates: changes what clients meet. */
  readonly role: 'reads' | 'operates';
  /** The columns of the answer's table, for those who describe before they run; null: no table. */
  readonly columns: readonly Column[] | null;
  /** `argument`: what followed the name, '' if nothing did. Rejects with SqlError. */
  run(argument: string, operations: Operations): Answer | Promise<Answer>;
}

/** `id:int4 name` → columns; text where no type is given. */
export function columns(list: string): readonly Column[] {
  return list.split(/\s+/).map((each) => {
    const [name = '', type = 'text'] = each.split(':');
    return { name, type: type as Column['type'] };
  });
}

/** A command that shows a table and takes no argument. */
export function show(
  name: string,
  about: string,
  shape: readonly Column[],
  rows: (operations: Operations) => readonly (readonly Value[])[],
): Command {
  return {
    name: `SHOW ${name}`,
    usage: '',
    about,
    role: 'reads',
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
