// Kept statements: a simple Query sent as Bind and Execute of a statement that the server keeps.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { AnswerForm, RoutedPlan } from '../plan/plan.ts';
import type { Step } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { hasStatement, makeRoom } from '../pool/server-statements.ts';
import { charactersOf, type ErrorFields, errorFields, FIELD } from '../wire/error-response.ts';
import { encodeDescribe, encodeExecute, encodeParse, SYNC } from '../wire/extended.ts';
import { FRONTEND } from '../wire/message-type.ts';
import type { EncodedBatch } from './batch-encode.ts';
import { nameUnder, type StatementNames, type StatementText } from './prepared.ts';

/**
 * The server has parsed and planned it before, which is most of its work for a small read. Its first
 * answer decides: with an error or a notice before the rows the Query is sent as its client wrote it,
 * so that nobody hears of a statement that is not theirs.
 */
export interface KeptStatement {
  /** Among those of the same settings: see nameUnder. */
  readonly name: string;
  readonly sql: string;
  readonly parameterTypes: readonly number[];
  /** Where the parameters stand in `sql`. */
  readonly starts: readonly number[];
}

/** Of a Query, whose parameters are yet to be made. */
export type QueryText = Omit<StatementText, 'parameterTypes'>;

/** null: the plan's statements must be sent as they are written. `literals` are those of Planned. */
export function keptStatementOf(
  text: QueryText,
  plan: RoutedPlan,
  literals: readonly string[] | null,
  names: StatementNames,
): KeptStatement | null {
  const form = literals === null ? { sql: text.sql, types: [], starts: [] } : plan.parameterized;
  if (form === null) return null;
  const { sql, types, starts } = form;
  const name = names.nameOf({ ...text, sql, parameterTypes: types });
  return { name, sql, parameterTypes: types, starts };
}

const SWALLOW: Step = { do: 'swallow', done: null };
const FORWARD: Step = { do: 'forward', done: null };
const STEPS: Readonly<Record<AnswerForm, readonly Step[]>> = {
  rows: [SWALLOW, { do: 'rows', done: null }, FORWARD],
  returning: [SWALLOW, { do: 'returning', done: null }, FORWARD],
};
const NO_NAMES: readonly string[] = [];

const REST = Buffer.concat([
  encodeDescribe({ target: 'portal', name: '' }),
  encodeExecute({ portal: '', maxRows: 0 }),
  SYNC,
]);

/**
 * [Parse,] Bind, Describe, Execute, Sync for a Query whose text has these literals, as written; what
 * answers the first two is swallowed, what answers the others comes as the Query's would. `reading`
 * as in Settings.
 */
export function encodeKept(
  statement: KeptStatement,
  literals: readonly string[],
  answers: AnswerForm,
  connection: ServerConnection,
  reading: string,
): EncodedBatch {
  const name = nameUnder(reading, statement.name);
  const steps = STEPS[answers];
  const bound = encodeLiterals(name, literals);
  if (hasStatement(connection, name)) {
    return { bytes: bound, steps, parses: NO_NAMES, keeps: true, reuses: false };
  }
  const closes = makeRoom(connection, 1);
  const { sql, parameterTypes } = statement;
  const parse = encodeParse({ name, sql, parameterTypes: [...parameterTypes] });
  const parsed: Step = { do: 'swallow', done: () => connection.statements.add(name) };
  return {
    bytes: Buffer.concat([...closes, parse, bound]),
    steps: [...closes.map(() => SWALLOW), parsed, ...steps],
    parses: [name],
    keeps: true,
    reuses: false,
  };
}

/** Bind of the unnamed portal with text parameters, and all that follows. */
function encodeLiterals(name: string, literals: readonly string[]): Buffer {
  const values = literals.map(textOf);
  let length = 4 + 1 + name.length + 1 + 2 + 2 + 2;
  for (const value of values) length += 4 + Buffer.byteLength(value);
  const buffer = Buffer.allocUnsafe(1 + length + REST.length);
  buffer[0] = FRONTEND.bind;
  buffer.writeInt32BE(length, 1);
  buffer[5] = 0;
  let at = 6 + buffer.write(name, 6);
  buffer[at] = 0;
  buffer.writeInt16BE(0, at + 1);
  buffer.writeInt16BE(values.length, at + 3);
  at += 5;
  for (const value of values) {
    const written = buffer.write(value, at + 4);
    buffer.writeInt32BE(written, at);
    at += 4 + written;
  }
  buffer.writeInt16BE(0, at);
  REST.copy(buffer, at + 2);
  return buffer;
}

const QUOTE = 39;

/** What a literal means: a number as it stands, a string without its quotes. */
function textOf(literal: string): string {
  if (literal.charCodeAt(0) !== QUOTE) return literal;
  const inner = literal.slice(1, -1);
  return inner.includes("''") ? inner.replaceAll("''", "'") : inner;
}

/** A statement that was sent in its kept form where its client must be told of an error. */
export interface SentKept {
  /** null: its text was the client's own. */
  readonly kept: KeptStatement | null;
  readonly literals: readonly string[];
}

/**
 * An error of the kept form as the client's own text would have met it. Its server's plan is of a table
 * that has changed since, where that text would have been read anew: the transaction must be, too.
 */
export function errorAsWritten(error: ErrorFields, { kept, literals }: SentKept): ErrorFields {
  if (error.all.get(FIELD.routine) === 'RevalidateCachedQuery') return errorFields(CHANGED, null);
  const position = Number(error.all.get(FIELD.position) ?? 0);
  if (position === 0 || kept === null) return error;
  let written = position;
  for (const [i, start] of kept.starts.entries()) {
    if (charactersOf(kept.sql.slice(0, start)) + 1 >= position) break;
    written += charactersOf(literals[i]!) - `$${i + 1} `.length;
  }
  return { ...error, all: new Map(error.all).set(FIELD.position, String(written)) };
}

const CHANGED = new SqlError({
  code: SQLSTATE.serializationFailure,
  message: 'a table of this statement has been changed while the transaction was open',
  hint: 'Run the transaction again.',
});
