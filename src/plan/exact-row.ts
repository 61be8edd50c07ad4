// Exact row: a whole row as text that another server reads as the same row.

import { FIRST_USER_OID } from '../base/oid.ts';
import { quoteName } from '../base/quote.ts';
import type { Column } from '../topology/table.ts';

/** `alias` and `table` as SQL: drive.exact_text is of no setting of the session. */
export const exactRow = (alias: string, table: string): string => exactText(`${alias}.*`, table);

/**
 * The same without what is generated, which the other server computes itself: of a virtual column it may be an error
 * only who reads it meets.
 */
export function givenRow(alias: string, table: string, columns: readonly Column[]): string {
  // One of a type made by users may be a domain that takes no NULL; it is none that is virtual.
  const isLeft = ({ generated, typeOid }: Column) => generated && typeOid < FIRST_USER_OID;
  if (!columns.some(isLeft)) return exactRow(alias, table);
  const values = columns.map((column) =>
    isLeft(column) ? 'NULL' : `${alias}.${quoteName(column.name)}`,
  );
  return exactText(values.join(', '), table);
}

const exactText = (values: string, table: string): string =>
  `drive.exact_text(ROW(${values})::${table})`;
