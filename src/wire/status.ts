// Status: ParameterStatus, BackendKeyData and ReadyForQuery.

import { protocolViolation } from '../base/errors.ts';
import { type BodyReader, MessageWriter } from './bytes.ts';
import { BACKEND } from './message-type.ts';

export interface ParameterStatus {
  readonly name: string;
  readonly value: string;
}

export function encodeParameterStatus(name: string, value: string): Buffer {
  return new MessageWriter(BACKEND.parameterStatus).string(name).string(value).finish();
}

export function decodeParameterStatus(body: BodyReader): ParameterStatus {
  const name = body.string();
  const value = body.string();
  body.finish();
  return { name, value };
}

export interface BackendKey {
  readonly processId: number;
  /** 4 bytes in protocol 3.0, 4 to 256 in 3.2; a view on the message. */
  readonly secret: Buffer;
}

const SECRET_BYTES_MAX = 256;

export function encodeBackendKeyData(key: BackendKey): Buffer {
  const writer = new MessageWriter(BACKEND.backendKeyData);
  return writer.int32(key.processId).bytes(key.secret).finish();
}

/** Also what a CancelRequest carries after its code. Throws 08P01 for a secret of a bad length. */
export function decodeBackendKeyData(body: BodyReader): BackendKey {
  const processId = body.int32();
  if (body.remaining < 4 || body.remaining > SECRET_BYTES_MAX) {
    throw protocolViolation('invalid length of cancel key');
  }
  return { processId, secret: body.rest() };
}

/** Transaction status: I idle, T in a transaction, E in a failed one. */
/** Status byte of ReadyForQuery. */
export const STATUS = { idle: 0x49, inBlock: 0x54, failed: 0x45 } as const;

const ready = (status: string): Buffer =>
  new MessageWriter(BACKEND.readyForQuery).byte(status.charCodeAt(0)).finish();

export const READY_IDLE = ready('I');
export const READY_IN_TRANSACTION = ready('T');
export const READY_FAILED = ready('E');
