// PortalStream: the rows of one shard, asked for batch by batch from a portal in a transaction.

import { randomUUID } from 'node:crypto';
import type { SqlError } from '../base/errors.ts';
import { NoticePassage } from '../pool/notice-passage.ts';
import { ServerError } from '../pool/query.ts';
import { type Receiver, ServerRequest } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { BodyReader } from '../wire/bytes.ts';
import { decodeErrorFields } from '../wire/error-response.ts';
import {
  encodeBind,
  encodeClose,
  encodeDescribe,
  encodeExecute,
  encodeParse,
  SYNC,
} from '../wire/extended.ts';
import { BACKEND } from '../wire/message-type.ts';
import { decodeRowDescription, type FieldDescription } from '../wire/row.ts';
import { typesOn, valuesOn } from './parameters.ts';
import type { ShardStatement } from './shard-stream.ts';

/**
 * As openShardStream, on a connection in a transaction block. Between two batches the server owes
 * nothing, so that other statements of the transaction can run. `batchRows`: at most so many rows
 * are asked for at once. `begun`: the first of them are there.
 */
export async function openPortalStream(
  connection: ServerConnection,
  statement: ShardStatement,
  batchRows: number,
  begun = true,
): Promise<PortalStream> {
  const stream = new PortalStream(connection, batchRows);
  await stream.open(statement, begun);
  return stream;
}

export class PortalStream implements Receiver {
  fields: readonly FieldDescription[] = [];

  readonly #connection: ServerConnection;
  readonly #notices: NoticePassage;
  readonly #batchRows: number;
  readonly #name = `drive_${randomUUID()}`;
  #rows: Buffer[] = [];
  /** ended: at its end the portal still holds its tables, which nothing may change. closed: it is gone. */
  #state: 'asked' | 'suspended' | 'ended' | 'closed' = 'closed';
  #isParsed = false;
  #hasMore = false;
  #error: Error | null = null;
  #settled: Promise<void> = Promise.resolve();
  #settle: () => void = () => undefined;

  constructor(connection: ServerConnection, batchRows: number) {
    this.#connection = connection;
    this.#notices = new NoticePassage(connection);
    this.#batchRows = batchRows;
  }

  /** `begun`: with the first batch. Rejects as `next` does, with nothing owed. */
  async open({ sql, parameters, resultFormats }: ShardStatement, begun: boolean): Promise<void> {
    const name = this.#name;
    const parameterTypes = typesOn(this.#connection, parameters.types, sql);
    const opened = this.#ask([
      encodeParse({ name: '', sql, parameterTypes }),
      encodeBind({
        portal: name,
        statement: '',
        parameterFormats: [...parameters.formats],
        parameters: valuesOn(this.#connection, parameters),
        resultFormats: [...resultFormats],
      }),
      encodeDescribe({ target: 'portal', name }),
      ...(begun ? [encodeExecute({ portal: name, maxRows: this.#batchRows })] : []),
    ]);
    this.#hasMore = !begun;
    await opened;
    if (this.#error !== null) throw this.#error;
  }

  /** The next DataRow bodies, or null at the end. The bytes are the caller's to keep. */
  async next(): Promise<readonly Buffer[] | null> {
    for (;;) {
      if (this.#state === 'asked') await this.#settled;
      if (this.#rows.length > 0) {
        const batch = this.#rows;
        this.#rows = [];
        return batch;
      }
      if (this.#error !== null) throw this.#error;
      if (this.#state === 'ended' || this.#state === 'closed') return null;
      const portal = this.#name;
      const more = encodeExecute({ portal, maxRows: this.#batchRows });
      // By its columns the connection knows what oids are in the rows.
      const describe = encodeDescribe({ target: 'portal', name: portal });
      await this.#ask(this.#connection.oids.mapping === null ? [more] : [describe, more]);
    }
  }

  /** What the last answer, or the connection, has ended with. */
  get error(): Error | null {
    return this.#error;
  }

  /** No more rows are wanted. Resolves when the server owes nothing. */
  async discard(): Promise<void> {
    if (this.#state === 'asked') await this.#settled;
    this.#rows = [];
    if (this.#state === 'closed' || this.#connection.closed) return;
    await this.#ask([encodeClose({ target: 'portal', name: this.#name })]);
    this.#state = 'closed';
  }

  #ask(messages: readonly Buffer[]): Promise<void> {
    this.#state = 'asked';
    this.#hasMore = false;
    this.#settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#connection.send(Buffer.concat([...messages, SYNC]), new ServerRequest(this, false));
    return this.#settled;
  }

  frame(type: number, buffer: Buffer, start: number, end: number): void {
    switch (type) {
      case BACKEND.dataRow:
        this.#rows.push(buffer.subarray(start, end));
        break;
      case BACKEND.rowDescription:
        this.fields = decodeRowDescription(new BodyReader(buffer, start, end));
        break;
      case BACKEND.parseComplete:
        this.#isParsed = true;
        break;
      case BACKEND.noticeResponse:
        if (this.#isParsed) this.#notices.pass(buffer, start, end);
        break;
      case BACKEND.portalSuspended:
        this.#hasMore = true;
        break;
      case BACKEND.errorResponse:
        this.#error ??= new ServerError(decodeErrorFields(new BodyReader(buffer, start, end)));
        break;
      default:
    }
  }

  relay(): never {
    throw new Error('a stream asks for whole messages');
  }

  copyInStarted(): void {
    throw new Error('a merge never copies');
  }

  finished(): void {
    this.#notices.end();
    if (this.#error !== null) this.#state = 'closed';
    else this.#state = this.#hasMore ? 'suspended' : 'ended';
    this.#settle();
  }

  lost(error: SqlError): void {
    this.#notices.end();
    this.#error ??= error;
    this.#state = 'closed';
    this.#settle();
  }
}
