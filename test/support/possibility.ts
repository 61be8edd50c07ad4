// Possibility: whether an answer can be PostgreSQL's, by those that it gives over other rows' orders and plans.

/** Rows as JSON, each an array of the values as they were sent. */
export interface Rows {
  readonly columns: readonly string[];
  readonly rows: readonly string[];
  readonly command: string;
  readonly error: null;
}

export interface Failure {
  readonly error: string;
  readonly message: string;
}

export type Given = Rows | Failure;

export const isAnswered = (given: Given): given is Rows => given.error === null;

/** Pairs of more columns are many. */
const PAIRED_COLUMNS_MAX = 6;

/**
 * True when `other` has all that the answers have in common: how many rows there are; what each column
 * holds, and in which order those of `inOrder` do; what two columns hold in the same row; the values in a
 * column that none of them is without. Where all answers are the same, nothing else is possible.
 */
export function isPossible(
  answers: readonly Given[],
  other: Given,
  inOrder: readonly number[],
): boolean {
  if (!isAnswered(other)) return answers.some(({ error }) => error === other.error);
  const given = answers.filter(isAnswered);
  if (given.length === 0) return false;
  const marks = given.map((each) => marksOf(each, inOrder));
  const own = marksOf(other, inOrder);
  for (const [name, mark] of marks[0]!) {
    if (marks.every((each) => each.get(name) === mark) && own.get(name) !== mark) return false;
  }
  const [first, ...rest] = given.map(valuesOf);
  const values = valuesOf(other);
  return [...first!].every((value) => values.has(value) || !rest.every((each) => each.has(value)));
}

/** What can be said of rows, by what it is said of. */
function marksOf(
  { columns, rows, command }: Rows,
  inOrder: readonly number[],
): ReadonlyMap<string, string> {
  const parsed = rows.map((row) => JSON.parse(row) as unknown[]);
  const marks = new Map([
    ['columns', columns.join()],
    ['command', command],
    ['count', String(rows.length)],
    ['rows', rows.toSorted().join()],
  ]);
  const width = Math.max(0, ...parsed.map((row) => row.length));
  const valuesAt = (...at: number[]) => parsed.map((row) => JSON.stringify(at.map((i) => row[i])));
  for (let i = 0; i < width; i++) {
    if (inOrder.includes(i)) marks.set(`${i} in order`, valuesAt(i).join());
    marks.set(`${i}`, valuesAt(i).sort().join());
    for (let j = 0; j < i && width <= PAIRED_COLUMNS_MAX; j++)
      marks.set(`${j}, ${i}`, valuesAt(j, i).sort().join());
  }
  return marks;
}

/** The values, by column. */
function valuesOf({ rows }: Rows): ReadonlySet<string> {
  return new Set(
    rows.flatMap((row) =>
      (JSON.parse(row) as unknown[]).map((value, i) => `${i} ${JSON.stringify(value)}`),
    ),
  );
}
