// Notice passage: what a server says beside its answer goes to the client, no faster than that takes it.

import type { ServerConnection } from '../pool/server-connection.ts';
import { BodyReader } from '../wire/bytes.ts';
import { decodeErrorFields } from '../wire/error-response.ts';

/** Of one answer. A server is not read while its session's client is behind. */
export class NoticePassage {
  #connection: ServerConnection;
  #isHeld = false;

  constructor(connection: ServerConnection) {
    this.#connection = connection;
  }

  /** A NoticeResponse. */
  pass(buffer: Buffer, start: number, end: number): void {
    const { onNotice } = this.#connection;
    const taken = onNotice?.(decodeErrorFields(new BodyReader(buffer, start, end))) ?? null;
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
