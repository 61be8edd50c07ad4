// Oracle: says whether a proxy's answer is the one that PostgreSQL gives.

import pg from 'pg';
import { FIRST_USER_OID } from '../../src/base/oid.ts';
import {
  type Failure,
  type Given,
  isAnswered,
  isPossible,
  type Rows,
} from '../support/possibility.ts';
import { type Protocol, send } from './asking.ts';
import { isErrorOfPart } from './error-of-part.ts';
import type { Ground, Side } from './ground.ts';
import { type Order, orderedColumns, orderOf } from './outer-order.ts';
import { reworded } from './rewording.ts';
import type { Rendered } from './tree.ts';
import { inVariation } from './variation.ts';
import type { WorldTable } from './world.ts';

/**
 * PostgreSQL itself answers in more than one way: 'given', also in this one; 'possible', in others that
 * have no more in common than this has with them.
 */
export type Verdict = 'equal' | 'refused' | 'given' | 'possible' | 'different';

export interface Judged {
  readonly verdict: Verdict;
  readonly side: string;
  readonly reason: string;
  /** PostgreSQL's SQLSTATE, where it failed. */
  readonly error: string | null;
}

/** In a transaction a statement is undone when it fails, or always. */
export type Keeping = 'alone' | 'undone' | 'kept';

/**
 * A modifier of an expression's type may follow what PostgreSQL's planner makes of constants; a cursor may be
 * over copies, which are its columns' table.
 */
function columnOf(field: pg.FieldDef, protocol: Protocol): string {
  const { name, dataTypeID, dataTypeModifier, columnID, format } = field;
  const { dataTypeSize } = field as unknown as { dataTypeSize: number };
  const type = Math.min(dataTypeID, FIRST_USER_OID);
  const origin = columnID === 0 ? [null, 0] : [dataTypeModifier, columnID];
  const isCursor = CURSORS.has(protocol);
  return JSON.stringify([name, type, dataTypeSize, format, isCursor ? null : origin]);
}

const REGTYPE = 2206;

/**
 * A regtype, and arrays and rows of users' types, have the number of the type in their binary form, which is another on
 * every server: of these the binary form only tells which are NULL.
 */
function rowsOf(
  { rows, fields }: Pick<pg.QueryArrayResult, 'rows' | 'fields'>,
  protocol: Protocol,
): string[] {
  const sizeOf = (field: pg.FieldDef) =>
    (field as unknown as { dataTypeSize: number }).dataTypeSize;
  const isNumbered = fields.map(
    (field) =>
      protocol === 'binary' &&
      ((field.dataTypeID >= FIRST_USER_OID && sizeOf(field) === -1) ||
        field.dataTypeID === REGTYPE),
  );
  const shown = (row: readonly unknown[]) =>
    row.map((value, i) => (isNumbered[i] && value !== null ? 'given' : value));
  return rows.map((row) => JSON.stringify(shown(row)));
}

/** Of which ORDER BY says nothing: two answers, and a table's rows. */
const UNORDERED: ReadonlySet<Protocol> = new Set(['twice', 'named', 'made']);

const CURSORS: ReadonlySet<Protocol> = new Set(['cursor', 'scroll', 'held']);

/** A statement that no server answers by then never will be. */
const ANSWER_MS = 90_000;

async function inTime<T>(answer: Promise<T>, complaint: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(complaint())), ANSWER_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function give(
  { client, name }: Side,
  rendered: Rendered,
  protocol: Protocol,
  keeping: Keeping,
): Promise<Given> {
  if (keeping !== 'alone') await client.query('SAVEPOINT asked');
  let failed = true;
  try {
    const results = await inTime(
      send(client, rendered, protocol, keeping !== 'alone'),
      () => `${name} does not answer, by ${protocol}: ${rendered.sql}`,
    );
    failed = false;
    return {
      columns: results.flatMap(({ fields }) => fields.map((field) => columnOf(field, protocol))),
      // What is kept cannot be asked again; its rows were compared when it was undone.
      rows: keeping === 'kept' ? [] : results.flatMap((result) => rowsOf(result, protocol)),
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
    // What ON CONFLICT names, and the columns of CREATE TABLE AS, the proxy may look at behind the rows.
    if (LOOKED_AT_FIRST.has(plain.error!) && other.error !== null) return null;
    if (plain.error !== null && other.error !== null && LACKS_FUNCTION.test(plain.message))
      return null;
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
  /** The tables that it reads or writes, by whatever view. */
  readonly tables: readonly WorldTable[];
  /** Parts of it that the proxy may run as statements of their own. */
  readonly apart: readonly Rendered[];
  /** Queries that are run only where it writes a row; the proxy may run them first. */
  readonly returned: readonly Rendered[];
}

const ROWS_MAX = 5_000;
/** Nothing unique, and a column twice. */
const LOOKED_AT_FIRST: ReadonlySet<string> = new Set(['42P10', '42701']);
/** An executor says so before it reads a row, where it comes to the node of the plan that needs it. */
const LACKS_FUNCTION = /^could not identify an? \S+ (?:function|operator) for type/;
const NEGATIVE_BOUNDS: ReadonlySet<string> = new Set(['2201W', '2201X']);
const QUERY_CANCELED = '57014';
/** An error of a value, not of the statement. */
const COMPUTED =
  /^nondeterministic collations are not supported for|^cannot subtract infinite dates$/;
const DUPLICATE_KEY = '23505';
const REPLACES = /\bMERGE\b(?=.*THEN DELETE).*THEN INSERT/s;
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
  const order = UNORDERED.has(protocol) ? null : orderOf(rendered.sql);
  const ordered = order !== null;
  const all = keeping === 'kept' ? [...sides, ...ground.witnesses] : sides;
  const plain = await ask(ground.plain);
  if (isTooMuch(plain)) {
    // A ROLLBACK may be late, too, and is then none.
    if (keeping === 'alone') await ground.plain.client.query('ROLLBACK');
    return [];
  }
  const others = await Promise.all(all.map(ask));
  const judged: Judged[] = [];
  const { error } = plain;
  const variations = new Variations(ground, question, plain, order);
  for (const [i, side] of sides.entries()) {
    const other = others[i]!;
    const reason = difference(plain, other, ordered, rendered.sql);
    if (reason === null) judged.push({ verdict: 'equal', side: side.name, reason: '', error });
    else if (other.error === QUERY_CANCELED) continue;
    else if (other.error === '0A000')
      judged.push({ verdict: 'refused', side: side.name, reason: other.message, error });
    else {
      const verdict = keeping === 'kept' ? 'different' : await variations.judge(other, side.shards);
      judged.push({ verdict, side: side.name, reason, error });
    }
  }
  return judged;
}

/** Enough for what is left to the order of a handful of rows. */
const VARIATIONS_MIN = 40;
/** What many answers have in common they may have by chance. */
const VARIATIONS_MAX = 400;

/** The answers that PostgreSQL gives to a question, as many as it takes. */
class Variations {
  readonly #ground: Ground;
  readonly #question: Question;
  readonly #answers: Given[];
  readonly #order: Order | null;

  constructor(ground: Ground, question: Question, plain: Given, order: Order | null) {
    this.#ground = ground;
    this.#question = question;
    this.#answers = [plain];
    this.#order = order;
  }

  /** As soon as one of them is the answer, it is given; else what all of them have in common counts. */
  async judge(other: Given, shards: number): Promise<Verdict> {
    const { sql } = this.#question.rendered;
    const [plain] = this.#answers;
    if (!isAnswered(plain!) && isAnswered(other)) {
      const { message } = plain!;
      // Whether a value is computed for rows that a condition has ruled out is open.
      if (COMPUTED.test(message)) return 'possible';
      if (await this.#isReworded(message, other)) return 'possible';
      // Each server deletes and inserts in the order in which it finds the rows; the proxy deletes first.
      if (plain!.error === DUPLICATE_KEY && REPLACES.test(sql)) return 'possible';
    }
    if (await this.#isUnasked(plain!, other)) return 'possible';
    const answers = this.#answers;
    const isOrdered = this.#order !== null;
    const inOrder = isAnswered(plain!) ? orderedColumns(this.#order, plain!.columns.length) : [];
    // Rows that are equal in what sorts them come in any order.
    const isAlike = difference(plain!, other, false, sql) === null;
    if (isAlike && isPossible([plain!], other, inOrder)) return 'given';
    for (let i = 0; i < VARIATIONS_MAX; i++) {
      const answer = answers[i] ?? (await this.#ask(i - 1));
      if (difference(answer, other, isOrdered, sql) === null) return 'given';
      if ((i + 1) % VARIATIONS_MIN > 0) continue;
      if (isPossible(answers, other, inOrder)) return 'possible';
      const vary = (each: Given) => difference(plain!, each, isOrdered, sql) !== null;
      if (!answers.some(vary)) break;
    }
    return !isAnswered(plain!) && !isAnswered(other) && (await this.#isOfPart(other, shards))
      ? 'possible'
      : 'different';
  }

  /** What PostgreSQL gives in other words. */
  async #isReworded(failure: string, other: Rows): Promise<boolean> {
    const { rendered, protocol, keeping } = this.#question;
    const sql = reworded(rendered.sql, failure);
    if (sql === null) return false;
    const given = await give(this.#ground.plain, { ...rendered, sql }, protocol, keeping);
    if (!isAnswered(given)) return false;
    // The columns may be called after an aggregate.
    const { columns } = other;
    return difference({ ...given, columns }, other, this.#order !== null, sql) === null;
  }

  /** An error of a query whose value no row asks for, or none before another error. */
  async #isUnasked(given: Given, other: Given): Promise<boolean> {
    if (isAnswered(other) || (isAnswered(given) && given.rows.length > 0)) return false;
    const { protocol, keeping, returned } = this.#question;
    for (const each of returned) {
      const value = { ...each, sql: `SELECT (${each.sql})` };
      const { error } = await give(this.#ground.plain, value, protocol, keeping);
      if (error === other.error) return true;
    }
    return false;
  }

  #isOfPart({ error }: Failure, shards: number): Promise<boolean> {
    const { plain } = this.#ground;
    const { rendered, apart, protocol, keeping, tables } = this.#question;
    const asks = [rendered, ...apart].map((each) => async () => {
      const given = await give(plain, each, protocol, 'undone');
      return given.error;
    });
    return isErrorOfPart(plain, shards, tables, keeping !== 'alone', asks, error);
  }

  async #ask(number: number): Promise<Given> {
    const { witnesses, plain } = this.#ground;
    const { rendered, protocol, keeping, tables } = this.#question;
    const witness = witnesses[number];
    const within = keeping !== 'alone';
    const answer =
      witness === undefined
        ? await inVariation(
            plain,
            tables.map(({ name }) => name),
            within,
            number,
            () => give(plain, rendered, protocol, 'undone'),
          )
        : await give(witness, rendered, protocol, keeping);
    this.#answers.push(answer);
    return answer;
  }
}
