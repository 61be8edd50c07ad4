// ShardStream: the rows one shard sends for a merge, in batches, as fast as they are taken.

import type { SqlError } from '../base/errors.ts';
import { NoticePassage } from '../pool/notice-passage.ts';
import { ServerError } from '../pool/query.ts';
import { type Receiver, ServerRequest } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { hasStatement, makeRoom } from '../pool/server-statements.ts';
import { BodyReader } from '../wire/bytes.ts';
import { decodeErrorFields } from '../wire/error-response.ts';
import { encodeBind, encodeDescribe, encodeExecute, encodeParse, SYNC } from '../wire/extended.ts';
import { BACKEND } from '../wire/message-type.ts';
import { decodeCommandComplete } from '../wire/query.ts';
import { decodeRowDescription, type FieldDescription } from '../wire/row.ts';
import { FlowControl } from './flow-control.ts';
import { type BoundParameters, typesOn, valuesOn } from './parameters.ts';

export interface ShardStatement {
  readonly sql: string;
  readonly parameters: BoundParameters;
  readonly resultFormats: readonly number[];
  /** Under which the server is to keep it; missing: it will not come again. */
  readonly name?: string;
  /** Another shard does the same, and gives its notices. */
  readonly repeats?: boolean;
}

/**
 * Runs `statement` on `connection` and resolves once its columns are known. Rejects with
 * ServerError or, when the connection is lost, SqlError; the connection then owes nothing more.
 */
export function openShardStream(
  connection: ServerConnection,
  statement: ShardStatement,
): Promise<ShardStream> {
  return new Promise((resolve, reject) => {
    const stream = new ShardStream(connection, resolve, reject);
    const { parameters, resultFormats, name = '' } = statement;
    const isKept = name !== '' && hasStatement(connection, name);
    const messages = [
      ...(isKept ? [] : parseMessages(connection, statement, name)),
      encodeBind({
        portal: '',
        statement: name,
        parameterFormats: [...parameters.formats],
        parameters: valuesOn(connection, parameters),
        resultFormats: [...resultFormats],
      }),
      DESCRIBE_AND_RUN,
    ];
    const request = new ServerRequest(stream, false);
    if (name !== '' && !isKept) {
      stream.onParsed = () => connection.statements.add(name);
      request.parses = [name];
    }
    stream.isParsed = isKept;
    stream.repeats = statement.repeats === true;
    connection.send(Buffer.concat(messages), request);
  });
}

const DESCRIBE_AND_RUN = Buffer.concat([
  encodeDescribe({ target: 'portal', name: '' }),
  encodeExecute({ portal: '', maxRows: 0 }),
  SYNC,
]);

function parseMessages(
  connection: ServerConnection,
  { sql, parameters }: ShardStatement,
  name: string,
): Buffer[] {
  const parameterTypes = typesOn(connection, parameters.types, sql);
  const parse = encodeParse({ name, sql, parameterTypes });
  return name === '' ? [parse] : [...makeRoom(connection, 1), parse];
}

export class ShardStream implements Receiver {
  fields: readonly FieldDescription[] = [];
  /** Command tag, once all rows have been taken. */
  tag = '';
  /** The server has read the statement. */
  onParsed: (() => void) | null = null;
  isParsed = false;
  repeats = false;

  readonly #notices: NoticePassage;
  #flow: FlowControl;
  #opened: (stream: ShardStream) => void;
  #refused: (error: Error) => void;
  #isOpen = false;
  #queue: Buffer[] = [];
  #discarding = false;

  constructor(
    connection: ServerConnection,
    opened: (stream: ShardStream) => void,
    refused: (error: Error) => void,
  ) {
    this.#notices = new NoticePassage(connection);
    this.#flow = new FlowControl(connection);
    this.#opened = opened;
    this.#refused = refused;
  }

  /** What the answer, or the connection, has ended with. */
  get error(): Error | null {
    return this.#flow.error;
  }

  /** Settles when the server owes nothing more on this connection, whatever happened. */
  get done(): Promise<void> {
    return this.#flow.done;
  }

  /** The next DataRow bodies, or null at the end. The bytes are the caller's to keep. */
  async next(): Promise<readonly Buffer[] | null> {
    while (this.#queue.length === 0) if (!(await this.#flow.more())) return null;
    const batch = this.#queue;
    this.#queue = [];
    this.#flow.taken();
    return batch;
  }

  /** No more rows are wanted: the rest is read and dropped. */
  discard(): Promise<void> {
    this.#discarding = true;
    this.#queue = [];
    return this.#flow.discard();
  }

  frame(type: number, buffer: Buffer, start: number, end: number): void {
    switch (type) {
      case BACKEND.dataRow:
        if (!this.#discarding) this.#enqueue(buffer.subarray(start, end));
        break;
      case BACKEND.rowDescription:
        this.fields = decodeRowDescription(new BodyReader(buffer, start, end));
        this.#open();
        break;
      case BACKEND.parseComplete:
        this.isParsed = true;
        this.onParsed?.();
        break;
      case BACKEND.noticeResponse:
        // What is said of the text every shard says.
        if (this.isParsed && !this.repeats) this.#notices.pass(buffer, start, end);
        break;
      case BACKEND.noData:
        this.#open();
        break;
      case BACKEND.commandComplete:
        this.tag = decodeCommandComplete(new BodyReader(buffer, start, end));
        break;
      case BACKEND.errorResponse:
        this.#flow.error ??= new ServerError(decodeErrorFields(new BodyReader(buffer, start, end)));
        break;
      default:
    }
  }

  relay(): never {
    throw new Error('a stream asks for whole messages');
  }

  copyInStarted(): void {
    throw new Error('a merge never copies');
  }

  finished(): void {
    this.#end();
  }

  lost(error: SqlError): void {
    this.#flow.error ??= error;
    this.#end();
  }

  #open(): void {
    this.#isOpen = true;
    this.#opened(this);
  }

  #enqueue(row: Buffer): void {
    this.#queue.push(row);
    this.#flow.arrived(row.length);
  }

  #end(): void {
    this.#notices.end();
    if (!this.#isOpen) {
      this.#refused(this.#flow.error ?? new Error('the statement gave no columns'));
    }
    this.#flow.end();
  }
}
