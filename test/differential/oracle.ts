// Oracle: says whether a proxy's answer is the one that PostgreSQL gives.

import pg from 'pg';
import Cursor from 'pg-cursor';
import type { Ground, Side } from './ground.ts';
import type { Rendered } from './tree.ts';

/** 'ambiguous': PostgreSQL itself answers in more than one way. */
export type Verdict = 'equal' | 'refused' | 'ambiguous' | 'different';

export interface Judged {
  readonly verdict: Verdict;
  readonly side: string;
  readonly reason: string;
  /** PostgreSQL's SQLSTATE, where it failed. */
  readonly error: string | null;
}

interface Rows {
  readonly columns: readonly string[];
  readonly rows: readonly string[];
  readonly command: string;
  readonly error: null;
}

interface Failure {
  readonly error: string;
  readonly message: string;
}

type Given = Rows | Failure;

const RAW = {
  getTypeParser: () => (value: string | Buffer) =>
    Buffer.isBuffer(value) ? value.toString('hex') : value,
};
const FIRST_USER_OID = 16384;

/** In a transaction a statement is undone when it fails, or always. */
export type Keeping = 'alone' | 'undone' | 'kept';

/** How a statement is sent. */
export type Protocol = 'simple' | 'extended' | 'binary' | 'portal' | 'execute' | 'twice';

let preparedCount = 0;

/** Rows that a portal gives at a time. */
const PORTAL_ROWS = 7;

const quotedValue = (value: string | null) =>
  value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`;

async function throughPortal(client: pg.Client, { sql, parameters }: Rendered): Promise<Answered> {
  const config = { rowMode: 'array' as const, types: RAW };
  const cursor = client.query(new Cursor<unknown[]>(sql, [...parameters], config));
  const rows: unknown[][] = [];
  try {
    for (;;) {
      const some = await cursor.read(PORTAL_ROWS);
      rows.push(...some);
      if (some.length < PORTAL_ROWS) break;
    }
    const { fields } = (cursor as unknown as { _result: { fields: pg.FieldDef[] } })._result;
    return { fields, rows, command: 'portal', rowCount: rows.length };
  } finally {
    await cursor.close();
  }
}

type Answered = Pick<pg.QueryArrayResult, 'fields' | 'rows' | 'command' | 'rowCount'>;

async function send(
  client: pg.Client,
  { sql, parameters }: Rendered,
  protocol: Protocol,
): Promise<Answered[]> {
  const base = { text: sql, rowMode: 'array' as const, types: RAW };
  const run = async (config: object) => {
    const answer = await client.query(config as pg.QueryArrayConfig);
    return (Array.isArray(answer) ? answer : [answer]) as pg.QueryArrayResult[];
  };
  switch (protocol) {
    case 'simple':
      return run(base);
    case 'extended':
    case 'binary':
      return run({ ...base, values: [...parameters], binary: protocol === 'binary' });
    case 'portal':
      return [await throughPortal(client, { sql, parameters })];
    case 'twice':
      return run({ ...base, text: `${sql}\n; ${sql}` });
    case 'execute': {
      const values = parameters.length === 0 ? '' : ` (${parameters.map(quotedValue).join(', ')})`;
      preparedCount += 1;
      const name = `asked_${preparedCount}`;
      await client.query(`PREPARE ${name} AS ${sql}`);
      try {
        return await run({ ...base, text: `EXECUTE ${name}${values}` });
      } finally {
        await client.query(`DEALLOCATE ${name}`).catch(() => undefined);
      }
    }
  }
}

/** A modifier of an expression's type may follow what PostgreSQL's planner makes of constants. */
const columnOf = (field: pg.FieldDef): string => {
  const { name, dataTypeID, dataTypeModifier, columnID, format } = field;
  const { dataTypeSize } = field as unknown as { dataTypeSize: number };
  const modifier = columnID === 0 ? null : dataTypeModifier;
  const type = Math.min(dataTypeID, FIRST_USER_OID);
  return JSON.stringify([name, type, modifier, dataTypeSize, columnID, format]);
};

async function give(
  { client }: Side,
  rendered: Rendered,
  protocol: Protocol,
  keeping: Keeping,
): Promise<Given> {
  if (keeping !== 'alone') await client.query('SAVEPOINT asked');
  let failed = true;
  try {
    const results = await send(client, rendered, protocol);
    failed = false;
    return {
      columns: results.flatMap((result) => result.fields.map(columnOf)),
      rows: results.flatMap((result) => result.rows.map((row) => JSON.stringify(row))),
      command: results.map((result) => `${result.command} ${result.rowCount}`).join(),
      error: null,
    };
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    return { error: error.code ?? '', message: error.message };
  } finally {
    if (keeping === 'undone' || (keeping === 'kept' && failed))
      await client.query('ROLLBACK TO asked');
    if (keeping === 'kept') await client.query('RELEASE asked');
  }
}

const sorted = (rows: readonly string[]) => [...rows].sort();
const same = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((each, i) => each === b[i]);

/** What a set operation's columns are modified by follows PostgreSQL's plan, not its text. */
const SETS = /UNION|INTERSECT|EXCEPT/;

/** What differs; null: nothing. */
function difference(plain: Given, other: Given, ordered: boolean, sql: string): string | null {
  if (plain.error !== null || other.error !== null) {
    if (plain.error === other.error) return null;
    // A shard's error may have ended the transaction before another way was tried: both fail.
    if (plain.error !== null && other.error === IN_FAILED_TRANSACTION) return null;
    // Of several errors any may be met first: the proxy reads LIMIT before a server reads the rest.
    if (plain.error !== null && NEGATIVE_BOUNDS.has(other.error!)) return null;
    const words = (given: Given) =>
      given.error === null ? 'rows' : `error ${given.error} ${given.message}`;
    return `${words(plain)} | ${words(other)}`;
  }
  if (!same(plain.columns, other.columns) && !SETS.test(sql))
    return `columns ${plain.columns} | ${other.columns}`;
  const [a, b] = ordered ? [plain.rows, other.rows] : [sorted(plain.rows), sorted(other.rows)];
  if (!same(a, b)) {
    const at = a.findIndex((row, i) => row !== b[i]);
    return `${a.length} rows | ${b.length} rows; first ${a[at]} | ${b[at]}`;
  }
  return plain.command === other.command ? null : `${plain.command} | ${other.command}`;
}

export interface Question {
  readonly rendered: Rendered;
  readonly protocol: Protocol;
  readonly keeping: Keeping;
}

const ROWS_MAX = 5_000;
const NEGATIVE_BOUNDS: ReadonlySet<string> = new Set(['2201W', '2201X']);
const QUERY_CANCELED = '57014';
/** An error of a value, not of the statement. */
const COMPUTED =
  /^nondeterministic collations are not supported for I?LIKE$|^cannot subtract infinite dates$/;
const IN_FAILED_TRANSACTION = '25P02';

/** Not worth the time: what shows in many rows shows in fewer. */
const isTooMuch = (given: Given) =>
  given.error === null ? given.rows.length > ROWS_MAX : given.error === QUERY_CANCELED;

export async function judge(
  ground: Ground,
  sides: readonly Side[],
  question: Question,
): Promise<Judged[]> {
  const { rendered, protocol, keeping } = question;
  const ask = (side: Side) => give(side, rendered, protocol, keeping);
  const order = protocol === 'twice' ? null : outerOrder(rendered.sql);
  const all = keeping === 'kept' ? [...sides, ...ground.witnesses] : sides;
  const plain = await ask(ground.plain);
  if (isTooMuch(plain)) return [];
  const others = await Promise.all(all.map(ask));
  const judged: Judged[] = [];
  const { error } = plain;
  let ambiguous: boolean | null = null;
  for (const [i, side] of sides.entries()) {
    const other = others[i]!;
    const reason = difference(plain, other, order !== null, rendered.sql);
    if (reason === null) judged.push({ verdict: 'equal', side: side.name, reason: '', error });
    else if (other.error === '0A000')
      judged.push({ verdict: 'refused', side: side.name, reason: other.message, error });
    else {
      ambiguous ??=
        keeping === 'kept' ? false : await isAmbiguous(ground, plain, other, order, question);
      judged.push({
        verdict: ambiguous ? 'ambiguous' : 'different',
        side: side.name,
        reason,
        error,
      });
    }
  }
  return judged;
}

/** ORDER BY outside of all brackets and what follows it; null: none. */
function outerOrder(sql: string): string | null {
  let depth = 0;
  for (const { 0: token, index } of sql.matchAll(/'(?:[^']|'')*'|"[^"]*"|[()]|[A-Za-z_]+/g)) {
    if (token === '(') depth += 1;
    else if (token === ')') depth -= 1;
    else if (depth === 0 && token === 'ORDER') return sql.slice(index);
  }
  return null;
}

function ordersAll(order: string, columns: number): boolean {
  const ordinals = new Set(
    [...order.matchAll(/(?:BY|,) (\d+)\b/g)].map(([, ordinal]) => Number(ordinal)),
  );
  return Array.from({ length: columns }, (_, i) => i + 1).every((ordinal) => ordinals.has(ordinal));
}

const folded = (given: Given, fold: (row: string) => string): Given =>
  given.error === null ? { ...given, rows: given.rows.map(fold) } : given;

/** Texts that a collation holds equal. */
const equalText = (row: string) => row.toLowerCase();

/** Of the values in use: -0, 1.0 and 1 in jsonb, and intervals of a day or a month in any style. */
const equalValue = (row: string) =>
  equalText(row)
    .replaceAll('"-0"', '"0"')
    .replace(/(": ?)1\.0\b/g, '$11')
    .replace(/24:00:00|pt24h|@ 24 hours/g, '1 day')
    .replace(/p1d\b|@ 1 day/g, '1 day')
    .replace(/30 days|p30d|@ 1 mon|p1m\b/g, '1 mon');

/** As an order sees values: numbers have no scale. */
const equalOrder = (row: string) =>
  equalValue(row).replace(/"(-?\d+)(?:\.0+|(\.\d*?[1-9])0+)"/g, '"$1$2"');

/** With or without a row that DISTINCT ON has taken of several. */
const OPEN_SETS = /DISTINCT ON.*\) (EXCEPT|INTERSECT)|(EXCEPT|INTERSECT)\b.*DISTINCT ON/;

/** Where one of several equal rows or values stands for all. */
const ONE_OF_EQUALS =
  /\b(DISTINCT|GROUP BY|UNION|EXCEPT|INTERSECT|LIMIT|OFFSET|FETCH|OVER)\b|\b(min|max|percentile_disc)\(/;

/** Whose rows depend on an order that no one gives. */
const UNORDERED_WINDOW = /\b(lead|lag|ntile|row_number|\w+_value)\([^()]*\) OVER \(\)/g;

const isAnswered = (given: Given): given is Rows => given.error === null;

/** Positions of columns whose values are others, in whatever rows; null: not as many rows. */
function otherColumns(a: Given, b: Given): number[] | null {
  if (!isAnswered(a) || !isAnswered(b) || a.rows.length !== b.rows.length) return null;
  const values = ({ rows }: Rows, column: number) =>
    sorted(rows.map((row) => JSON.stringify((JSON.parse(row) as unknown[])[column])));
  return a.columns.flatMap((_, i) => (same(values(a, i), values(b, i)) ? [] : [i]));
}

/** Which of several rows DISTINCT ON takes, and what a window without an order sees, is open. */
function isOpenRow(a: Given, b: Given, sql: string): boolean {
  const others = otherColumns(a, b);
  if (others === null) return false;
  // It is always ON the first column.
  if (/^(\/\*.*\*\/ )?SELECT DISTINCT ON/.test(sql)) return !others.includes(0);
  if (/DISTINCT ON/.test(sql)) return true;
  const windows = sql.match(UNORDERED_WINDOW) ?? [];
  const isNested = (sql.match(/\bSELECT\b/g) ?? []).length > 1;
  return windows.length > 0 && (isNested || others.length <= windows.length);
}

const CARDINALITY_VIOLATION = '21000';

/**
 * PostgreSQL reads one row of an index for min() and its kin, and FETCH … WITH TIES makes it several:
 * build_minmax_path() in planagg.c leaves the limit's kind as it was. It does not behind a WITH.
 */
async function isTieOfMinimum(
  ground: Ground,
  plain: Given,
  other: Given,
  { rendered, protocol, keeping }: Question,
): Promise<boolean> {
  const { sql } = rendered;
  if (plain.error !== CARDINALITY_VIOLATION || !/WITH TIES/.test(sql)) return false;
  const behind = { ...rendered, sql: `WITH unread AS (SELECT) ${sql}` };
  const answer = await give(ground.plain, behind, protocol, keeping);
  return isAnswered(answer) && difference(answer, other, false, sql) === null;
}

async function isAmbiguous(
  ground: Ground,
  plain: Given,
  other: Given,
  order: string | null,
  question: Question,
): Promise<boolean> {
  const { rendered, protocol, keeping } = question;
  const { sql } = rendered;
  const ordered = order !== null;
  // Which of several equal values stands for them is open; texts are equal under some collations.
  const fold = ONE_OF_EQUALS.test(sql) ? equalValue : equalText;
  const [a, b] = [folded(plain, fold), folded(other, fold)];
  if (difference(a, b, ordered, sql) === null) return true;
  const isTotal = order === null || plain.error !== null || ordersAll(order, plain.columns.length);
  if (!isTotal && difference(a, b, false, sql) === null) return true;
  // Equal values of other texts are in any order: 46 and 46.00.
  const [c, d] = [folded(plain, equalOrder), folded(other, equalOrder)];
  if (difference(plain, other, false, sql) === null && difference(c, d, ordered, sql) === null)
    return true;
  if (isOpenRow(a, b, sql)) return true;
  const areAnswered = isAnswered(plain) && isAnswered(other);
  if (areAnswered && OPEN_SETS.test(sql)) return true;
  if (await isTieOfMinimum(ground, plain, other, question)) return true;
  // Whether a value is computed for rows that a condition has ruled out is open.
  if (plain.error !== null && COMPUTED.test(plain.message) && other.error === null) return true;
  for (const witness of ground.witnesses) {
    if (difference(plain, await give(witness, rendered, protocol, keeping), ordered, sql) !== null)
      return true;
  }
  return false;
}
