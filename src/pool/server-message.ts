// Server messages by what they mean to the replies a connection owes.

import { PIECEMEAL_BYTES_MIN } from '../base/limits.ts';
import { BodyReader } from '../wire/bytes.ts';
import { decodeErrorFields, type ErrorFields } from '../wire/error-response.ts';
import type { FrameReader } from '../wire/frame.ts';
import { BACKEND } from '../wire/message-type.ts';
import { decodeNotification, type Notification } from '../wire/notification.ts';
import { decodeRowDescription, type FieldDescription } from '../wire/row.ts';
import { decodeParameterStatus, type ParameterStatus, STATUS } from '../wire/status.ts';
import type { Reply, ServerRequest, Step } from './request.ts';

/** Types whose messages may be larger than anybody wants to hold in memory. */
export function mayComeInPieces(reader: FrameReader): boolean {
  const type = reader.pendingType();
  if (type !== BACKEND.dataRow && type !== BACKEND.copyData) return false;
  return reader.pendingBytes() >= PIECEMEAL_BYTES_MIN;
}

/** A notification may come amid the answer to a statement of the proxy's own, which it is no part of. */
export function isForOwner({ type }: FrameReader, { relayed }: ServerRequest): boolean {
  return !relayed && type === BACKEND.notificationResponse;
}

/** null: another message. `bytes`: the whole message. Throws 08P01. */
export function notificationIn(bytes: Buffer): Notification | null {
  return bytes[0] === BACKEND.notificationResponse ? decodeNotification(bytes) : null;
}

/** The fields of the ErrorResponse or NoticeResponse that stands in `reader`. */
export function errorFieldsIn({ buffer, bodyStart, end }: FrameReader): ErrorFields {
  return decodeErrorFields(new BodyReader(buffer, bodyStart, end));
}

/** The ParameterStatus that stands in `reader`. */
export function parameterStatusIn({ buffer, bodyStart, end }: FrameReader): ParameterStatus {
  return decodeParameterStatus(new BodyReader(buffer, bodyStart, end));
}

/** Replies that end the answer to one Parse, Bind, Close, Describe or Execute. */
export function completesStep(type: number): boolean {
  switch (type) {
    case BACKEND.parseComplete:
    case BACKEND.bindComplete:
    case BACKEND.closeComplete:
    case BACKEND.rowDescription:
    case BACKEND.noData:
    case BACKEND.commandComplete:
    case BACKEND.emptyQueryResponse:
    case BACKEND.portalSuspended:
      return true;
    default:
      return false;
  }
}

/** What tells whether a statement with RETURNING was done; a notice does not. */
export const endsReturning = (type: number): boolean =>
  type === BACKEND.dataRow || type === BACKEND.commandComplete || type === BACKEND.errorResponse;

/** Whether the message that completes a step is for the receiver. */
export const passesOn = (step: Step, type: number): boolean =>
  step.do === 'forward' || (step.do !== 'swallow' && type === BACKEND.rowDescription);

/** The columns in a RowDescription; null: another message. */
export function columnsIn(reply: Reply): readonly FieldDescription[] | null {
  const { type, buffer, bodyStart, end } = reply;
  if (type !== BACKEND.rowDescription) return null;
  return decodeRowDescription(new BodyReader(buffer, bodyStart, end));
}

/** Makes the ReadyForQuery that stands in `reader` tell of a failed transaction. */
export function tellFailed({ buffer, bodyStart }: FrameReader): void {
  buffer[bodyStart] = STATUS.failed;
}
