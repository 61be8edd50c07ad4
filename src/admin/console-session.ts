// ConsoleSession: one operator at the console, over the simple and the extended protocol.

import type { Socket } from 'node:net';
import { asSqlError, protocolViolation, SqlError } from '../base/errors.ts';
import { CONSOLE_MESSAGE_BYTES_MAX } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { noticesOf, type RunCommand } from '../commands/over-workers.ts';
import { BodyReader } from '../wire/bytes.ts';
import { encodeErrorResponse, encodeNotice } from '../wire/error-response.ts';
import {
  BIND_COMPLETE,
  CLOSE_COMPLETE,
  decodeBind,
  decodeClose,
  decodeDescribe,
  decodeExecute,
  decodeParse,
  encodeParameterDescription,
  NO_DATA,
  PARSE_COMPLETE,
} from '../wire/extended.ts';
import type { FrameReader } from '../wire/frame.ts';
import { FRONTEND } from '../wire/message-type.ts';
import { decodeQuery, EMPTY_QUERY_RESPONSE, encodeCommandComplete } from '../wire/query.ts';
import { READY_IDLE } from '../wire/status.ts';
import { encodeColumns, encodeRows } from './answer.ts';
import { type ConsoleStatement, readStatement, splitStatements } from './statement.ts';

export interface ConsoleDependencies {
  readonly run: RunCommand;
  readonly log: Logger;
  readonly user: string;
}

interface Portal {
  readonly statement: ConsoleStatement;
  readonly formats: readonly number[];
}

/** Messages are worked off one after the other; a command may take its time (PAUSE). */
export class ConsoleSession {
  /** Called once, when the client has gone. */
  onClosed: (() => void) | null = null;

  #socket: Socket;
  #reader: FrameReader;
  #d: ConsoleDependencies;
  #statements = new Map<string, ConsoleStatement>();
  #portals = new Map<string, Portal>();
  #working = false;
  #skipsToSync = false;
  #ended = false;

  /** Takes over a client that has been told ReadyForQuery. */
  constructor(socket: Socket, reader: FrameReader, dependencies: ConsoleDependencies) {
    this.#socket = socket;
    this.#reader = reader;
    this.#d = dependencies;
  }

  start(): void {
    const socket = this.#socket;
    this.#reader.lengthMax = CONSOLE_MESSAGE_BYTES_MAX;
    socket.on('data', (chunk: Buffer) => {
      this.#reader.push(chunk);
      void this.#workOff();
      // A client that sends on while its command is at work is not read into memory without bound.
      if (this.#reader.bufferedBytes > CONSOLE_MESSAGE_BYTES_MAX) socket.pause();
    });
    socket.on('error', (error) => this.#d.log.debug({ err: error }, 'an operator broke off'));
    socket.on('close', () => {
      this.#ended = true;
      this.onClosed?.();
    });
    socket.resume();
    void this.#workOff();
  }

  /** Tells the client, FATAL, and closes. */
  terminate(error: SqlError): void {
    this.#end(encodeErrorResponse(error));
  }

  async #workOff(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    try {
      while (!this.#ended && this.#reader.next()) await this.#message();
    } catch (error) {
      const { code, message, hint } = asSqlError(error);
      this.terminate(new SqlError({ code, message, hint, severity: 'FATAL' }));
    }
    this.#working = false;
    this.#socket.resume();
  }

  async #message(): Promise<void> {
    const { type, buffer, bodyStart, end } = this.#reader;
    const body = new BodyReader(buffer, bodyStart, end);
    if (type === FRONTEND.terminate) return this.#end(Buffer.alloc(0));
    if (type === FRONTEND.sync) {
      this.#skipsToSync = false;
      this.#portals.clear();
      return this.#write(READY_IDLE);
    }
    if (this.#skipsToSync || type === FRONTEND.flush) return;
    try {
      if (type === FRONTEND.query) await this.#simple(decodeQuery(body));
      else await this.#extended(type, body);
    } catch (error) {
      this.#report(error);
      if (type !== FRONTEND.query) this.#skipsToSync = true;
    }
    if (type === FRONTEND.query) this.#write(READY_IDLE);
  }

  async #simple(sql: string): Promise<void> {
    const statements = splitStatements(sql).filter((text) => text !== '');
    if (statements.length === 0) this.#write(EMPTY_QUERY_RESPONSE);
    for (const text of statements)
      await this.#run({ statement: readStatement(text), formats: [] }, true);
  }

  async #extended(type: number, body: BodyReader): Promise<void> {
    switch (type) {
      case FRONTEND.parse: {
        const { name, sql } = decodeParse(body);
        this.#statements.set(name, onlyStatement(sql));
        return this.#write(PARSE_COMPLETE);
      }
      case FRONTEND.bind: {
        const { portal, statement, resultFormats } = decodeBind(body);
        this.#portals.set(portal, {
          statement: this.#statement(statement),
          formats: resultFormats,
        });
        return this.#write(BIND_COMPLETE);
      }
      case FRONTEND.describe: {
        const { target, name } = decodeDescribe(body);
        if (target === 'portal') return this.#describe(this.#portal(name));
        this.#write(encodeParameterDescription([]));
        return this.#describe({ statement: this.#statement(name), formats: [] });
      }
      case FRONTEND.execute:
        return this.#run(this.#portal(decodeExecute(body).portal), false);
      case FRONTEND.close: {
        const { target, name } = decodeClose(body);
        (target === 'portal' ? this.#portals : this.#statements).delete(name);
        return this.#write(CLOSE_COMPLETE);
      }
      default:
        throw protocolViolation(`message type ${type} has no meaning on the console`);
    }
  }

  #describe({ statement, formats }: Portal): void {
    const columns = statement.kind === 'command' ? statement.command.columns : null;
    this.#write(columns === null ? NO_DATA : encodeColumns(columns, formats));
  }

  async #run({ statement, formats }: Portal, described: boolean): Promise<void> {
    if (statement.kind === 'empty') return this.#write(EMPTY_QUERY_RESPONSE);
    if (statement.kind === 'ignored') return this.#write(encodeCommandComplete(statement.tag));
    const { command, argument } = statement;
    const { run, log, user } = this.#d;
    if (command.role === 'operates') {
      log.info({ user, command: command.name, argument }, 'an operator gives a command');
    }
    const answer = await run(command, argument);
    const { table, tag } = answer;
    for (const notice of noticesOf(answer)) this.#write(encodeNotice('NOTICE', '00000', notice));
    if (table !== null) {
      if (described) this.#write(encodeColumns(table.columns, formats));
      this.#write(Buffer.concat(encodeRows(table, formats)));
    }
    this.#write(encodeCommandComplete(tag));
  }

  #statement(name: string): ConsoleStatement {
    const statement = this.#statements.get(name);
    if (statement !== undefined) return statement;
    throw missing(SQLSTATE.invalidSqlStatementName, 'prepared statement', name);
  }

  #portal(name: string): Portal {
    const portal = this.#portals.get(name);
    if (portal !== undefined) return portal;
    throw missing(SQLSTATE.invalidCursorName, 'portal', name);
  }

  #report(error: unknown): void {
    const known = asSqlError(error);
    if (known !== error) this.#d.log.error({ err: error }, 'a console command met a defect');
    this.#write(encodeErrorResponse(known));
  }

  #write(bytes: Buffer): void {
    if (!this.#ended) this.#socket.write(bytes);
  }

  #end(last: Buffer): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.end(last);
    this.#socket.destroySoon();
  }
}

function onlyStatement(sql: string): ConsoleStatement {
  const texts = splitStatements(sql).filter((text) => text !== '');
  if (texts.length < 2) return readStatement(texts[0] ?? '');
  throw new SqlError({
    code: SQLSTATE.syntaxError,
    message: 'cannot insert multiple commands into a prepared statement',
  });
}

function missing(code: SqlError['code'], what: string, name: string): SqlError {
  return new SqlError({ code, message: `${what} "${name}" does not exist` });
}
