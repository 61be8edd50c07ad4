// Describe: asks one shard what PostgreSQL makes of a statement, without running it.

import type { SqlError } from '../base/errors.ts';
import { ServerError } from '../pool/query.ts';
import { type Receiver, ServerRequest } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { BodyReader } from '../wire/bytes.ts';
import { decodeErrorFields } from '../wire/error-response.ts';
import {
  decodeParameterDescription,
  encodeClose,
  encodeDescribe,
  encodeParse,
  SYNC,
} from '../wire/extended.ts';
import { BACKEND } from '../wire/message-type.ts';
import { decodeRowDescription, type FieldDescription } from '../wire/row.ts';

export interface Description {
  /** Type oid of each parameter, as the server resolved it. */
  readonly parameterTypes: readonly number[];
  /** null: the statement gives no rows. Formats are all text here: they come with Bind. */
  readonly fields: readonly FieldDescription[] | null;
}

/** Rejects with ServerError when the statement is wrong, SqlError when the connection is lost. */
export function describe(
  connection: ServerConnection,
  sql: string,
  parameterTypes: readonly number[],
): Promise<Description> {
  return new Promise((resolve, reject) => {
    const messages = [
      encodeParse({ name: '', sql, parameterTypes: [...parameterTypes] }),
      encodeDescribe({ target: 'statement', name: '' }),
      SYNC,
    ];
    const describer = new Describer(resolve, reject);
    connection.send(Buffer.concat(messages), new ServerRequest(describer, false));
  });
}

/** Of a portal or cursor. Rejects as `describe`. */
export function describePortal(connection: ServerConnection, name: string): Promise<Description> {
  return new Promise((resolve, reject) => {
    const bytes = Buffer.concat([encodeDescribe({ target: 'portal', name }), SYNC]);
    connection.send(bytes, new ServerRequest(new Describer(resolve, reject), false));
  });
}

/** Also where it has none of that name; no error follows. */
export function closePortalOn(connection: ServerConnection, name: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const bytes = Buffer.concat([encodeClose({ target: 'portal', name }), SYNC]);
    connection.send(bytes, new ServerRequest(new Describer(resolve, reject), false));
  });
}

class Describer implements Receiver {
  #resolve: (description: Description) => void;
  #reject: (error: Error) => void;
  #parameterTypes: readonly number[] = [];
  #fields: FieldDescription[] | null = null;
  #error: ServerError | null = null;

  constructor(resolve: (description: Description) => void, reject: (error: Error) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  relay(): never {
    throw new Error('a describer asks for whole messages');
  }

  copyInStarted(): void {
    throw new Error('Describe never copies');
  }

  frame(type: number, buffer: Buffer, start: number, end: number): void {
    const body = new BodyReader(buffer, start, end);
    if (type === BACKEND.parameterDescription) {
      this.#parameterTypes = decodeParameterDescription(body);
    } else if (type === BACKEND.rowDescription) {
      this.#fields = decodeRowDescription(body);
    } else if (type === BACKEND.errorResponse) {
      this.#error ??= new ServerError(decodeErrorFields(body));
    }
  }

  finished(): void {
    if (this.#error !== null) this.#reject(this.#error);
    else this.#resolve({ parameterTypes: this.#parameterTypes, fields: this.#fields });
  }

  lost(error: SqlError): void {
    this.#reject(this.#error ?? error);
  }
}
