// CopyOutShard: the CopyData messages one shard sends, as fast as they are taken.

import type { SqlError } from '../base/errors.ts';
import { COPY_BATCH_BYTES } from '../base/limits.ts';
import { ServerError } from '../pool/query.ts';
import type { CarryingColumns } from '../pool/renumber.ts';
import { type Receiver, ServerRequest } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { BodyReader } from '../wire/bytes.ts';
import { COPY_DATA_HEADER_BYTES, writeCopyDataHeader } from '../wire/copy.ts';
import { decodeErrorFields } from '../wire/error-response.ts';
import { BACKEND } from '../wire/message-type.ts';
import { decodeCommandComplete, encodeQuery, parseCommandTag } from '../wire/query.ts';
import { FlowControl } from './flow-control.ts';

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
 * rows in binary. `cut` null: all is passed on.
 */
export function openCopyOutShard(
  connection: ServerConnection,
  sql: string,
  carrying: CarryingColumns,
  cut: StreamCut | null,
): Promise<CopyOutShard> {
  return new Promise((resolve, reject) => {
    const shard = new CopyOutShard(connection, cut, resolve, reject);
    const request = new ServerRequest(shard, false);
    request.carrying = carrying;
    connection.send(encodeQuery(sql), request);
  });
}

export class CopyOutShard implements Receiver {
  /** CopyOutResponse and CopyDone, as the server sent them. */
  response: Buffer = EMPTY;
  end: Buffer = EMPTY;
  rows = 0n;

  #cut: StreamCut | null;
  #flow: FlowControl;
  #opened: (shard: CopyOutShard) => void;
  #refused: (error: Error) => void;
  /** Blocks of whole messages, copied: the memory that they came in is given back at once. */
  #queue: Buffer[] = [];
  /** The block that is being filled, and how far it is. */
  #block = EMPTY;
  #filled = 0;
  #discarding = false;
  #begun = false;

  constructor(
    connection: ServerConnection,
    cut: StreamCut | null,
    opened: (shard: CopyOutShard) => void,
    refused: (error: Error) => void,
  ) {
    this.#flow = new FlowControl(connection);
    this.#cut = cut;
    this.#opened = opened;
    this.#refused = refused;
  }

  /** It copies what it is given. */
  get copies(): boolean {
    return true;
  }

  /** The next CopyData messages, in memory of their own that is the caller's; null at the end. */
  async next(): Promise<Buffer | null> {
    for (;;) {
      if (this.#queue.length === 0) this.#endBlock();
      const block = this.#queue.shift();
      if (block !== undefined) {
        this.#flow.taken(block.length);
        return block;
      }
      if (!(await this.#flow.more())) return null;
    }
  }

  /** No more rows are wanted: the rest is read and dropped. */
  discard(): Promise<void> {
    this.#discarding = true;
    this.#queue = [];
    this.#filled = 0;
    return this.#flow.discard();
  }

  frame(type: number, buffer: Buffer, start: number, end: number): void {
    switch (type) {
      case BACKEND.copyData:
        if (!this.#discarding) this.#take(buffer, start, end);
        break;
      case BACKEND.copyOutResponse:
        this.response = Buffer.from(messageAt(buffer, start, end));
        this.#opened(this);
        break;
      case BACKEND.copyDone:
        this.end = Buffer.from(messageAt(buffer, start, end));
        break;
      case BACKEND.commandComplete:
        this.rows =
          parseCommandTag(decodeCommandComplete(new BodyReader(buffer, start, end))).rows ?? 0n;
        break;
      case BACKEND.errorResponse:
        this.#flow.error ??= new ServerError(decodeErrorFields(new BodyReader(buffer, start, end)));
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
    this.#flow.error ??= error;
    this.#end();
  }

  /** The body buffer[start, end) of a CopyData message. */
  #take(buffer: Buffer, start: number, end: number): void {
    if (this.#cut === null) this.#append(buffer, start - COPY_DATA_HEADER_BYTES, end);
    else this.#takeEdited(buffer.subarray(start, end), this.#cut);
  }

  #takeEdited(whole: Buffer, cut: StreamCut): void {
    let body = whole;
    const first = this.#begun ? 0 : Math.min(cut.firstBytes, body.length);
    this.#begun = true;
    if (first > 0) {
      if (cut.keepsFirst) this.#appendBody(body.subarray(0, first));
      body = body.subarray(first);
    }
    if (body.length === 0 || (!cut.keepsTrailer && body.equals(TRAILER))) return;
    this.#appendBody(body);
  }

  #appendBody(body: Buffer): void {
    const header = Buffer.allocUnsafe(COPY_DATA_HEADER_BYTES);
    writeCopyDataHeader(header, body.length);
    this.#append(header, 0, header.length);
    this.#append(body, 0, body.length);
  }

  #append(bytes: Buffer, start: number, end: number): void {
    const size = end - start;
    if (this.#filled + size > this.#block.length) {
      this.#endBlock();
      this.#block = Buffer.allocUnsafeSlow(Math.max(COPY_BATCH_BYTES, size));
    }
    bytes.copy(this.#block, this.#filled, start, end);
    this.#filled += size;
    this.#flow.arrived(size);
  }

  #endBlock(): void {
    if (this.#filled === 0) return;
    this.#queue.push(this.#block.subarray(0, this.#filled));
    this.#block = EMPTY;
    this.#filled = 0;
  }

  #end(): void {
    this.#refused(this.#flow.error ?? new Error('the server ended a COPY before it began'));
    this.#flow.end();
  }
}

/** The whole message whose body is buffer[start, end). */
const messageAt = (buffer: Buffer, start: number, end: number): Buffer =>
  buffer.subarray(start - COPY_DATA_HEADER_BYTES, end);
