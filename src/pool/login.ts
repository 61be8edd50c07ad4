// Login: opens a connection to a shard and authenticates on it.

import { connect, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { SqlError } from '../base/errors.ts';
import { SERVER_KEEPALIVE_MS, SERVER_MESSAGE_BYTES_MAX } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { Shard } from '../topology/shard.ts';
import {
  type AuthenticationRequest,
  decodeAuthentication,
  encodePassword,
  encodeSaslInitialResponse,
  encodeSaslResponse,
} from '../wire/authentication.ts';
import { BodyReader } from '../wire/bytes.ts';
import { serverEndPoint } from '../wire/channel-binding.ts';
import { decodeErrorFields } from '../wire/error-response.ts';
import { FrameReader } from '../wire/frame.ts';
import { BACKEND } from '../wire/message-type.ts';
import { md5Password } from '../wire/password.ts';
import { SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramClient } from '../wire/scram.ts';
import { encodeStartup } from '../wire/startup.ts';
import { decodeBackendKeyData, decodeParameterStatus } from '../wire/status.ts';
import { ServerConnection, type ServerIdentity } from './server-connection.ts';
import { encrypt } from './shard-tls.ts';

export interface LoginOptions {
  /** From the first SYN to ReadyForQuery. */
  readonly timeoutMs: number;
  readonly nowMs: () => number;
}

/**
 * Gives an idle connection to `shard`. Rejects with SqlError 08001 that names the shard when it
 * cannot be reached or does not answer in time, 08004 with what the server said when it refuses.
 */
export async function login(shard: Shard, options: LoginOptions): Promise<ServerConnection> {
  const { timeoutMs, nowMs } = options;
  const plain = connect({
    host: shard.host,
    port: shard.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: SERVER_KEEPALIVE_MS,
  });
  let late: Error | null = null;
  const timer = setTimeout(() => {
    late = new Error(`no answer within ${timeoutMs} ms`);
    plain.destroy(late);
  }, timeoutMs);
  try {
    const socket = await encrypt(shard, plain);
    const conversation = new Conversation(shard, socket);
    const identity = await conversation.authenticate();
    conversation.detach();
    return new ServerConnection(shard, socket, conversation.reader, identity, nowMs());
  } catch (error) {
    plain.destroy();
    if (late !== null) throw unreachable(shard, late);
    throw error instanceof SqlError ? error : unreachable(shard, error);
  } finally {
    clearTimeout(timer);
  }
}

function unreachable(shard: Shard, cause: unknown): SqlError {
  const reason = cause instanceof Error ? describe(cause) : String(cause);
  return new SqlError(
    {
      code: SQLSTATE.sqlclientUnableToEstablishSqlconnection,
      message: `shard ${shard.id} (${shard.host}:${shard.port}) cannot be reached: ${reason}`,
      hint: 'Statements for other shards still work. Is its PostgreSQL server running?',
    },
    { cause },
  );
}

/** Node gives an AggregateError with an empty message where a name has several addresses. */
function describe(error: Error): string {
  if (error instanceof AggregateError) {
    return error.errors.map((each) => (each as Error).message).join(', ');
  }
  return error.message;
}

class Conversation {
  readonly reader = new FrameReader(SERVER_MESSAGE_BYTES_MAX);
  #shard: Shard;
  #socket: Socket;
  #ended: Error | null = null;
  #wake: (() => void) | null = null;
  #scram: ScramClient | null = null;

  constructor(shard: Shard, socket: Socket) {
    this.#shard = shard;
    this.#socket = socket;
    socket.on('data', this.#onData);
    socket.on('error', this.#onEnd);
    socket.on('close', this.#onEnd);
  }

  #onData = (chunk: Buffer): void => {
    this.reader.push(chunk);
    this.#wake?.();
  };

  #onEnd = (error?: Error | boolean): void => {
    this.#ended ??=
      error instanceof Error ? error : new Error('the server closed the connection during login');
    this.#wake?.();
  };

  /** Leaves the socket, paused, to its next owner; what was read ahead is in the reader. */
  detach(): void {
    this.#socket.off('data', this.#onData);
    this.#socket.off('error', this.#onEnd);
    this.#socket.off('close', this.#onEnd);
  }

  async authenticate(): Promise<ServerIdentity> {
    const { user, database } = this.#shard;
    this.#socket.write(
      encodeStartup(
        new Map([
          ['user', user],
          ['database', database],
          ['client_encoding', 'UTF8'],
        ]),
      ),
    );
    const parameters = new Map<string, string>();
    let processId = 0;
    let secret: Buffer = Buffer.alloc(0);
    for (;;) {
      const body = await this.#next();
      switch (this.reader.type) {
        case BACKEND.authentication:
          await this.#answer(decodeAuthentication(body));
          break;
        case BACKEND.parameterStatus: {
          const { name, value } = decodeParameterStatus(body);
          parameters.set(name, value);
          break;
        }
        case BACKEND.backendKeyData: {
          const key = decodeBackendKeyData(body);
          processId = key.processId;
          secret = Buffer.from(key.secret);
          break;
        }
        case BACKEND.readyForQuery:
          return { processId, secret, parameters };
        case BACKEND.errorResponse:
          throw this.#refusal(body);
        case BACKEND.noticeResponse:
        case BACKEND.negotiateProtocolVersion:
          break;
        default:
          throw new Error(`unexpected message of type ${this.reader.type} during login`);
      }
    }
  }

  async #next(): Promise<BodyReader> {
    while (!this.reader.next()) {
      if (this.#ended !== null) throw this.#ended;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
    return new BodyReader(this.reader.buffer, this.reader.bodyStart, this.reader.end);
  }

  async #answer(request: AuthenticationRequest): Promise<void> {
    const { user, password } = this.#shard;
    switch (request.kind) {
      case 'ok':
        return;
      case 'cleartextPassword':
        this.#socket.write(encodePassword(password));
        return;
      case 'md5Password':
        this.#socket.write(encodePassword(md5Password(user, password, request.salt)));
        return;
      case 'sasl':
        this.#beginSasl(request.mechanisms);
        return;
      case 'saslContinue':
        if (this.#scram === null) throw new Error('SASL went on before it began');
        this.#socket.write(encodeSaslResponse(await this.#scram.final(request.data)));
        return;
      case 'saslFinal':
        if (this.#scram === null) throw new Error('SASL ended before it began');
        // The server must prove that it knows the password, too.
        this.#scram.verify(request.data);
        return;
      default:
        throw new Error(
          `it wants authentication method ${request.code}, which the proxy does not know`,
        );
    }
  }

  #beginSasl(offered: readonly string[]): void {
    const socket = this.#socket;
    const digest =
      socket instanceof TLSSocket ? serverEndPoint(socket.getPeerX509Certificate()) : null;
    const mechanism =
      digest !== null && offered.includes(SCRAM_SHA_256_PLUS) ? SCRAM_SHA_256_PLUS : SCRAM_SHA_256;
    if (!offered.includes(mechanism)) {
      throw new Error(`it offers only ${offered.join(', ')} to log in`);
    }
    const isBound = mechanism === SCRAM_SHA_256_PLUS || digest === null;
    this.#scram = new ScramClient(this.#shard.password, isBound ? digest : 'unoffered');
    socket.write(encodeSaslInitialResponse(mechanism, this.#scram.first()));
  }

  #refusal(body: BodyReader): SqlError {
    const { id, host, port } = this.#shard;
    const fields = decodeErrorFields(body);
    return new SqlError({
      code: SQLSTATE.sqlserverRejectedEstablishmentOfSqlconnection,
      message: `shard ${id} (${host}:${port}) refused the proxy: ${fields.message}`,
      detail: `The shard's SQLSTATE is ${fields.code}.`,
    });
  }
}
