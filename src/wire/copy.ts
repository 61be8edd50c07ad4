// COPY: the messages of the sub-protocol that a proxy makes or must understand itself.

import { BodyReader, MessageWriter } from './bytes.ts';
import { BACKEND, FRONTEND } from './message-type.ts';

/** `reason` appears in the server's error: COPY from stdin failed: <reason>. */
export function encodeCopyFail(reason: string): Buffer {
  return new MessageWriter(FRONTEND.copyFail).string(reason).finish();
}

export function decodeCopyFail(body: BodyReader): string {
  const reason = body.string();
  body.finish();
  return reason;
}

export const COPY_DATA_HEADER_BYTES = 5;

/** Writes type and length of a CopyData message whose `length` bytes of data follow the header. */
export function writeCopyDataHeader(message: Buffer, length: number): void {
  message[0] = FRONTEND.copyData;
  message.writeInt32BE(length + 4, 1);
}

export const COPY_DONE = new MessageWriter(FRONTEND.copyDone).finish();

/** `body`: as a server sent it. */
export function encodeCopyInResponse(body: Buffer): Buffer {
  return new MessageWriter(BACKEND.copyInResponse).bytes(body).finish();
}

/** Overall format, then the columns' formats. */
export function decodeCopyResponse(body: BodyReader): { binary: boolean; columns: number } {
  const binary = body.byte() === 1;
  return { binary, columns: body.uint16() };
}

/** The body of CopyInResponse or CopyOutResponse without its first `count` columns. */
export function withoutColumns(body: Buffer, count: number): Buffer {
  if (count === 0) return body;
  const { columns } = decodeCopyResponse(new BodyReader(body, 0, body.length));
  const formats = body.subarray(RESPONSE_HEADER_BYTES + FORMAT_BYTES * count);
  const header = Buffer.from(body.subarray(0, RESPONSE_HEADER_BYTES));
  header.writeUInt16BE(columns - count, 1);
  return Buffer.concat([header, formats]);
}

const RESPONSE_HEADER_BYTES = 3;
const FORMAT_BYTES = 2;
