// Notice passage: what a server says beside its answer goes to the client, no faster than that takes it.

import { BodyReader } from '../wire/bytes.ts';
import { decodeErrorFields, type ErrorFields } from '../wire/error-response.ts';
import type { ServerConnection } from './server-connection.ts';

/** Is told the notices and warnings of a statement, as they come; gives what to wait for, or null. */
export type OnNotice = (notice: ErrorFields) => Promise<void> | null;

/** Of one answer. A server is not read while its session's client is behind. */
export class NoticePassage {
  #connection: ServerConnection;
  #onNotice: OnNotice;
  #isHeld = false;

  /** `onNotice`: instead of whom the connection tells. */
  constructor(
    connection: ServerConnection,
    onNotice: OnNotice = (notice) => connection.onNotice?.(notice) ?? null,
  ) {
    this.#connection = connection;
    this.#onNotice = onNotice;
  }

  /** A NoticeResponse. */
  pass(buffer: Buffer, start: number, end: number): void {
    const taken = this.#onNotice(decodeErrorFields(new BodyReader(buffer, start, end)));
    if (taken === null) return;
    this.#connection.pause();
    if (this.#isHeld) return;
    this.#isHeld = true;
    void taken.then(() => this.end());
  }

  /** The server has answered, or the client has taken what there was. */
  end(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#connection.resume();
  }
}
