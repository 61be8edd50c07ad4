// NotificationResponse: what a server that LISTENs is told. Source: PROTOCOL-MESSAGE-FORMATS.

import { BodyReader } from './bytes.ts';

/** The type and the length stand before the body. */
const HEADER_BYTES = 5;

export interface Notification {
  readonly processId: number;
  readonly channel: string;
  readonly payload: string;
}

/** `bytes`: one whole message. Throws 08P01. */
export function decodeNotification(bytes: Buffer): Notification {
  const body = new BodyReader(bytes, HEADER_BYTES, bytes.length);
  return { processId: body.int32(), channel: body.string(), payload: body.string() };
}
