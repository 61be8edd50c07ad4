// ShardStream: the rows one shard sends for a merge, in batches, as fast as they are taken.

import type { SqlError } from '../base/errors.ts';
import { ServerError } from '../pool/query.ts';
import { type Receiver, ServerRequest } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
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
    const { formats, types } = statement.parameters;
    const messages = [
      encodeParse({
        name: '',
        sql: statement.sql,
        parameterTypes: typesOn(connection, types, statement.sql),
      }),
      encodeBind({
        portal: '',
        statement: '',
        parameterFormats: [...formats],
        parameters: valuesOn(connection, statement.parameters),
        resultFormats: [...statement.resultFormats],
      }),
      encodeDescribe({ target: 'portal', name: '' }),
      encodeExecute({ portal: '', maxRows: 0 }),
      SYNC,
    ];
    connection.send(Buffer.concat(messages), new ServerRequest(stream, false));
  });
}

export class ShardStream implements Receiver {
  fields: readonly FieldDescription[] = [];
  /** Command tag, once all rows have been taken. */
  tag = '';

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
    this.#flow = new FlowControl(connection);
    this.#opened = opened;
    this.#refused = refused;
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
    if (!this.#isOpen) {
      this.#refused(this.#flow.error ?? new Error('the statement gave no columns'));
    }
    this.#flow.end();
  }
}
