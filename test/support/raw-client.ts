// A client that speaks the protocol by hand: tests send the bytes they like and see every message.

import { connect, type Socket } from 'node:net';
import {
  decodeAuthentication,
  encodePassword,
  encodeSaslInitialResponse,
  encodeSaslResponse,
} from '../../src/wire/authentication.ts';
import { BodyReader, MessageWriter } from '../../src/wire/bytes.ts';
import { decodeErrorFields } from '../../src/wire/error-response.ts';
import { FrameReader } from '../../src/wire/frame.ts';
import { FRONTEND } from '../../src/wire/message-type.ts';
import { md5Password } from '../../src/wire/password.ts';
import { encodeQuery } from '../../src/wire/query.ts';
import { ScramClient } from '../../src/wire/scram.ts';
import { PROTOCOL_3_0 } from '../../src/wire/startup.ts';
import { type BackendKey, decodeBackendKeyData } from '../../src/wire/status.ts';
import type { Login } from './proxy.ts';

/** What a test waits for arrives within this time on the slowest machine, or never. */
const TIMEOUT_MS = 15_000;

/** One message of the server; `type` is the letter of its type byte. */
export interface RawMessage {
  readonly type: string;
  readonly body: Buffer;
}

export interface RawStartup {
  /** Beyond user and database. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** The version number; 3.0 if not given. */
  readonly version?: number;
}

/** Startup packet with any version and any parameters. */
export function startupPacket(
  parameters: Readonly<Record<string, string>>,
  version: number = PROTOCOL_3_0,
): Buffer {
  const writer = new MessageWriter(null).int32(version);
  for (const [name, value] of Object.entries(parameters)) writer.string(name).string(value);
  return writer.byte(0).finish();
}

/** Any message: type letter and body, with the right length. */
export function rawMessage(type: string, body: Uint8Array = Buffer.alloc(0)): Buffer {
  return new MessageWriter(type.charCodeAt(0)).bytes(body).finish();
}

/** Fields of an ErrorResponse or NoticeResponse by their code letters. */
export function fieldsOf(message: RawMessage): ReadonlyMap<string, string> {
  return decodeErrorFields(new BodyReader(message.body, 0, message.body.length)).all;
}

/** SQLSTATE of the first ErrorResponse; '' when there is none. */
export function errorCode(messages: readonly RawMessage[]): string {
  const error = messages.find((message) => message.type === 'E');
  return error === undefined ? '' : fieldsOf(error).get('C')!;
}

/** The first ErrorResponse as SQLSTATE and message; '' when there is none. */
export function errorText(messages: readonly RawMessage[]): string {
  const error = messages.find((message) => message.type === 'E');
  if (error === undefined) return '';
  const fields = fieldsOf(error);
  return `${fields.get('C')} ${fields.get('M')}`;
}

/** The type letters in a row: `TDCZ`. */
export function letters(messages: readonly RawMessage[]): string {
  return messages.map((message) => message.type).join('');
}

/** The values of all DataRows as text, null for NULL. */
export function rowsOf(messages: readonly RawMessage[]): (string | null)[][] {
  return messages
    .filter((message) => message.type === 'D')
    .map(({ body }) => {
      const reader = new BodyReader(body, 0, body.length);
      const values: (string | null)[] = [];
      for (let left = reader.uint16(); left > 0; left--) {
        values.push(reader.value()?.toString() ?? null);
      }
      return values;
    });
}

/** The transaction status of the last ReadyForQuery. */
export function statusOf(messages: readonly RawMessage[]): string {
  const ready = messages.findLast((message) => message.type === 'Z');
  if (ready === undefined) throw new Error(`no ReadyForQuery in ${letters(messages)}`);
  return ready.body.toString();
}

/** Command tags in their order. */
export function tagsOf(messages: readonly RawMessage[]): string[] {
  return messages
    .filter((message) => message.type === 'C')
    .map(({ body }) => body.toString('utf8', 0, body.length - 1));
}

/** Owns one socket. Whoever opens it closes it. */
export class RawClient {
  key: BackendKey = { processId: 0, secret: Buffer.alloc(0) };
  /** ParameterStatus values as last reported. */
  readonly parameters = new Map<string, string>();

  #socket: Socket;
  #reader = new FrameReader(0x3fffffff);
  #messages: RawMessage[] = [];
  #bytes: Buffer[] = [];
  #ended = false;
  #wake: (() => void) | null = null;
  #raw = false;

  /** Takes a connected socket, plain or TLS. */
  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      if (this.#raw) this.#bytes.push(chunk);
      else this.#take(chunk);
      this.#wake?.();
    });
    const ended = (): void => {
      this.#ended = true;
      this.#wake?.();
    };
    socket.on('end', ended);
    socket.on('close', ended);
    // A reset shows as the end, which tests ask for.
    socket.on('error', ended);
  }

  /** Connects without a word. */
  static async open(place: Pick<Login, 'host' | 'port'>): Promise<RawClient> {
    const socket = connect({ host: place.host, port: place.port, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawClient(socket);
  }

  /** Connects and logs in. Rejects when the server refuses; see `logIn`. */
  static async login(login: Login, startup: RawStartup = {}): Promise<RawClient> {
    const client = await RawClient.open(login);
    const messages = await client.logIn(login, startup);
    const refusal = messages.find((message) => message.type === 'E');
    if (refusal !== undefined) {
      client.destroy();
      throw new Error(`login refused: ${JSON.stringify([...fieldsOf(refusal)])}`);
    }
    return client;
  }

  get socket(): Socket {
    return this.#socket;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Startup and authentication: every message up to ReadyForQuery or an error. */
  async logIn(login: Login, startup: RawStartup = {}): Promise<RawMessage[]> {
    const { user, database } = login;
    this.send(startupPacket({ user, database, ...startup.parameters }, startup.version));
    const messages: RawMessage[] = [];
    let scram: ScramClient | null = null;
    for (;;) {
      const message = await this.next();
      messages.push(message);
      const reader = new BodyReader(message.body, 0, message.body.length);
      if (message.type === 'Z' || message.type === 'E') return messages;
      if (message.type === 'K') {
        const { processId, secret } = decodeBackendKeyData(reader);
        this.key = { processId, secret: Buffer.from(secret) };
      }
      if (message.type !== 'R') continue;
      const request = decodeAuthentication(reader);
      if (request.kind === 'md5Password') {
        this.send(encodePassword(md5Password(user, login.password, request.salt)));
      } else if (request.kind === 'sasl') {
        scram = new ScramClient(login.password);
        this.send(encodeSaslInitialResponse('SCRAM-SHA-256', scram.first()));
      } else if (request.kind === 'saslContinue') {
        this.send(encodeSaslResponse(await scram!.final(request.data)));
      } else if (request.kind === 'saslFinal') {
        scram!.verify(request.data);
      }
    }
  }

  send(...parts: readonly Uint8Array[]): void {
    this.#socket.write(Buffer.concat(parts));
  }

  /** A simple Query: all messages up to ReadyForQuery. */
  query(sql: string): Promise<RawMessage[]> {
    this.send(encodeQuery(sql));
    return this.untilReady();
  }

  /** The rows of a Query as text. Rejects when it fails. */
  async rows(sql: string): Promise<(string | null)[][]> {
    const messages = await this.query(sql);
    const error = messages.find((message) => message.type === 'E');
    if (error !== undefined) throw new Error(`${sql}: ${JSON.stringify([...fieldsOf(error)])}`);
    return rowsOf(messages);
  }

  /** The next message. Rejects when the connection ends first or nothing comes in time. */
  async next(): Promise<RawMessage> {
    await this.#until(() => this.#messages.length > 0, 'a message');
    const message = this.#messages.shift();
    if (message === undefined) throw new Error('the server closed the connection');
    return message;
  }

  /** Messages up to and with the `count`-th of this type letter. */
  async until(type: string, count = 1): Promise<RawMessage[]> {
    const messages: RawMessage[] = [];
    for (let left = count; left > 0; ) {
      const message = await this.next().catch((error: Error) => {
        throw new Error(`${error.message} after ${letters(messages)}`, { cause: error });
      });
      messages.push(message);
      if (message.type === type) left -= 1;
    }
    return messages;
  }

  untilReady(count = 1): Promise<RawMessage[]> {
    return this.until('Z', count);
  }

  /** Everything until the server closes its side. Rejects when it does not. */
  async untilEnd(): Promise<RawMessage[]> {
    await this.#until(() => this.#ended, 'the end of the connection');
    return this.#messages.splice(0);
  }

  /** Takes bytes instead of messages, e.g. the one letter that answers SSLRequest. */
  async bytes(count: number): Promise<Buffer> {
    this.#raw = true;
    const held = () => this.#bytes.reduce((sum, chunk) => sum + chunk.length, 0);
    await this.#until(() => held() >= count, `${count} bytes`);
    this.#raw = false;
    const all = Buffer.concat(this.#bytes.splice(0));
    if (all.length < count) throw new Error(`the server closed after ${all.length} bytes`);
    this.#take(all.subarray(count));
    return all.subarray(0, count);
  }

  /** Messages received and not yet asked for. */
  get pending(): readonly RawMessage[] {
    return this.#messages;
  }

  /** Says Terminate and waits until the server has closed. */
  async close(): Promise<void> {
    if (this.#ended) {
      this.#socket.destroy();
      return;
    }
    this.#socket.end(new MessageWriter(FRONTEND.terminate).finish());
    await this.#until(() => this.#ended, 'the end of the connection');
  }

  /** Drops the connection without a word. */
  destroy(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#reader.push(chunk);
    while (this.#reader.next()) {
      const { type, buffer, bodyStart, end } = this.#reader;
      const message = {
        type: String.fromCharCode(type),
        body: Buffer.from(buffer.subarray(bodyStart, end)),
      };
      if (message.type === 'S') {
        const [name, value] = message.body.toString().split('\0');
        this.parameters.set(name!, value!);
      }
      this.#messages.push(message);
    }
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      this.#wake?.();
    }, TIMEOUT_MS);
    try {
      while (!condition() && !this.#ended && !timedOut) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      if (timedOut && !condition()) {
        throw new Error(`${what} did not come within ${TIMEOUT_MS} ms`);
      }
    } finally {
      this.#wake = null;
      clearTimeout(timer);
    }
  }
}
