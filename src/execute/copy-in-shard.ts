// CopyInShard: one shard's part of a COPY FROM STDIN over several shards.

import type { SqlError } from '../base/errors.ts';
import { COPY_BATCH_BYTES } from '../base/limits.ts';
import { ServerError } from '../pool/query.ts';
import { type CarryingColumns, rowTo } from '../pool/renumber.ts';
import { type Receiver, ServerRequest } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { LineEnd } from '../value/copy/copy-rows.ts';
import type { LeadingFields } from '../value/copy/leading-fields.ts';
import { BodyReader, releaseMemory } from '../wire/bytes.ts';
import {
  COPY_DATA_HEADER_BYTES,
  COPY_DONE,
  encodeCopyFail,
  writeCopyDataHeader,
} from '../wire/copy.ts';
import { decodeErrorFields, type ErrorFields } from '../wire/error-response.ts';
import { BACKEND } from '../wire/message-type.ts';
import { decodeCommandComplete, encodeQuery } from '../wire/query.ts';
import { CopyLines } from './copy-lines.ts';

export interface CopyInShardEvents {
  /** The server has refused a row, or is lost; once. */
  failed(): void;
  notice(shard: CopyInShard, fields: ErrorFields): void;
}

const EMPTY = Buffer.alloc(0);
/** How many fields a row has, in binary. */
const COUNT = Buffer.alloc(2);

/** Gathers the shard's rows into messages of some COPY_BATCH_BYTES. */
export class CopyInShard implements Receiver {
  readonly connection: ServerConnection;
  readonly lines = new CopyLines();
  /** What the server takes to end lines, as far as it knows. */
  lineEnd: LineEnd = 'unknown';
  /** The body of CopyInResponse, once opened. */
  response: Buffer = EMPTY;
  /** Settles once the server waits for data, or has refused the statement: then `ended` is true. */
  readonly opened: Promise<void>;
  /** Settles when the server owes nothing more, whatever happened. */
  readonly done: Promise<void>;
  tag = '';
  /** The server owes nothing more. */
  ended = false;
  /** Something has been sent to it. */
  hasRows = false;
  error: ServerError | SqlError | null = null;
  /** The error was asked for by CopyFail. */
  stopped = false;

  #events: CopyInShardEvents;
  #carrying: CarryingColumns;
  #leading: LeadingFields | null;
  #open!: () => void;
  #finishDone!: () => void;
  #full = false;
  #onWritable: (() => void) | null = null;
  #batch = EMPTY;
  #length = 0;

  /** `leading`: what goes before each row; `carrying`: of rows in binary, as the client sends them. */
  constructor(
    connection: ServerConnection,
    sql: string,
    events: CopyInShardEvents,
    carrying: CarryingColumns,
    leading: LeadingFields | null,
  ) {
    this.connection = connection;
    this.#carrying = carrying;
    this.#leading = leading;
    this.#events = events;
    this.opened = new Promise((resolve) => {
      this.#open = resolve;
    });
    this.done = new Promise((resolve) => {
      this.#finishDone = resolve;
    });
    connection.send(encodeQuery(sql), new ServerRequest(this, false));
  }

  /** Adds a row; copies it. */
  addRow(bytes: Buffer, start: number, end: number): void {
    const { mapping } = this.connection.oids;
    if (this.#carrying === null || mapping === null) {
      this.#addFields(bytes, start, end);
      return;
    }
    const row = rowTo('there', mapping, bytes.subarray(start, end), this.#carrying);
    this.#addFields(row, 0, row.length);
  }

  #addFields(bytes: Buffer, start: number, end: number): void {
    const leading = this.#leading;
    if (leading === null) {
      this.#add(bytes, start, end);
      return;
    }
    let first = start;
    if (leading.names === null) {
      COUNT.writeInt16BE(bytes.readInt16BE(start) + leading.count);
      this.#add(COUNT, 0, COUNT.length);
      first += COUNT.length;
    }
    this.#add(leading.bytes, 0, leading.bytes.length);
    this.#add(bytes, first, end);
  }

  /** The HEADER line, or what stands before the first row in binary; copies it. */
  addHeader(bytes: Buffer, start: number, end: number): void {
    const names = this.#leading?.names ?? null;
    if (names !== null) this.#add(names, 0, names.length);
    this.#add(bytes, start, end);
  }

  #add(bytes: Buffer, start: number, end: number): void {
    const size = end - start;
    if (this.#length + size > this.#batch.length) this.#nextBatch(size);
    bytes.copy(this.#batch, this.#length, start, end);
    this.#length += size;
  }

  /** Sends bytes on as they are, without gathering them. */
  pass(bytes: Buffer): void {
    const header = Buffer.allocUnsafe(COPY_DATA_HEADER_BYTES);
    writeCopyDataHeader(header, bytes.length);
    this.hasRows = true;
    this.#write(header);
    this.#write(bytes);
  }

  /** null when the server takes more at once; else resolves when it does, or is at its end. */
  writable(): Promise<void> | null {
    if (!this.#full || this.ended) return null;
    return new Promise((resolve) => {
      this.#onWritable = resolve;
      this.connection.whenWritable(() => {
        this.#full = false;
        resolve();
      });
    });
  }

  /** No more rows. */
  end(): void {
    this.flush();
    if (!this.ended && this.error === null) this.connection.sendMore(COPY_DONE);
  }

  /** Makes the server give up; nothing to do where it has done so already. */
  stop(reason: string): void {
    this.#batch = EMPTY;
    this.#length = 0;
    if (this.ended || this.error !== null || this.stopped) return;
    this.stopped = true;
    this.connection.sendMore(encodeCopyFail(reason));
  }

  #nextBatch(size: number): void {
    this.flush();
    const capacity = COPY_DATA_HEADER_BYTES + Math.max(COPY_BATCH_BYTES, size);
    this.hasRows = true;
    this.#batch = Buffer.allocUnsafeSlow(capacity);
    this.#length = COPY_DATA_HEADER_BYTES;
  }

  /** Sends what has been gathered. */
  flush(): void {
    if (this.#length <= COPY_DATA_HEADER_BYTES) return;
    const batch = this.#batch.subarray(0, this.#length);
    writeCopyDataHeader(batch, this.#length - COPY_DATA_HEADER_BYTES);
    this.#batch = EMPTY;
    this.#length = 0;
    this.#write(batch);
    if (this.connection.isFlushed) releaseMemory(batch);
  }

  #write(bytes: Buffer): void {
    if (this.ended || this.error !== null || this.stopped) return;
    if (!this.connection.sendMore(bytes)) this.#full = true;
  }

  frame(type: number, buffer: Buffer, start: number, end: number): void {
    switch (type) {
      case BACKEND.copyInResponse:
        this.response = Buffer.from(buffer.subarray(start, end));
        break;
      case BACKEND.commandComplete:
        this.tag = decodeCommandComplete(new BodyReader(buffer, start, end));
        break;
      case BACKEND.noticeResponse:
        this.#events.notice(this, decodeErrorFields(new BodyReader(buffer, start, end)));
        break;
      case BACKEND.errorResponse:
        this.#fail(new ServerError(decodeErrorFields(new BodyReader(buffer, start, end))));
        break;
      default:
    }
  }

  copyInStarted(): void {
    this.#open();
  }

  relay(): never {
    throw new Error('a part of a COPY asks for whole messages');
  }

  finished(): void {
    this.#end();
  }

  lost(error: SqlError): void {
    this.#fail(error);
    this.#end();
  }

  #fail(error: ServerError | SqlError): void {
    if (this.error !== null) return;
    this.error = error;
    this.#events.failed();
  }

  #end(): void {
    this.ended = true;
    this.#open();
    this.#onWritable?.();
    this.#finishDone();
  }
}
