// Batch encoding: a client's batch in the form one server connection needs it.

import { SERVER_STATEMENTS_MAX } from '../base/limits.ts';
import type { Step } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import {
  type BindMessage,
  CLOSE_COMPLETE,
  encodeBind,
  encodeClose,
  encodeDescribe,
  PARSE_COMPLETE,
  SYNC,
} from '../wire/extended.ts';
import type { BatchMessage } from './batch.ts';
import type { OneShardBatch } from './batch-route.ts';
import { type PreparedStatement, serverParse } from './prepared.ts';
import type { SessionState } from './state.ts';

/** A batch in the form that one connection needs. */
export interface EncodedBatch {
  readonly bytes: Buffer;
  /** null: every reply goes to the client as it comes. */
  readonly steps: readonly Step[] | null;
  /** Names of the statements the server is to parse for it. */
  readonly parses: readonly string[];
}

/**
 * The batch's messages as this connection needs them: client's names of statements become the
 * shared ones, statements it does not know are parsed first, known ones not again.
 */
export function encodeBatch(
  batch: OneShardBatch,
  connection: ServerConnection,
  state: SessionState,
): EncodedBatch {
  const encoder = new BatchEncoder(connection, state, batch);
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
    return statement !== undefined && connection.parsing.has(statement.serverName);
  });
}

class BatchEncoder {
  #connection: ServerConnection;
  #state: SessionState;
  #batch: OneShardBatch;
  #chunks: Buffer[] = [];
  #steps: Step[] = [];
  #plain = true;
  #unnamedParsed = false;
  #executed = false;
  /** Statements this batch has parsed already on the connection. */
  #parsed = new Set<string>();

  constructor(connection: ServerConnection, state: SessionState, batch: OneShardBatch) {
    this.#connection = connection;
    this.#state = state;
    this.#batch = batch;
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
        this.#forward(message.bytes);
        this.#executed = true;
        break;
      case 'close':
        this.#close(message.close.target, message.close.name, message.bytes);
    }
  }

  finish(): EncodedBatch {
    this.#chunks.push(SYNC);
    const bytes = Buffer.concat(this.#chunks);
    return { bytes, steps: this.#plain ? null : this.#steps, parses: [...this.#parsed] };
  }

  #parse(name: string, bytes: Buffer): void {
    const statement = this.#batch.statements.get(name)!;
    if (name === '') {
      // A failed Parse leaves no unnamed statement; ours then fails again when it is bound.
      this.#state.statements.set('', statement);
      this.#unnamedParsed = true;
      this.#forward(bytes);
      return;
    }
    const { statements } = this.#state;
    const define = () => statements.set(name, statement);
    if (this.#isKnown(statement)) {
      this.#plain = false;
      this.#steps.push({ do: 'answer', bytes: PARSE_COMPLETE, done: define });
    } else {
      this.#parseOnServer(statement, 'forward', define);
    }
  }

  #bind(bind: BindMessage, bytes: Buffer): void {
    const statement = this.#statement(bind.statement);
    this.#ensure(bind.statement, statement);
    if (bind.statement === '') this.#forward(bytes);
    else this.#forward(encodeBind({ ...bind, statement: statement.serverName }));
    const open = this.#batch.portals.get(bind.portal);
    if (open !== undefined && this.#state.transaction !== null) {
      this.#state.portals.set(bind.portal, open);
    }
  }

  #describe(target: 'statement' | 'portal', name: string, bytes: Buffer): void {
    if (target === 'portal' || name === '') {
      if (target === 'statement') this.#ensure('', this.#statement(''));
      this.#forward(bytes);
      return;
    }
    const statement = this.#statement(name);
    this.#ensure(name, statement);
    this.#forward(encodeDescribe({ target, name: statement.serverName }));
  }

  #close(target: 'statement' | 'portal', name: string, bytes: Buffer): void {
    if (target === 'portal') {
      this.#forward(bytes);
      return;
    }
    const { statements } = this.#state;
    this.#plain = false;
    this.#steps.push({
      do: 'answer',
      bytes: CLOSE_COMPLETE,
      done: () => statements.delete(name),
    });
  }

  #statement(name: string): PreparedStatement {
    return (this.#batch.statements.get(name) ?? this.#state.statements.get(name))!;
  }

  /** Makes sure that the server has the statement when the next message comes to it. */
  #ensure(name: string, statement: PreparedStatement): void {
    if (name === '') {
      if (this.#unnamedParsed) return;
      this.#unnamedParsed = true;
      this.#plain = false;
      this.#chunks.push(serverParse({ ...statement, serverName: '' }, this.#connection.shard.id));
      this.#steps.push({ do: 'swallow', done: null });
    } else if (!this.#isKnown(statement)) {
      this.#parseOnServer(statement, 'swallow', null);
    }
  }

  #isKnown(statement: PreparedStatement): boolean {
    const { statements } = this.#connection;
    const { serverName } = statement;
    if (this.#parsed.has(serverName)) return true;
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
    const { serverName } = statement;
    if (statements.size + this.#parsed.size >= SERVER_STATEMENTS_MAX) this.#evict();
    this.#plain = false;
    this.#parsed.add(serverName);
    this.#chunks.push(serverParse(statement, this.#connection.shard.id));
    this.#steps.push({
      do: reply,
      done: () => {
        statements.add(serverName);
        define?.();
      },
    });
  }

  #evict(): void {
    const { statements } = this.#connection;
    for (const oldest of statements) {
      this.#chunks.push(encodeClose({ target: 'statement', name: oldest }));
      this.#steps.push({ do: 'swallow', done: () => statements.delete(oldest) });
      return;
    }
  }

  #forward(bytes: Buffer): void {
    // If the Execute is a COPY from the client, it matters that something comes behind it.
    if (this.#executed) this.#plain = false;
    this.#chunks.push(bytes);
    this.#steps.push(FORWARD);
  }
}

const FORWARD: Step = { do: 'forward', done: null };
