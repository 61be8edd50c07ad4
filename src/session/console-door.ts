// ConsoleDoor: where the listener hands over clients who want the operator's console.

import type { Socket } from 'node:net';
import type { SqlError } from '../base/errors.ts';
import type { FrameReader } from '../wire/frame.ts';

/** What serves the clients of one database that holds no data. */
export interface ConsoleDoor {
  /** The database name that means the console. */
  readonly database: string;
  /** Throws SqlError, FATAL, when this authenticated user is no operator. */
  admit(user: string): void;
  /** Takes over a client that has been told ReadyForQuery, and its reader with what was read. */
  open(socket: Socket, reader: FrameReader, user: string): void;
  /** Ends every console with `error`. */
  close(error: SqlError): void;
}
