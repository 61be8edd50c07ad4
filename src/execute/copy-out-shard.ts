// CopyOutShard: the CopyData messages one shard sends, as fast as they are taken.

import type { SqlError } from '../base/errors.ts';
import { MERGE_QUEUE_BYTES_MAX } from '../base/limits.ts';
import { ServerError } from '../pool/query.ts';
import type { CarryingColumns } from '../pool/renumber.ts';
import { type Receiver, ServerRequest } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { BodyReader } from '../wire/bytes.ts';
import { COPY_DATA_HEADER_BYTES, writeCopyDataHeader } from '../wire/copy.ts';
import { decodeErrorFields } from '../wire/error-response.ts';
import { BACKEND } from '../wire/message-type.ts';
import { decodeCommandComplete, encodeQuery, parseCommandTag } from '../wire/query.ts';

const EMPTY = Buffer.alloc(0);
/** The field count -1 that ends the binary format. */
const TRAILER = Buffer.from([0xff, 0xff]);

/** What of a stream is not passed on. PostgreSQL sends one message a row, a HEADER line among them. */
export interface StreamCut {
  /** Of the first message, those that stand before the first row. */
  readonly firstBytes: number;
  readonly keepsFirst: boolean;
  /** The binary format's. */
  readonly keepsTrailer: boolean;
}

/**
 * Resolves when the server begins to send; rejects when it refuses, with nothing owed. `carrying`: of
 * rows in binary.
 */
export function openCopyOutShard(
  connection: ServerConnection,
  sql: string,
  carrying: CarryingColumns = null,
): Promise<CopyOutShard> {
  return new Promise((resolve, reject) => {
    const shard = new CopyOutShard(connection, resolve, reject);
    const request = new ServerRequest(shard, false);
    request.carrying = carrying;
    connection.send(encodeQuery(sql), request);
  });
}

/** Pausing the server's socket keeps what is queued near MERGE_QUEUE_BYTES_MAX. */
export class CopyOutShard implements Receiver {
  /** CopyOutResponse and CopyDone, as the server sent them. */
  response: Buffer = EMPTY;
  end: Buffer = EMPTY;
  rows = 0n;
  /** Before the first call of `next`. */
  cut: StreamCut | null = null;

  #connection: ServerConnection;
  #opened: (shard: CopyOutShard) => void;
  #refused: (error: Error) => void;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #paused = false;
  #discarding = false;
  #ended = false;
  #error: Error | null = null;
  #wake: (() => void) | null = null;
  #begun = false;
  #done: Promise<void>;
  #finishDone!: () => void;

  constructor(
    connection: ServerConnection,
    opened: (shard: CopyOutShard) => void,
    refused: (error: Error) => void,
  ) {
    this.#connection = connection;
    this.#opened = opened;
    this.#refused = refused;
    this.#done = new Promise((resolve) => {
      this.#finishDone = resolve;
    });
  }

  /** The next CopyData messages, or null at the end. */
  async next(): Promise<Buffer | null> {
    for (;;) {
      while (this.#queue.length === 0) {
        if (this.#error !== null) throw this.#error;
        if (this.#ended) return null;
        this.#unpause();
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      const queue = this.#queue;
      this.#queue = [];
      this.#queuedBytes = 0;
      this.#unpause();
      const kept = this.cut === null ? queue : this.#edited(queue, this.cut);
      if (kept.length > 0) return Buffer.concat(kept);
    }
  }

  /** No more rows are wanted: the rest is read and dropped. */
  discard(): Promise<void> {
    this.#discarding = true;
    this.#queue = [];
    this.#unpause();
    return this.#done;
  }

  #edited(queue: readonly Buffer[], cut: StreamCut): Buffer[] {
    const kept: Buffer[] = [];
    for (const message of queue) {
      let body = message.subarray(COPY_DATA_HEADER_BYTES);
      const first = this.#begun ? 0 : Math.min(cut.firstBytes, body.length);
      this.#begun = true;
      if (first > 0) {
        if (cut.keepsFirst) kept.push(copyData(body.subarray(0, first)));
        body = body.subarray(first);
      }
      if (body.length === 0 || (!cut.keepsTrailer && body.equals(TRAILER))) continue;
      kept.push(first === 0 ? message : copyData(body));
    }
    return kept;
  }

  frame(type: number, buffer: Buffer, start: number, end: number): void {
    switch (type) {
      case BACKEND.copyData:
        if (!this.#discarding) this.#enqueue(messageAt(buffer, start, end));
        break;
      case BACKEND.copyOutResponse:
        this.response = messageAt(buffer, start, end);
        this.#opened(this);
        break;
      case BACKEND.copyDone:
        this.end = messageAt(buffer, start, end);
        break;
      case BACKEND.commandComplete:
        this.rows =
          parseCommandTag(decodeCommandComplete(new BodyReader(buffer, start, end))).rows ?? 0n;
        break;
      case BACKEND.errorResponse:
        this.#error ??= new ServerError(decodeErrorFields(new BodyReader(buffer, start, end)));
        break;
      default:
    }
  }

  relay(): never {
    throw new Error('a part of a COPY asks for whole messages');
  }

  copyInStarted(): void {
    throw new Error('a COPY TO STDOUT asks for no data');
  }

  finished(): void {
    this.#end();
  }

  lost(error: SqlError): void {
    this.#error ??= error;
    this.#end();
  }

  #enqueue(message: Buffer): void {
    this.#queue.push(message);
    this.#queuedBytes += message.length;
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
    this.#refused(this.#error ?? new Error('the server ended a COPY before it began'));
    this.#wakeUp();
    this.#finishDone();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}

/** The whole message whose body is buffer[start, end). */
const messageAt = (buffer: Buffer, start: number, end: number): Buffer =>
  buffer.subarray(start - COPY_DATA_HEADER_BYTES, end);

function copyData(body: Buffer): Buffer {
  const header = Buffer.allocUnsafe(COPY_DATA_HEADER_BYTES);
  writeCopyDataHeader(header, body.length);
  return Buffer.concat([header, body]);
}
