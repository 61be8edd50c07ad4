// Returned columns: RETURNING of rows that were found before, with what was found in its places.

import { quoteName } from '../base/quote.ts';
import type { ReturnedItem } from '../plan/staged.ts';
import type { FieldDescription } from '../wire/row.ts';
import { CARRIED, carriedName, carriedRef } from './carried.ts';
import type { ModifiedTable } from './modified-table.ts';

/** Behind what a star shows, of which only the server knows how many columns they are. */
const END = 'drive.end';

/** The items by which a query finds what RETURNING shows of it. */
export function foundItems(returning: readonly ReturnedItem[]): string[] {
  return returning.flat().flatMap((part) => {
    if (typeof part === 'string') return [];
    return part.shows === 'one'
      ? [part.found]
      : [part.found, `NULL::pg_catalog.int4 AS ${quoteName(END)}`];
  });
}

export const showsFound = (returning: readonly ReturnedItem[]): boolean =>
  returning.flat().some((part) => typeof part !== 'string');

/** The items as a shard computes them; `fields`: of the query, which gives them from `first` on. */
export function returnedSql(
  returning: readonly ReturnedItem[],
  fields: readonly FieldDescription[],
  first: number,
  { names }: ModifiedTable,
): string {
  let at = first;
  const items = returning.map((item) =>
    item
      .map((part) => {
        if (typeof part === 'string') return part;
        if (part.shows === 'one') return carriedRef(at++);
        const from = part.shows === 'others' ? at + names.length : at;
        const end = fields.findIndex(({ name }, i) => i >= from && name === END);
        at = end + 1;
        return fields
          .slice(from, end)
          .map((_, i) => carriedRef(from + i))
          .join(', ');
      })
      .join(''),
  );
  return items.filter((item) => item !== '').join(', ');
}

interface ArrivalText {
  /** A query that gives the rows, the position of each, from 1 on, behind `columns` - 1 others. */
  readonly carried: string;
  readonly columns: number;
  /** INSERT INTO … with its list, and which of the columns it takes. */
  readonly insert: string;
  readonly given: { readonly first: number; readonly count: number };
  /** The table's, quoted; all its columns, unquoted. */
  readonly alias: string;
  readonly names: readonly string[];
  /** What is asked of the new row and the columns. */
  readonly items: string;
}

/**
 * INSERT of rows that answers with what was found, too: RETURNING of an INSERT sees only the new row. It
 * gives the rows in the order in which they are inserted, by which they are found again.
 */
export function arrivalSql(text: ArrivalText): string {
  const { carried, insert, given, alias, names, items } = text;
  const columns = Array.from({ length: text.columns }, (_, i) => carriedName(i));
  const values = columns.slice(given.first, given.first + given.count).join(', ');
  const position = columns.at(-1)!;
  const own = names.map((_, i) => quoteName(`drive.own${i + 1}`));
  const shown = names.map((name, i) => `"drive.numbered".${own[i]} AS ${quoteName(name)}`);
  return [
    `WITH ${CARRIED} (${columns.join(', ')}) AS (${carried}),`,
    `"drive.arrived" AS (${insert} SELECT ${values} FROM ${CARRIED} ORDER BY ${position}`,
    `RETURNING ${alias}.*),`,
    `"drive.numbered" ("drive.row", ${own.join(', ')}) AS (SELECT pg_catalog.row_number() OVER (), *`,
    `FROM "drive.arrived") SELECT ${items} FROM "drive.numbered"`,
    `JOIN ${CARRIED} ON ${CARRIED}.${position} = "drive.numbered"."drive.row"`,
    `CROSS JOIN LATERAL (SELECT ${shown.join(', ')}) AS ${alias}`,
  ].join(' ');
}
