// Answers what is not HTTP at all, before there is a request: garbage, endless headers, silence.

import type { Socket } from 'node:net';

const ANSWERS: Readonly<Record<string, readonly [status: number, reason: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
};

/** Node's `clientError`: writes FastAPI's `{"detail": …}` and ends the connection. */
export function answerClientError(error: Error & { readonly code?: string }, socket: Socket): void {
  // A client that has gone, or that is in the middle of an answer, cannot be told anything.
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const [status, reason] = ANSWERS[error.code ?? ''] ?? [400, 'Bad Request'];
  const body = JSON.stringify({ detail: reason });
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  );
}
