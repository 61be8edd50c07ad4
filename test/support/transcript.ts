// Transcripts: the same bytes sent to two servers, and every message that comes back as text.

import { BodyReader } from '../../src/wire/bytes.ts';
import {
  encodeBind,
  encodeClose,
  encodeDescribe,
  encodeExecute,
  encodeParse,
  FLUSH,
  SYNC,
} from '../../src/wire/extended.ts';
import { encodeQuery } from '../../src/wire/query.ts';
import { decodeRowDescription } from '../../src/wire/row.ts';
import { fieldsOf, type RawClient, type RawMessage, rawMessage } from './raw-client.ts';

type Parameter = string | Buffer | null;

export interface BindOptions {
  readonly formats?: readonly number[];
  readonly results?: readonly number[];
}

/** Messages by short names, for scripts that read like a conversation. */
export const say = {
  query: (sql: string): Buffer => encodeQuery(sql),
  parse: (sql: string, name = '', types: readonly number[] = []): Buffer =>
    encodeParse({ name, sql, parameterTypes: types }),
  bind: (
    parameters: readonly Parameter[] = [],
    statement = '',
    portal = '',
    { formats = [], results = [] }: BindOptions = {},
  ): Buffer =>
    encodeBind({
      portal,
      statement,
      parameterFormats: formats,
      parameters: parameters.map((each) => (typeof each === 'string' ? Buffer.from(each) : each)),
      resultFormats: results,
    }),
  describe: (target: 'statement' | 'portal', name = ''): Buffer => encodeDescribe({ target, name }),
  execute: (portal = '', maxRows = 0): Buffer => encodeExecute({ portal, maxRows }),
  close: (target: 'statement' | 'portal', name = ''): Buffer => encodeClose({ target, name }),
  /** Parse, Bind, Describe and Execute of the unnamed statement. */
  run: (sql: string, parameters: readonly Parameter[] = []): Buffer =>
    Buffer.concat([say.parse(sql), say.bind(parameters), say.describe('portal'), say.execute()]),
  sync: SYNC,
  flush: FLUSH,
  copyData: (text: string): Buffer => rawMessage('d', Buffer.from(text)),
  copyDone: rawMessage('c'),
  copyFail: (reason: string): Buffer => rawMessage('f', Buffer.from(`${reason}\0`)),
};

/** Bytes sent together, and the letter of the message that ends the answer, with its count. */
export interface Step {
  readonly send: readonly Buffer[];
  readonly until: string;
  readonly count: number;
}

/** Sent together; answered by one ReadyForQuery, or by `count` messages of type `until`. */
export function step(send: Buffer | readonly Buffer[], until = 'Z', count = 1): Step {
  return { send: Buffer.isBuffer(send) ? [send] : send, until, count };
}

/**
 * Runs the steps, one after the other; the lines of the answer, with an empty one between steps.
 * `between` is awaited before each.
 */
export async function transcript(
  client: RawClient,
  steps: readonly Step[],
  between: () => Promise<void> = async () => undefined,
): Promise<string> {
  const lines: string[] = [];
  for (const { send, until, count } of steps) {
    await between();
    client.send(...send);
    const messages = await client.until(until, count);
    lines.push(...messages.map(lineOf), '');
  }
  // Whatever is left over of the answers would now stand in front of this one.
  if (steps.at(-1)?.until === 'Z') lines.push(...(await client.query(END)).map(lineOf));
  return lines.join('\n');
}

const END = "SELECT 'the end'";

/** Where in the server's sources an error was raised says nothing about behaviour. */
const SOURCE_FIELDS = new Set(['F', 'L', 'R']);

/** One message as text. Oids of tables, which differ from server to server, are left out. */
export function lineOf(message: RawMessage): string {
  const { type, body } = message;
  if (type === 'E' || type === 'N') {
    const fields = [...fieldsOf(message)].filter(([code]) => !SOURCE_FIELDS.has(code));
    return `${type} ${fields
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([code, text]) => `${code}=${text}`)
      .join(' | ')}`;
  }
  if (type === 'T') {
    const fields = decodeRowDescription(new BodyReader(body, 0, body.length));
    const texts = fields.map(
      ({ name, tableOid, typeOid, typeSize, typeModifier, format, columnNumber }) =>
        [
          name,
          tableOid === 0 ? 0 : 'table',
          columnNumber,
          typeOid,
          typeSize,
          typeModifier,
          format,
        ].join(' '),
    );
    return `T ${texts.join(', ')}`;
  }
  return body.length === 0 ? type : `${type} ${JSON.stringify(body.toString('latin1'))}`;
}
