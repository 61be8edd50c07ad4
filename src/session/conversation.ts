// Conversation: a client's socket before its session, one message awaited after the other.

import type { Socket } from 'node:net';
import { SqlError } from '../base/errors.ts';
import { CLIENT_BUFFER_BYTES_MAX } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { BodyReader } from '../wire/bytes.ts';
import type { FrameReader } from '../wire/frame.ts';

/** Owns the socket's listeners until `detach`. */
export class Conversation {
  readonly socket: Socket;
  readonly reader: FrameReader;
  #gone: SqlError | null = null;
  #wake: (() => void) | null = null;
  #isHeld = false;

  constructor(socket: Socket, reader: FrameReader) {
    this.socket = socket;
    this.reader = reader;
    socket.on('data', this.#onData);
    socket.on('error', this.#onEnd);
    socket.on('close', this.#onEnd);
    socket.on('end', this.#onEnd);
  }

  #onData = (chunk: Buffer): void => {
    this.reader.push(chunk);
    // What is sent ahead waits while it is found out whether the client is let in.
    if (this.reader.bufferedBytes > CLIENT_BUFFER_BYTES_MAX) this.#hold();
    this.#wake?.();
  };

  #hold(): void {
    this.#isHeld = true;
    this.socket.pause();
  }

  #onEnd = (): void => {
    this.#gone ??= new SqlError({
      code: SQLSTATE.connectionFailure,
      message: 'the client went away before it was let in',
    });
    this.#wake?.();
  };

  /** The client has closed its side or broken off. */
  get gone(): boolean {
    return this.#gone !== null;
  }

  /** The body of the next message, whose type is in `reader`. Throws SqlError, 08006 at the end. */
  async next(): Promise<BodyReader> {
    while (!this.reader.next()) {
      if (this.#gone !== null) throw this.#gone;
      await this.arrival();
    }
    return new BodyReader(this.reader.buffer, this.reader.bodyStart, this.reader.end);
  }

  /** Resolves when something has been received, or nothing will be any more. */
  async arrival(): Promise<void> {
    if (this.#gone !== null) return;
    if (this.#isHeld) this.socket.resume();
    this.#isHeld = false;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = null;
  }

  /** Ends what waits in next(): the server's side has given up. */
  giveUp(error: SqlError): void {
    this.#gone = error;
    this.#wake?.();
  }

  write(bytes: Buffer): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  /** Leaves the socket, paused, to its next owner; what was read ahead is in the reader. */
  detach(): void {
    this.socket.pause();
    this.socket.off('data', this.#onData);
    this.socket.off('error', this.#onEnd);
    this.socket.off('close', this.#onEnd);
    this.socket.off('end', this.#onEnd);
  }
}
