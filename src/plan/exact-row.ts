// Exact row: a whole row as text that another server reads as the same row.

/** `alias` and `table` as SQL: drive.exact_text is of no setting of the session. */
export const exactRow = (alias: string, table: string): string =>
  `drive.exact_text(ROW(${alias}.*)::${table})`;
