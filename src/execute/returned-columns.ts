// Returned columns: RETURNING of rows that were found before, with what was found in its places.

import { quoteName } from '../base/quote.ts';
import type { ModifyRowsMerge, ReturnedItem } from '../plan/staged.ts';
import type { FieldDescription } from '../wire/row.ts';
import { CARRIED, carriedName, carriedRef } from './carried.ts';
import type { ModifiedTable } from './modified-table.ts';
import { rowItem } from './written-row.ts';

/** Behind what a star shows, of which only the server knows how many columns they are. */
const END = 'drive.end';

/** The items by which a query finds what RETURNING shows of it. */
export const foundItems = (merge: ModifyRowsMerge, table: ModifiedTable): string[] =>
  merge.returning.flatMap((item) => {
    if (item.shows === 'own') return [];
    if (item.shows === 'one') return [rowItem(item, merge, table)];
    if (item.shows !== 'parts') {
      return [item.sql, `NULL::pg_catalog.int4 AS ${quoteName(END)}`];
    }
    return item.parts.flatMap((part) => (typeof part === 'string' ? [] : [part.found]));
  });

export const showsFound = (returning: readonly ReturnedItem[]): boolean =>
  returning.some((item) =>
    item.shows === 'parts'
      ? item.parts.some((part) => typeof part !== 'string')
      : item.shows !== 'own',
  );

export interface ReturnedColumns {
  /** The items as a shard computes them. */
  readonly sql: string;
  /** Of fields that are shown as they are found, by position: which column of the client's each is. */
  readonly shown: ReadonlyMap<number, number>;
}

/** `fields`: of the query, which gives what it finds from `first` on. */
export function returnedColumns(
  returning: readonly ReturnedItem[],
  fields: readonly FieldDescription[],
  first: number,
  { names }: ModifiedTable,
): ReturnedColumns {
  const items: string[] = [];
  const shown = new Map<number, number>();
  let at = first;
  let column = 0;
  const show = (field: number) => {
    items.push(carriedRef(field));
    shown.set(field, column++);
  };
  for (const item of returning) {
    if (item.shows === 'own') {
      items.push(item.sql);
      column += names.length;
    } else if (item.shows === 'one') {
      show(at++);
    } else if (item.shows === 'parts') {
      const texts = item.parts.map((part) => (typeof part === 'string' ? part : carriedRef(at++)));
      items.push(texts.join(''));
      column += 1;
    } else {
      const end = fields.findIndex(({ name }, i) => i >= at && name === END);
      const from = item.shows === 'others' ? at + names.length : at;
      for (let field = from; field < end; field++) show(field);
      at = end + 1;
    }
  }
  return { sql: items.join(', '), shown };
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
