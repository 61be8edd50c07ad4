// Rewording: statements in other words of the same meaning, where PostgreSQL fails by the way it computes them.

/** Averages without a variance; what avg() gives of each type. */
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

interface Rewording {
  /** The message of the failure. */
  readonly failure: RegExp;
  readonly words: RegExp;
  readonly others: string;
}

const REWORDINGS: readonly Rewording[] = [
  // With an average of floats a variance is computed, which may overflow.
  { failure: /^value out of range: overflow$/, words: /\bavg\(/g, others: 'public.mean(' },
  // min() and max() become sub-queries of one row, but WITH TIES where their query is.
  {
    failure: /^more than one row returned by a subquery used as an expression$/,
    words: /\bWITH TIES\b/g,
    others: 'ONLY',
  },
];

/** null: the failure is the statement's own. */
export function reworded(sql: string, failure: string): string | null {
  const found = REWORDINGS.find((each) => each.failure.test(failure));
  const others = found === undefined ? sql : sql.replaceAll(found.words, found.others);
  return others === sql ? null : others;
}
