// COPY: the messages of the sub-protocol that a proxy makes or must understand itself.

import { type BodyReader, MessageWriter } from './bytes.ts';
import { FRONTEND } from './message-type.ts';

/** `reason` appears in the server's error: COPY from stdin failed: <reason>. */
export function encodeCopyFail(reason: string): Buffer {
  return new MessageWriter(FRONTEND.copyFail).string(reason).finish();
}

export function decodeCopyFail(body: BodyReader): string {
  const reason = body.string();
  body.finish();
  return reason;
}
