// ShardStream: the rows one shard sends for a merge, in batches, as fast as they are taken.

import type { SqlError } from '../base/errors.ts';
import { MERGE_QUEUE_BYTES_MAX } from '../base/limits.ts';
import { ServerError } from '../pool/query.ts';
import { type Receiver, ServerRequest } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { BodyReader } from '../wire/bytes.ts';
import { decodeErrorFields } from '../wire/error-response.ts';
import { encodeBind, encodeDescribe, encodeExecute, encodeParse, SYNC } from '../wire/extended.ts';
import { BACKEND } from '../wire/message-type.ts';
import { decodeCommandComplete } from '../wire/query.ts';
import { decodeRowDescription, type FieldDescription } from '../wire/row.ts';
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

/** Pausing the server's socket keeps what is queued near MERGE_QUEUE_BYTES_MAX. */
export class ShardStream implements Receiver {
  fields: readonly FieldDescription[] = [];
  /** Command tag, once all rows have been taken. */
  tag = '';
  /** Settles when the server owes nothing more on this connection, whatever happened. */
  readonly done: Promise<void>;

  #connection: ServerConnection;
  #opened: (stream: ShardStream) => void;
  #refused: (error: Error) => void;
  #isOpen = false;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #paused = false;
  #discarding = false;
  #ended = false;
  #error: Error | null = null;
  #wake: (() => void) | null = null;
  #finishDone!: () => void;

  constructor(
    connection: ServerConnection,
    opened: (stream: ShardStream) => void,
    refused: (error: Error) => void,
  ) {
    this.#connection = connection;
    this.#opened = opened;
    this.#refused = refused;
    this.done = new Promise((resolve) => {
      this.#finishDone = resolve;
    });
  }

  /** The next DataRow bodies, or null at the end. The bytes are the caller's to keep. */
  async next(): Promise<readonly Buffer[] | null> {
    while (this.#queue.length === 0) {
      if (this.#error !== null) throw this.#error;
      if (this.#ended) return null;
      this.#unpause();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const batch = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#unpause();
    return batch;
  }

  /** No more rows are wanted: the rest is read and dropped. */
  discard(): Promise<void> {
    this.#discarding = true;
    this.#queue = [];
    this.#unpause();
    return this.done;
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
        this.#error ??= new ServerError(decodeErrorFields(new BodyReader(buffer, start, end)));
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
    this.#error ??= error;
    this.#end();
  }

  #open(): void {
    this.#isOpen = true;
    this.#opened(this);
  }

  #enqueue(row: Buffer): void {
    this.#queue.push(row);
    this.#queuedBytes += row.length;
    if (this.#queuedBytes > MERGE_QUEUE_BYTES_MAX && !this.#paused) {
      this.#paused = true;
      this.#connection.pause();
    }
    this.#wakeUp();
  }

  #unpause(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#connection.resume();
  }

  #end(): void {
    this.#ended = true;
    if (!this.#isOpen) this.#refused(this.#error ?? new Error('the statement gave no columns'));
    this.#wakeUp();
    this.#finishDone();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
