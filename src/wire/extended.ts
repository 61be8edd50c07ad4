// Extended query: Parse, Bind, Describe, Execute, Close and the answers to them.
// Source: PROTOCOL-FLOW-EXT-QUERY.

import { protocolViolation } from '../base/errors.ts';
import { type BodyReader, MessageWriter } from './bytes.ts';
import { BACKEND, FRONTEND } from './message-type.ts';

export const PARSE_COMPLETE = new MessageWriter(BACKEND.parseComplete).finish();
export const BIND_COMPLETE = new MessageWriter(BACKEND.bindComplete).finish();
export const CLOSE_COMPLETE = new MessageWriter(BACKEND.closeComplete).finish();
export const NO_DATA = new MessageWriter(BACKEND.noData).finish();
export const PORTAL_SUSPENDED = new MessageWriter(BACKEND.portalSuspended).finish();
export const SYNC = new MessageWriter(FRONTEND.sync).finish();
export const FLUSH = new MessageWriter(FRONTEND.flush).finish();

export interface ParseMessage {
  /** '' is the unnamed statement. */
  readonly name: string;
  readonly sql: string;
  /** Type oids; 0 leaves a type to the server. */
  readonly parameterTypes: readonly number[];
}

export function encodeParse(parse: ParseMessage): Buffer {
  const writer = new MessageWriter(FRONTEND.parse).string(parse.name).string(parse.sql);
  writer.uint16(parse.parameterTypes.length);
  for (const type of parse.parameterTypes) writer.uint32(type);
  return writer.finish();
}

export function decodeParse(body: BodyReader): ParseMessage {
  const name = body.string();
  const sql = body.string();
  const parameterTypes: number[] = [];
  for (let left = body.uint16(); left > 0; left--) parameterTypes.push(body.uint32());
  body.finish();
  return { name, sql, parameterTypes };
}

export interface BindMessage {
  /** '' is the unnamed portal. */
  readonly portal: string;
  readonly statement: string;
  /** 0, 1 or as many format codes as parameters. */
  readonly parameterFormats: readonly number[];
  /** Views on the message; null is NULL. */
  readonly parameters: readonly (Buffer | null)[];
  /** 0, 1 or as many format codes as result columns. */
  readonly resultFormats: readonly number[];
}

export function encodeBind(bind: BindMessage): Buffer {
  const writer = new MessageWriter(FRONTEND.bind).string(bind.portal).string(bind.statement);
  writeFormats(writer, bind.parameterFormats);
  writer.uint16(bind.parameters.length);
  for (const parameter of bind.parameters) writer.value(parameter);
  writeFormats(writer, bind.resultFormats);
  return writer.finish();
}

export function decodeBind(body: BodyReader): BindMessage {
  const portal = body.string();
  const statement = body.string();
  const parameterFormats = readFormats(body);
  const parameters: (Buffer | null)[] = [];
  for (let left = body.uint16(); left > 0; left--) parameters.push(body.value());
  if (parameterFormats.length > 1 && parameterFormats.length !== parameters.length) {
    throw protocolViolation(
      `bind message has ${parameterFormats.length} parameter formats but ` +
        `${parameters.length} parameters`,
    );
  }
  const resultFormats = readFormats(body);
  body.finish();
  return { portal, statement, parameterFormats, parameters, resultFormats };
}

/** The bytes of `bind` with another statement's name. Source: PROTOCOL-MESSAGE-FORMATS. */
export function renameBind(bytes: Buffer, bind: BindMessage, statement: string): Buffer {
  const nameAt = 5 + Buffer.byteLength(bind.portal) + 1;
  const rest = bytes.subarray(nameAt + Buffer.byteLength(bind.statement));
  const nameBytes = Buffer.byteLength(statement);
  const renamed = Buffer.allocUnsafe(nameAt + nameBytes + rest.length);
  bytes.copy(renamed, 0, 0, nameAt);
  renamed.writeInt32BE(renamed.length - 1, 1);
  renamed.write(statement, nameAt);
  rest.copy(renamed, nameAt + nameBytes);
  return renamed;
}

function writeFormats(writer: MessageWriter, formats: readonly number[]): void {
  writer.uint16(formats.length);
  for (const format of formats) writer.int16(format);
}

function readFormats(body: BodyReader): number[] {
  const formats: number[] = [];
  for (let left = body.uint16(); left > 0; left--) {
    const format = body.int16();
    if (format !== 0 && format !== 1) throw protocolViolation(`unsupported format code: ${format}`);
    formats.push(format);
  }
  return formats;
}

/** Describe and Close: what they name. */
export interface Named {
  readonly target: 'statement' | 'portal';
  readonly name: string;
}

export type DescribeMessage = Named;
export type CloseMessage = Named;

const TARGET_CODES = { statement: 0x53, portal: 0x50 } as const;

export const encodeDescribe = (named: DescribeMessage): Buffer =>
  encodeNamed(FRONTEND.describe, named);

export const decodeDescribe = (body: BodyReader): DescribeMessage => decodeNamed(body, 'DESCRIBE');

export const encodeClose = (named: CloseMessage): Buffer => encodeNamed(FRONTEND.close, named);

export const decodeClose = (body: BodyReader): CloseMessage => decodeNamed(body, 'CLOSE');

function encodeNamed(type: number, { target, name }: Named): Buffer {
  return new MessageWriter(type).byte(TARGET_CODES[target]).string(name).finish();
}

function decodeNamed(body: BodyReader, what: string): Named {
  const code = body.byte();
  if (code !== TARGET_CODES.statement && code !== TARGET_CODES.portal) {
    throw protocolViolation(`invalid ${what} message subtype ${code}`);
  }
  const name = body.string();
  body.finish();
  return { target: code === TARGET_CODES.portal ? 'portal' : 'statement', name };
}

export interface ExecuteMessage {
  readonly portal: string;
  /** 0: all rows. */
  readonly maxRows: number;
}

export function encodeExecute({ portal, maxRows }: ExecuteMessage): Buffer {
  return new MessageWriter(FRONTEND.execute).string(portal).int32(maxRows).finish();
}

export function decodeExecute(body: BodyReader): ExecuteMessage {
  const portal = body.string();
  const maxRows = body.int32();
  body.finish();
  // PostgreSQL takes a negative limit as none.
  return { portal, maxRows: Math.max(maxRows, 0) };
}

/** `types`: the oid of each parameter. */
export function encodeParameterDescription(types: readonly number[]): Buffer {
  const writer = new MessageWriter(BACKEND.parameterDescription).uint16(types.length);
  for (const type of types) writer.uint32(type);
  return writer.finish();
}

export function decodeParameterDescription(body: BodyReader): number[] {
  const types: number[] = [];
  for (let left = body.uint16(); left > 0; left--) types.push(body.uint32());
  body.finish();
  return types;
}
