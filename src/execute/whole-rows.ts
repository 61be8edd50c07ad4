// Whole rows: of a table, as the text that PostgreSQL writes for a composite value of it.

/** INSERT of the rows as they are, without defaults. `rows`: SQL of a text[]; `columns`: SQL names. */
export function insertWholeRowsSql(
  table: string,
  columns: readonly string[],
  rows: string,
): string {
  // A table may have no columns, for which there is no list.
  const list = columns.length === 0 ? '' : ` (${columns.join(', ')})`;
  return (
    `INSERT INTO ${table}${list} OVERRIDING SYSTEM VALUE ` +
    `SELECT ${columns.map((column) => `(made.made).${column}`).join(', ')} ` +
    `FROM (SELECT unnest(${rows})::${table} AS made OFFSET 0) AS made`
  );
}
