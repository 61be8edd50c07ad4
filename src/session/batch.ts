// Batch: the messages of the extended protocol that a client sent up to Sync or Flush.

import { SqlError } from '../base/errors.ts';
import { CLIENT_MESSAGE_BYTES_MAX } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { BodyReader } from '../wire/bytes.ts';
import {
  type BindMessage,
  type CloseMessage,
  type DescribeMessage,
  decodeBind,
  decodeClose,
  decodeDescribe,
  decodeExecute,
  decodeParse,
  type ExecuteMessage,
  type ParseMessage,
} from '../wire/extended.ts';
import { FRONTEND } from '../wire/message-type.ts';

interface Sent {
  /** The whole message, as the client sent it. */
  readonly bytes: Buffer;
}

export type BatchMessage =
  | (Sent & { readonly kind: 'parse'; readonly parse: ParseMessage })
  | (Sent & { readonly kind: 'bind'; readonly bind: BindMessage })
  | (Sent & { readonly kind: 'describe'; readonly describe: DescribeMessage })
  | (Sent & { readonly kind: 'execute'; readonly execute: ExecuteMessage })
  | (Sent & { readonly kind: 'close'; readonly close: CloseMessage });

/** Collects messages; their bytes are kept, so that they can be sent on unchanged. */
export class Batch {
  #messages: BatchMessage[] = [];
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  /** Adds one message. Throws 08P01 for a malformed one, 54000 when the batch grows too large. */
  add(type: number, buffer: Buffer, start: number, bodyStart: number, end: number): void {
    this.#bytes += end - start;
    if (this.#bytes > CLIENT_MESSAGE_BYTES_MAX) {
      throw new SqlError({
        code: SQLSTATE.programLimitExceeded,
        message: `a batch is longer than ${CLIENT_MESSAGE_BYTES_MAX} bytes`,
        hint: 'Send Sync more often.',
      });
    }
    const bytes = buffer.subarray(start, end);
    this.#messages.push(decode(type, bytes, new BodyReader(buffer, bodyStart, end)));
  }

  /** The messages so far; they stay in the batch. */
  peek(): readonly BatchMessage[] {
    return this.#messages;
  }

  take(): readonly BatchMessage[] {
    const messages = this.#messages;
    this.#messages = [];
    this.#bytes = 0;
    return messages;
  }
}

/** The prepared statement that a message uses, by its client's name; null: it is about something else. */
export function statementNameIn(message: BatchMessage): string | null {
  switch (message.kind) {
    case 'parse':
      return message.parse.name;
    case 'bind':
      return message.bind.statement;
    case 'describe':
      return message.describe.target === 'statement' ? message.describe.name : null;
    default:
      return null;
  }
}

function decode(type: number, bytes: Buffer, body: BodyReader): BatchMessage {
  switch (type) {
    case FRONTEND.parse:
      return { kind: 'parse', bytes, parse: decodeParse(body) };
    case FRONTEND.bind:
      return { kind: 'bind', bytes, bind: decodeBind(body) };
    case FRONTEND.describe:
      return { kind: 'describe', bytes, describe: decodeDescribe(body) };
    case FRONTEND.execute:
      return { kind: 'execute', bytes, execute: decodeExecute(body) };
    case FRONTEND.close:
      return { kind: 'close', bytes, close: decodeClose(body) };
    default:
      throw new Error(`message type ${type} is not part of a batch`);
  }
}
