// query: runs one statement of the proxy's own on a leased connection and gathers what comes back.

import type { SqlError } from '../base/errors.ts';
import { CANCEL_TRIES } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { BodyReader } from '../wire/bytes.ts';
import { decodeErrorFields, type ErrorFields } from '../wire/error-response.ts';
import { encodeBind, encodeExecute, encodeParse, SYNC } from '../wire/extended.ts';
import { BACKEND } from '../wire/message-type.ts';
import { decodeCommandComplete, encodeQuery } from '../wire/query.ts';
import { decodeDataRow, decodeRowDescription, type FieldDescription } from '../wire/row.ts';
import { STATUS } from '../wire/status.ts';
import { NoticePassage, type OnNotice } from './notice-passage.ts';
import { type Receiver, ServerRequest } from './request.ts';
import type { ServerConnection } from './server-connection.ts';
import { hasStatement, makeRoom } from './server-statements.ts';

/** The answer to the statements of one request, gathered whole: for small answers only. */
export interface QueryResult {
  readonly fields: readonly FieldDescription[];
  /** Text values, null for NULL. */
  readonly rows: readonly (readonly (string | null)[])[];
  /** Command tag of the last statement. */
  readonly tag: string;
  /** Transaction status behind it: 'I', 'T' or 'E' as a code. */
  readonly status: number;
}

/** A server's ErrorResponse, to be passed on with all its fields. */
export class ServerError extends Error {
  readonly fields: ErrorFields;

  constructor(fields: ErrorFields) {
    super(fields.message);
    this.name = 'ServerError';
    this.fields = fields;
  }
}

/**
 * Runs `sql` by the simple protocol. Rejects with ServerError when the server refuses it, with
 * SqlError 08006 when the connection is lost.
 */
export function query(
  connection: ServerConnection,
  sql: string,
  onNotice: OnNotice | null = null,
): Promise<QueryResult> {
  return exchange(connection, encodeQuery(sql), onNotice);
}

/**
 * As `query`, for one statement that comes again and again outside of transactions: the server keeps it, with its
 * plan, under `name`, and is given it anew where somebody has had it forget all. It is not compiled, which takes
 * longer than a question about the schema and is done for every run.
 */
export async function queryKept(
  connection: ServerConnection,
  name: string,
  sql: string,
): Promise<QueryResult> {
  if (hasStatement(connection, name)) {
    try {
      return await runKept(connection, name, []);
    } catch (error) {
      const code = error instanceof ServerError ? error.fields.code : '';
      if (code !== SQLSTATE.invalidSqlStatementName) throw error;
      connection.statements.delete(name);
    }
  }
  const parse = encodeParse({ name, sql, parameterTypes: [] });
  return runKept(connection, name, [...makeRoom(connection, 1), parse]);
}

function runKept(
  connection: ServerConnection,
  name: string,
  first: readonly Buffer[],
): Promise<QueryResult> {
  const bytes = Buffer.concat([...first, WITHOUT_JIT, bindAll(name), EXECUTE_ALL, SYNC]);
  return new Promise((resolve, reject) => {
    const given = (result: QueryResult) => resolve({ ...result, rows: result.rows.slice(1) });
    const collector = new Collector(given, reject, null, null);
    const request = new ServerRequest(collector, false);
    if (first.length > 0) {
      request.parses = [name];
      collector.onParsed = () => connection.statements.add(name);
    }
    connection.send(bytes, request);
  });
}

const bindAll = (statement: string): Buffer =>
  encodeBind({ portal: '', statement, parameterFormats: [], parameters: [], resultFormats: [] });

const EXECUTE_ALL = encodeExecute({ portal: '', maxRows: 0 });

/** Gives one row, and holds until Sync. */
const WITHOUT_JIT = Buffer.concat([
  encodeParse({
    name: '',
    sql: `SELECT pg_catalog.set_config('jit', 'off', true)`,
    parameterTypes: [],
  }),
  bindAll(''),
  EXECUTE_ALL,
]);

/**
 * As `query`, for a question that comes behind what is done: a cancel that comes late for that may hit the
 * question, which is then asked again.
 */
export async function queryBehind(connection: ServerConnection, sql: string): Promise<QueryResult> {
  for (let left = CANCEL_TRIES; ; left--) {
    try {
      return await query(connection, sql);
    } catch (error) {
      const code = error instanceof ServerError ? error.fields.code : '';
      if (code !== SQLSTATE.queryCanceled || left === 0) throw error;
    }
  }
}

/**
 * As `query`, for a string whose last statement ends a transaction and is answered by `tag`: what the server
 * has completed is done, whatever error comes behind it. A server that logs how long a statement took looks
 * for cancels and timeouts once more then, and an operator may end it.
 */
export function queryToEnd(
  connection: ServerConnection,
  sql: string,
  tag: string,
): Promise<QueryResult> {
  return exchange(connection, encodeQuery(sql), null, tag);
}

/** As `query`, for bytes that end in one message answered by ReadyForQuery; `doneBy` as in `queryToEnd`. */
export function exchange(
  connection: ServerConnection,
  bytes: Buffer,
  onNotice: OnNotice | null = null,
  doneBy: string | null = null,
): Promise<QueryResult> {
  return new Promise((resolve, reject) => {
    const notices = onNotice === null ? null : new NoticePassage(connection, onNotice);
    const collector = new Collector(resolve, reject, notices, doneBy);
    connection.send(bytes, new ServerRequest(collector, false));
  });
}

class Collector implements Receiver {
  /** The server has read a statement: that which it is to keep, then perhaps another. */
  onParsed: (() => void) | null = null;

  #resolve: (result: QueryResult) => void;
  #reject: (error: Error) => void;
  #fields: FieldDescription[] = [];
  #rows: (string | null)[][] = [];
  #tag = '';
  #error: ServerError | null = null;
  #notices: NoticePassage | null;
  #doneBy: string | null;

  constructor(
    resolve: (result: QueryResult) => void,
    reject: (error: Error) => void,
    notices: NoticePassage | null,
    doneBy: string | null,
  ) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#notices = notices;
    this.#doneBy = doneBy;
  }

  relay(): never {
    throw new Error('a collector asks for whole messages');
  }

  copyInStarted(): void {
    this.#reject(new Error('the proxy itself never copies into a table'));
  }

  frame(type: number, buffer: Buffer, start: number, end: number): void {
    switch (type) {
      case BACKEND.rowDescription:
        this.#fields = decodeRowDescription(new BodyReader(buffer, start, end));
        break;
      case BACKEND.parseComplete:
        this.onParsed?.();
        break;
      case BACKEND.dataRow:
        this.#rows.push(
          decodeDataRow(buffer.subarray(start, end)).map((value) =>
            value === null ? null : value.toString('utf8'),
          ),
        );
        break;
      case BACKEND.commandComplete:
        this.#tag = decodeCommandComplete(new BodyReader(buffer, start, end));
        break;
      case BACKEND.errorResponse:
        this.#error ??= new ServerError(decodeErrorFields(new BodyReader(buffer, start, end)));
        break;
      case BACKEND.noticeResponse:
        this.#notices?.pass(buffer, start, end);
        break;
      default:
    }
  }

  finished(status: number): void {
    this.#settle(this.#error, status);
  }

  lost(error: SqlError): void {
    this.#settle(this.#error ?? error, STATUS.idle);
  }

  #settle(error: Error | null, status: number): void {
    this.#notices?.end();
    if (error !== null && this.#tag !== this.#doneBy) this.#reject(error);
    else this.#resolve({ fields: this.#fields, rows: this.#rows, tag: this.#tag, status });
  }
}
