// Batch encoding: a client's batch in the form one server connection needs it.

import type { Reply, Step } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { columnsIn } from '../pool/server-message.ts';
import { makeRoom } from '../pool/server-statements.ts';
import {
  type BindMessage,
  CLOSE_COMPLETE,
  encodeDescribe,
  PARSE_COMPLETE,
  renameBind,
  SYNC,
} from '../wire/extended.ts';
import type { BatchMessage } from './batch.ts';
import type { OneShardBatch } from './batch-route.ts';
import { columnsOf, nameUnder, type PreparedStatement, serverParse } from './prepared.ts';
import type { OpenPortal, SessionState } from './state.ts';

/** A batch in the form that one connection needs. */
export interface EncodedBatch {
  readonly bytes: Buffer;
  readonly steps: readonly Step[];
  /** Names of the statements the server is to parse for it. */
  readonly parses: readonly string[];
  /** It runs a statement that the server keeps, where the client's had no name or was a Query. */
  readonly keeps: boolean;
  /** It runs a new statement of the client in the form in which the server has known it longer. */
  readonly reuses: boolean;
}

/**
 * The batch's messages as this connection needs them: client's names of statements become the
 * shared ones, statements it does not know are parsed first, known ones not again. `keeps`: so do
 * statements without a name.
 */
export function encodeBatch(
  batch: OneShardBatch,
  connection: ServerConnection,
  state: SessionState,
  keeps: boolean,
): EncodedBatch {
  const encoder = new BatchEncoder(connection, state, batch, keeps);
  for (const message of batch.messages) encoder.add(message);
  return encoder.finish();
}

/** True while the connection is about to learn a statement of this batch for somebody else. */
export function awaitsParse(
  batch: OneShardBatch,
  connection: ServerConnection,
  state: SessionState,
): boolean {
  if (connection.parsing.size === 0) return false;
  return batch.messages.some((message) => {
    if (message.kind !== 'bind' || message.bind.statement === '') return false;
    const statement = state.statements.get(message.bind.statement);
    if (statement === undefined) return false;
    return connection.parsing.has(nameUnder(state.reading, statement.server.name));
  });
}

class BatchEncoder {
  #connection: ServerConnection;
  #state: SessionState;
  #batch: OneShardBatch;
  #keeps: boolean;
  /** A statement without a name is run by one that the server keeps. */
  #kept = false;
  #reuses = false;
  #forwarded = false;
  #closes: Buffer[] = [];
  #chunks: Buffer[] = [];
  #steps: Step[] = [];
  #unnamedParsed = false;
  /** How many of the batch's Parse messages without a name have been encoded. */
  #unnamedCount = 0;
  /** Portals that it has bound so far. */
  #bound = new Map<string, OpenPortal>();
  #boundCount = 0;
  /** Statements this batch has parsed already on the connection. */
  #parsed = new Set<string>();

  constructor(
    connection: ServerConnection,
    state: SessionState,
    batch: OneShardBatch,
    keeps: boolean,
  ) {
    this.#connection = connection;
    this.#state = state;
    this.#batch = batch;
    this.#keeps = keeps;
  }

  add(message: BatchMessage): void {
    switch (message.kind) {
      case 'parse':
        this.#parse(message.parse.name, message.bytes);
        break;
      case 'bind':
        this.#bind(message.bind, message.bytes);
        break;
      case 'describe':
        this.#describe(message.describe.target, message.describe.name, message.bytes);
        break;
      case 'execute':
        this.#describeCarrying(message.execute.portal);
        this.#forward(message.bytes);
        break;
      case 'close':
        this.#close(message.close.target, message.close.name, message.bytes);
    }
  }

  finish(): EncodedBatch {
    this.#chunks.push(SYNC);
    const bytes = Buffer.concat([...this.#closes, ...this.#chunks]);
    const steps = [...this.#closes.map(() => SWALLOW), ...this.#steps];
    return { bytes, steps, parses: [...this.#parsed], keeps: this.#kept, reuses: this.#reuses };
  }

  #parse(name: string, bytes: Buffer): void {
    const { statements: named, unnamed } = this.#batch;
    const statement = name === '' ? unnamed[this.#unnamedCount++]! : named.get(name)!;
    if (name === '' && this.#keeps) {
      this.#state.statements.set('', statement);
      this.#ensure('', statement);
      // Not before the server has taken the Bind: until then the client has heard nothing.
      this.#steps.push({ do: 'answer', bytes: PARSE_COMPLETE, done: null });
      return;
    }
    if (name === '') {
      // A failed Parse leaves no unnamed statement; ours then fails again when it is bound.
      this.#state.statements.set('', statement);
      this.#unnamedParsed = true;
      const isSame = this.#connection.oids.mapping === null;
      this.#forward(isSame ? bytes : serverParse(statement, '', this.#connection));
      return;
    }
    const { statements } = this.#state;
    const define = () => statements.set(name, statement);
    if (this.#isKnown(statement)) {
      this.#steps.push({ do: 'answer', bytes: PARSE_COMPLETE, done: define });
    } else {
      this.#parseOnServer(statement, 'forward', define);
    }
    this.#learnColumns(statement);
  }

  #bind(bind: BindMessage, bytes: Buffer): void {
    const statement = this.#statement(bind.statement);
    this.#ensure(bind.statement, statement);
    if (bind.statement === '' && !this.#keeps) this.#forward(bytes);
    else this.#forward(renameBind(bytes, bind, this.#nameOf(statement)), statement);
    const open = this.#batch.bound[this.#boundCount++]!;
    this.#bound.set(bind.portal, open);
    if (this.#state.transaction !== null) this.#state.portals.set(bind.portal, open);
  }

  #describe(target: 'statement' | 'portal', name: string, bytes: Buffer): void {
    if (target === 'portal') {
      this.#forward(bytes);
      return;
    }
    const statement = this.#statement(name);
    this.#ensure(name, statement);
    if (name === '' && !this.#keeps) {
      this.#forward(bytes);
      return;
    }
    this.#forward(encodeDescribe({ target, name: this.#nameOf(statement) }), statement);
  }

  /** Oids in values of the binary format are found by the columns' types. */
  #describeCarrying(portal: string): void {
    if (this.#connection.oids.mapping === null) return;
    const open = this.#bound.get(portal) ?? this.#state.portals.get(portal);
    if (open?.portal.resultFormats.includes(1) !== true) return;
    this.#chunks.push(encodeDescribe({ target: 'portal', name: portal }));
    this.#steps.push(SWALLOW);
  }

  #close(target: 'statement' | 'portal', name: string, bytes: Buffer): void {
    const { statements, portals } = this.#state;
    if (target === 'portal') {
      portals.delete(name);
      this.#forward(bytes);
      return;
    }
    this.#steps.push({
      do: 'answer',
      bytes: CLOSE_COMPLETE,
      done: () => statements.delete(name),
    });
  }

  #statement(name: string): PreparedStatement {
    // That of the last Parse so far, in this batch or before it.
    if (name === '') return this.#state.statements.get('')!;
    return (this.#batch.statements.get(name) ?? this.#state.statements.get(name))!;
  }

  #nameOf({ server }: PreparedStatement): string {
    return nameUnder(this.#state.reading, server.name);
  }

  /** Makes sure that the server has the statement when the next message comes to it. */
  #ensure(name: string, statement: PreparedStatement): void {
    if (name === '' && this.#keeps) this.#kept = true;
    if (name === '' && !this.#keeps) {
      if (this.#unnamedParsed) return;
      this.#unnamedParsed = true;
      this.#chunks.push(serverParse(statement, '', this.#connection));
      this.#steps.push(SWALLOW);
    } else if (!this.#isKnown(statement)) {
      this.#parseOnServer(statement, 'swallow', null);
    } else if (statement.isNew && !this.#forwarded && !this.#parsed.has(this.#nameOf(statement))) {
      this.#reuses = true;
    }
  }

  #isKnown(statement: PreparedStatement): boolean {
    const { statements } = this.#connection;
    const serverName = this.#nameOf(statement);
    if (this.#parsed.has(serverName)) return true;
    // On its way for somebody else; where that fails, this is tried again in another form.
    if (this.#keeps && this.#connection.parsing.has(serverName)) return true;
    if (!statements.delete(serverName)) return false;
    // Last in the set is last in the order of use.
    statements.add(serverName);
    return true;
  }

  #parseOnServer(
    statement: PreparedStatement,
    reply: 'forward' | 'swallow',
    define: (() => void) | null,
  ): void {
    const { statements } = this.#connection;
    const serverName = this.#nameOf(statement);
    this.#closes.push(...makeRoom(this.#connection, this.#parsed.size + 1));
    this.#parsed.add(serverName);
    this.#chunks.push(serverParse(statement, serverName, this.#connection));
    this.#steps.push({
      do: reply,
      done: () => {
        statements.add(serverName);
        define?.();
      },
    });
  }

  /**
   * A client that has prepared it by name may bind it when its tables have changed, on a server that sees it then for
   * the first time. One answer is enough for all clients, as long as it is of the tables by which they prepared it.
   */
  #learnColumns(statement: PreparedStatement): void {
    const { server } = statement;
    if (server.columns !== undefined || server.version !== this.#batch.version) return;
    const name = this.#nameOf(statement);
    this.#reuses ||= !this.#forwarded && !this.#parsed.has(name);
    this.#chunks.push(encodeDescribe({ target: 'statement', name }));
    const told = (reply: Reply) => {
      server.columns = columnsOf(columnsIn(reply));
    };
    this.#steps.push({ do: 'swallow', done: told });
  }

  /** `statement`: its reply tells the client of the statement's columns, or may be taken to. */
  #forward(bytes: Buffer, statement: PreparedStatement | null = null): void {
    this.#forwarded = true;
    this.#chunks.push(bytes);
    if (statement?.isNew !== true) {
      this.#steps.push(FORWARD);
      return;
    }
    const done = () => {
      statement.isNew = false;
    };
    this.#steps.push({ do: 'forward', done });
  }
}

const FORWARD: Step = { do: 'forward', done: null };
const SWALLOW: Step = { do: 'swallow', done: null };
