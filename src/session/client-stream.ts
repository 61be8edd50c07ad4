// ClientStream: the writing side of a client's socket, with back pressure.

import type { Socket } from 'node:net';
import { CLIENT_WRITE_BYTES } from '../base/limits.ts';

/** Writes after the client has gone are dropped: there is nobody left to tell. */
export class ClientStream {
  #socket: Socket;
  #closed = false;
  /** Written in this turn, and not handed to the socket yet. */
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  /** Called once the client takes bytes again, or is gone. */
  #onDrain: (() => void)[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('drain', () => this.#drained());
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Messages of the proxy's own, which leave in one write with all that is written in this turn.
   * False: the client does not keep up; wait with whenDrained before writing much more.
   */
  write(bytes: Buffer): boolean {
    if (this.#closed) return true;
    if (this.#gathered.push(bytes) === 1) process.nextTick(this.#sendGathered);
    this.#gatheredBytes += bytes.length;
    if (this.#gatheredBytes >= CLIENT_WRITE_BYTES) this.#sendGathered();
    return !this.#socket.writableNeedDrain;
  }

  #sendGathered = (): void => {
    const chunks = this.#gathered;
    if (chunks.length === 0 || this.#closed) return;
    const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, this.#gatheredBytes);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#socket.write(bytes);
  };

  /** The same for bytes of a server, which leave at once. */
  pass(bytes: Buffer): boolean {
    if (this.#closed) return true;
    this.#sendGathered();
    // What a stream says counts a large chunk even where the system has taken it already.
    return this.#socket.write(bytes) || this.#socket.writableLength === 0;
  }

  /** Written and not yet taken by the client's side of the connection. */
  get backlogBytes(): number {
    return this.#socket.writableLength + this.#gatheredBytes;
  }

  whenDrained(callback: () => void): void {
    if (this.#closed || !this.#socket.writableNeedDrain) callback();
    else this.#onDrain.push(callback);
  }

  /** Resolves when the client takes bytes again, or is gone. */
  drained(): Promise<void> {
    return new Promise((resolve) => this.whenDrained(resolve));
  }

  pauseReading(): void {
    this.#socket.pause();
  }

  resumeReading(): void {
    this.#socket.resume();
  }

  /** Sends `last` and closes. */
  end(last: Buffer): void {
    if (this.#closed) return;
    this.#sendGathered();
    this.#socket.end(last);
    this.#socket.destroySoon();
    this.markClosed();
  }

  /** The socket has closed, or must not be used any more. */
  markClosed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#drained();
  }

  destroy(): void {
    this.#socket.destroy();
    this.markClosed();
  }

  #drained(): void {
    const waiting = this.#onDrain;
    this.#onDrain = [];
    for (const callback of waiting) callback();
  }
}
