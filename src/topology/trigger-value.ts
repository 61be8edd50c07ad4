// Trigger value: whether a trigger may give a column a value that the statement has not given.

import { withoutComments } from './calling-routines.ts';

/** A row as a whole, which may be any other behind it. */
const WHOLE_ROW = /(?<!\breturn\s+)\bnew\b(?!"?\s*\.)|\breturn\b(?!\s+"?(?:new|old|null)\b)/;

/** False where its function surely does not touch the column. `body`: in PL/pgSQL; null: in another language. */
export function mayGiveValue(body: string | null, column: string): boolean {
  if (body === null) return true;
  const text = withoutComments(body).toLowerCase();
  return text.includes(column.toLowerCase()) || WHOLE_ROW.test(text);
}
