// Console: the door of database `admin`, and the register of the operators who came through it.

import type { Socket } from 'node:net';
import { SqlError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { RunCommand } from '../commands/over-workers.ts';
import { CONSOLE_DATABASE, type Config } from '../control/config.ts';
import type { FrameReader } from '../wire/frame.ts';
import { ConsoleSession } from './console-session.ts';

export class Console {
  readonly database = CONSOLE_DATABASE;
  #run: RunCommand;
  #config: () => Config;
  #log: Logger;
  #sessions = new Set<ConsoleSession>();

  /** `config`: the configuration in force. */
  constructor(run: RunCommand, config: () => Config, log: Logger) {
    this.#run = run;
    this.#config = config;
    this.#log = log;
  }

  /** Throws 28000, FATAL, for a user who is not among the operators of the configuration. */
  admit(user: string): void {
    if (this.#config().proxy.admins.includes(user)) return;
    throw new SqlError({
      code: SQLSTATE.invalidAuthorizationSpecification,
      message: `user "${user}" may not use the console`,
      hint: `Database "${this.database}" is for the users in proxy.admins.`,
      severity: 'FATAL',
    });
  }

  /** Takes over a client that has been told ReadyForQuery. */
  open(socket: Socket, reader: FrameReader, user: string): void {
    const session = new ConsoleSession(socket, reader, {
      run: this.#run,
      log: this.#log,
      user,
    });
    this.#sessions.add(session);
    session.onClosed = () => this.#sessions.delete(session);
    session.start();
  }

  /** Ends every session with `error`. */
  close(error: SqlError): void {
    for (const session of this.#sessions) session.terminate(error);
  }
}
