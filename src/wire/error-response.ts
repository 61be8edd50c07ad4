// ErrorResponse and NoticeResponse: the fields of PostgreSQL's messages.

import { protocolViolation, SqlError } from '../base/errors.ts';
import { type BodyReader, MessageWriter } from './bytes.ts';
import { BACKEND } from './message-type.ts';

/** Field codes that the proxy reads by name. Source: PROTOCOL-ERROR-FIELDS. */
export const FIELD = {
  severity: 'S',
  severityNonLocalized: 'V',
  code: 'C',
  message: 'M',
  detail: 'D',
  hint: 'H',
  position: 'P',
  context: 'W',
  table: 't',
  constraint: 'n',
  routine: 'R',
} as const;

/** A server's message as it is: `all` has every field by its code letter, in the order sent. */
export interface ErrorFields {
  readonly severity: string;
  readonly code: string;
  readonly message: string;
  readonly all: ReadonlyMap<string, string>;
}

/** An ErrorResponse made of our own error, or of a server's with all its fields. */
export function encodeErrorResponse(error: SqlError | ErrorFields): Buffer {
  const fields = error instanceof SqlError ? fieldsOf(error) : error.all;
  return encodeFields(BACKEND.errorResponse, fields);
}

/** The error of a statement in terms of a text in which `before` stands before the statement. */
export function movedBehind(error: ErrorFields, before: string): ErrorFields {
  const position = error.all.get(FIELD.position);
  if (before === '' || position === undefined) return error;
  const moved = String(Number(position) + charactersOf(before));
  return { ...error, all: new Map(error.all).set(FIELD.position, moved) };
}

/** The same error with another message. */
export function withMessage(error: ErrorFields, message: string): ErrorFields {
  return { ...error, message, all: new Map(error.all).set(FIELD.message, message) };
}

/** As PostgreSQL counts them. */
export function charactersOf(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** A server's notice with all its fields. */
export function encodeNoticeFields(notice: ErrorFields): Buffer {
  return encodeFields(BACKEND.noticeResponse, notice.all);
}

/** An error of ours in the form of a server's; `context`: its CONTEXT, if it has one. */
export function errorFields(error: SqlError, context: string | null): ErrorFields {
  const { severity, code, message } = error;
  const all = new Map(fieldsOf(error));
  if (context !== null) all.set(FIELD.context, context);
  return { severity, code, message, all };
}

/** A NoticeResponse of severity WARNING, NOTICE, INFO … */
export function encodeNotice(severity: string, code: string, message: string): Buffer {
  const fields = new Map<string, string>([
    [FIELD.severity, severity],
    [FIELD.severityNonLocalized, severity],
    [FIELD.code, code],
    [FIELD.message, message],
  ]);
  return encodeFields(BACKEND.noticeResponse, fields);
}

/** Reads an ErrorResponse or NoticeResponse. Throws 08P01. */
export function decodeErrorFields(body: BodyReader): ErrorFields {
  const all = new Map<string, string>();
  for (;;) {
    const code = body.byte();
    if (code === 0) break;
    all.set(String.fromCharCode(code), body.string());
  }
  body.finish();
  const sqlState = all.get(FIELD.code);
  const message = all.get(FIELD.message);
  if (sqlState === undefined || message === undefined) {
    throw protocolViolation('an error message of the server has no code or text');
  }
  const severity = all.get(FIELD.severityNonLocalized) ?? all.get(FIELD.severity) ?? 'ERROR';
  return { severity, code: sqlState, message, all };
}

function fieldsOf(error: SqlError): ReadonlyMap<string, string> {
  const fields = new Map<string, string>([
    [FIELD.severity, error.severity],
    [FIELD.severityNonLocalized, error.severity],
    [FIELD.code, error.code],
    [FIELD.message, error.message],
  ]);
  if (error.detail !== undefined) fields.set(FIELD.detail, error.detail);
  if (error.hint !== undefined) fields.set(FIELD.hint, error.hint);
  if (error.position !== undefined) fields.set(FIELD.position, String(error.position));
  if (error.routine !== undefined) fields.set(FIELD.routine, error.routine);
  return fields;
}

function encodeFields(type: number, fields: ReadonlyMap<string, string>): Buffer {
  const writer = new MessageWriter(type);
  for (const [code, text] of fields) {
    // A zero byte would end the field early; text of ours may quote what a client has sent.
    writer.byte(code.charCodeAt(0)).string(text.replaceAll('\0', '\\0'));
  }
  return writer.byte(0).finish();
}
