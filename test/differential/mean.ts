// Mean: averages without the variance that PostgreSQL's avg() of floats computes along, and may overflow in.

/** What avg() gives of each type. */
const RESULTS = {
  int2: 'numeric',
  int4: 'numeric',
  int8: 'numeric',
  numeric: 'numeric',
  float8: 'float8',
  interval: 'interval',
} as const;

/** Statements that make `mean`, for one PostgreSQL. */
export const MAKE_MEAN: readonly string[] = Object.entries(RESULTS).flatMap(([type, result]) => [
  `CREATE FUNCTION mean_of(${type}[]) RETURNS ${result} LANGUAGE sql IMMUTABLE AS
     'SELECT sum(x)::${result} / count(x) FROM unnest($1) AS x'`,
  `CREATE AGGREGATE mean(${type}) (SFUNC = array_append, STYPE = ${type}[], FINALFUNC = mean_of,
     INITCOND = '{}')`,
]);

const AVERAGE = /\bavg\(/g;

/** The statement with `mean` in place of `avg`; null: it has none. */
export function withMean(sql: string): string | null {
  const replaced = sql.replaceAll(AVERAGE, 'public.mean(');
  return replaced === sql ? null : replaced;
}
