// A client of COPY that sends what it likes, by hand, and says what came back.

import { encodeBind, encodeExecute, encodeParse, SYNC } from '../../src/wire/extended.ts';
import { encodeQuery } from '../../src/wire/query.ts';
import {
  fieldsOf,
  type RawClient,
  type RawMessage,
  rawMessage,
  tagsOf,
} from '../support/raw-client.ts';

export interface CopyOutcome {
  readonly tag: string | null;
  /** SQLSTATE, message, hint and CONTEXT of the error. */
  readonly error: readonly (string | undefined)[] | null;
  /** In no order: servers do not wait for each other. */
  readonly notices: readonly string[];
  /** What the server said about the data's format: CopyInResponse or CopyOutResponse. */
  readonly response: string | null;
}

function outcomeOf(messages: readonly RawMessage[]): CopyOutcome {
  const error = messages.find(({ type }) => type === 'E');
  const fields = error === undefined ? null : fieldsOf(error);
  return {
    tag: tagsOf(messages).at(-1) ?? null,
    error: fields === null ? null : ['C', 'M', 'H', 'W'].map((code) => fields.get(code)),
    notices: messages
      .filter(({ type }) => type === 'N')
      .map((message) => fieldsOf(message).get('M')!)
      .sort(),
    response:
      messages.find(({ type }) => type === 'G' || type === 'H')?.body.toString('hex') ?? null,
  };
}

export type Way = 'simple' | 'extended';

function start(sql: string, way: Way): Buffer {
  if (way === 'simple') return encodeQuery(sql);
  const bind = {
    portal: '',
    statement: '',
    parameterFormats: [],
    parameters: [],
    resultFormats: [],
  };
  const parse = encodeParse({ name: '', sql, parameterTypes: [] });
  return Buffer.concat([parse, encodeBind(bind), encodeExecute({ portal: '', maxRows: 0 }), SYNC]);
}

/** Everything up to the message with one of these letters. */
async function upTo(client: RawClient, letters: string): Promise<RawMessage[]> {
  const messages: RawMessage[] = [];
  for (;;) {
    const message = await client.next();
    messages.push(message);
    if (letters.includes(message.type)) return messages;
  }
}

/** COPY FROM STDIN with these chunks as CopyData, and CopyDone or, with `fail`, CopyFail. */
export async function copyIn(
  client: RawClient,
  sql: string,
  chunks: readonly Buffer[],
  { way = 'simple', fail }: { readonly way?: Way; readonly fail?: string } = {},
): Promise<CopyOutcome> {
  client.send(start(sql, way));
  const begun = await upTo(client, 'GZ');
  if (begun.at(-1)!.type === 'Z') return outcomeOf(begun);
  for (const chunk of chunks) client.send(rawMessage('d', chunk));
  client.send(fail === undefined ? rawMessage('c') : rawMessage('f', Buffer.from(`${fail}\0`)));
  if (way === 'extended') client.send(SYNC);
  return outcomeOf([...begun, ...(await client.untilReady())]);
}

/** The data of COPY TO STDOUT, and how it went. */
export async function copyOut(
  client: RawClient,
  sql: string,
  way: Way = 'simple',
): Promise<CopyOutcome & { readonly data: Buffer }> {
  client.send(start(sql, way));
  const messages = await client.untilReady();
  const data = messages.filter(({ type }) => type === 'd').map(({ body }) => body);
  return { ...outcomeOf(messages), data: Buffer.concat(data) };
}
