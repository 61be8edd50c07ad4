// System columns: what every table has beside its own.

/** ddl.sgml, "System Columns". */
export const SYSTEM_COLUMNS: ReadonlySet<string> = new Set([
  'ctid',
  'tableoid',
  'xmin',
  'xmax',
  'cmin',
  'cmax',
]);
