// Relay: passes one server's answer on to the client as bytes, with back pressure.

import type { SqlError } from '../base/errors.ts';
import { type Receiver, ServerRequest, type Step } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { FrameReader } from '../wire/frame.ts';
import { FRONTEND } from '../wire/message-type.ts';
import type { ClientStream } from './client-stream.ts';

/** How a relayed request ended. */
export interface RelayOutcome {
  /** The server's transaction status as a code; 0 where the connection was lost. */
  readonly status: number;
  /** An ErrorResponse was passed on. */
  readonly failed: boolean;
  readonly lost: SqlError | null;
}

export interface RelayEnd {
  relayEnded(connection: ServerConnection, outcome: RelayOutcome): void;
  /** The server waits for the client's CopyData. */
  relayCopiesIn(): void;
}

/** A session has one, used for one request after the other. */
export class Relay implements Receiver {
  /** Where the request under way runs. */
  connection: ServerConnection | null = null;
  copyingIn = false;
  #client: ClientStream;
  #request: ServerRequest;
  #end: RelayEnd | null = null;
  #waits = false;

  constructor(client: ClientStream) {
    this.#client = client;
    this.#request = new ServerRequest(this, true);
  }

  /**
   * Sends `bytes` and relays what comes back, `steps` as in ServerRequest. `end` may be told before
   * this returns, when the connection turns out to be closed.
   */
  start(
    connection: ServerConnection,
    bytes: Buffer,
    end: RelayEnd,
    forwardReady: boolean,
    steps: readonly Step[] | null,
  ): void {
    this.connection = connection;
    this.#end = end;
    connection.send(bytes, this.#request.reset(forwardReady, steps));
  }

  /** The same as a promise, ReadyForQuery not forwarded. */
  run(
    connection: ServerConnection,
    bytes: Buffer,
    steps: readonly Step[] | null,
    copiesIn: () => void,
  ): Promise<RelayOutcome> {
    return new Promise((resolve) => {
      const end = {
        relayEnded: (_: ServerConnection, outcome: RelayOutcome) => resolve(outcome),
        relayCopiesIn: copiesIn,
      };
      this.start(connection, bytes, end, false, steps);
    });
  }

  relay(bytes: Buffer): void {
    if (this.#client.write(bytes) || this.#waits) return;
    const { connection } = this;
    this.#waits = true;
    connection?.pause();
    this.#client.whenDrained(() => {
      this.#waits = false;
      connection?.resume();
    });
  }

  frame(): void {
    throw new Error('a relay is handed bytes');
  }

  copyInStarted(): void {
    this.copyingIn = true;
    this.#end?.relayCopiesIn();
  }

  /**
   * Passes the client's CopyData on, and what ends it; Sync and Flush mean nothing to a server that
   * is copying. 'terminated': the client has said Terminate instead.
   */
  passCopyData(reader: FrameReader): 'passed' | 'terminated' {
    const connection = this.connection!;
    for (;;) {
      if (!reader.next()) {
        if (reader.pendingType() !== FRONTEND.copyData) return 'passed';
        reader.nextPiece();
      }
      if (reader.type === FRONTEND.terminate) return 'terminated';
      if (!connection.sendMore(reader.buffer.subarray(reader.start, reader.end))) {
        this.#client.pauseReading();
        connection.whenWritable(() => this.#client.resumeReading());
      }
      if (reader.type === FRONTEND.copyDone || reader.type === FRONTEND.copyFail) {
        this.copyingIn = false;
        return 'passed';
      }
    }
  }

  finished(status: number, failed: boolean): void {
    this.#finish({ status, failed, lost: null });
  }

  lost(error: SqlError, failed: boolean): void {
    this.#finish({ status: 0, failed, lost: error });
  }

  #finish(outcome: RelayOutcome): void {
    const connection = this.connection!;
    const end = this.#end!;
    this.connection = null;
    this.#end = null;
    this.copyingIn = false;
    // Whoever has the connection next must not wait for this client to read.
    if (this.#waits) connection.resume();
    end.relayEnded(connection, outcome);
  }
}
