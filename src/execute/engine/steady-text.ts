// Steady text: a value as text that the next server reads as the same value, whatever the session has set.

/** `column`: as SQL. */
export const steadyText = (column: string): string =>
  `CASE WHEN ${IS_LOSSY} THEN drive.exact_text(${column}) ELSE ${column}::pg_catalog.text END`;

/** Asked once for all rows. */
const IS_LOSSY = `(SELECT pg_catalog.current_setting('extra_float_digits')::pg_catalog.int4 < 1
  OR pg_catalog.current_setting('DateStyle') NOT LIKE 'ISO%')`;
