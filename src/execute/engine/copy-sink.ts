// CopySink: a COPY FROM STDIN on the engine's connection, fed with the messages of other servers.

import type { SqlError } from '../../base/errors.ts';
import { ServerError } from '../../pool/query.ts';
import { type Receiver, ServerRequest } from '../../pool/request.ts';
import type { ServerConnection } from '../../pool/server-connection.ts';
import { BodyReader } from '../../wire/bytes.ts';
import { COPY_DONE, encodeCopyFail } from '../../wire/copy.ts';
import { decodeErrorFields } from '../../wire/error-response.ts';
import { BACKEND } from '../../wire/message-type.ts';
import { encodeQuery } from '../../wire/query.ts';

export class CopySink implements Receiver {
  /** Settles once the server waits for data; rejects when it refuses the statement. */
  readonly opened: Promise<void>;
  /** Settles when the server owes nothing more, whatever happened. */
  readonly done: Promise<void>;
  error: Error | null = null;

  #connection: ServerConnection;
  #open!: () => void;
  #refuse!: (error: Error) => void;
  #finishDone!: () => void;
  #onFailed: () => void;
  #ended = false;
  #stopped = false;
  #drained: Promise<void> | null = null;
  #drain: (() => void) | null = null;

  /** `onFailed`: the server has refused what it got, or is lost; once. */
  constructor(connection: ServerConnection, sql: string, onFailed: () => void) {
    this.#connection = connection;
    this.#onFailed = onFailed;
    this.opened = new Promise((resolve, reject) => {
      this.#open = resolve;
      this.#refuse = reject;
    });
    this.done = new Promise((resolve) => {
      this.#finishDone = resolve;
    });
    connection.send(encodeQuery(sql), new ServerRequest(this, false));
  }

  /** Sends whole CopyData messages; resolves when there is room for more. */
  async write(messages: Buffer): Promise<void> {
    if (this.#closed) return;
    if (this.#connection.sendMore(messages)) return;
    this.#drained ??= new Promise((resolve) => {
      this.#drain = resolve;
      this.#connection.whenWritable(() => this.#hasDrained());
    });
    await this.#drained;
  }

  /** No more rows; resolves when the server has taken all. Throws what it met. */
  async end(): Promise<void> {
    if (!this.#closed) this.#connection.sendMore(COPY_DONE);
    await this.done;
    if (this.error !== null) throw this.error;
  }

  /** Makes the server give up; resolves when it has. */
  async stop(reason: string): Promise<void> {
    if (!this.#closed) {
      this.#stopped = true;
      this.#connection.sendMore(encodeCopyFail(reason));
    }
    await this.done;
  }

  get #closed(): boolean {
    return this.#ended || this.#stopped || this.error !== null;
  }

  frame(type: number, buffer: Buffer, start: number, end: number): void {
    if (type !== BACKEND.errorResponse) return;
    this.#fail(new ServerError(decodeErrorFields(new BodyReader(buffer, start, end))));
  }

  copyInStarted(): void {
    this.#open();
  }

  relay(): never {
    throw new Error('a sink asks for whole messages');
  }

  finished(): void {
    this.#end();
  }

  lost(error: SqlError): void {
    this.#fail(error);
    this.#end();
  }

  #fail(error: Error): void {
    if (this.error !== null) return;
    this.error = error;
    this.#hasDrained();
    if (!this.#stopped) this.#onFailed();
  }

  #end(): void {
    this.#ended = true;
    this.#refuse(this.error ?? new Error('the server ended a COPY before it began'));
    this.#hasDrained();
    this.#finishDone();
  }

  #hasDrained(): void {
    this.#drained = null;
    this.#drain?.();
    this.#drain = null;
  }
}
