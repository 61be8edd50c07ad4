// Turns whatever a request ended in into a status and FastAPI's `{"detail": …}`.

import { ApiFailure, type InputFault } from './failure.ts';
import type { FastifyError, FastifyReply, FastifyRequest } from './fastify.ts';
import { logError } from './log-error.ts';

const DETAILS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Request Entity Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  503: 'Service Unavailable',
};

/** Fastify's own refusals carry a status below 500 and never a cause; all else is our fault. */
function ofUnknown(error: FastifyError): ApiFailure {
  const status = error.statusCode ?? 500;
  const detail = DETAILS[status];
  if (detail !== undefined && error.code?.startsWith('FST_')) {
    return new ApiFailure(status, detail, { cause: error });
  }
  return new ApiFailure(500, 'Internal Server Error', { cause: error });
}

/** Fastify's error handler: answers, and logs what a status of 500 and above was caused by. */
export function replyWithError(
  error: FastifyError | ApiFailure,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const failure = error instanceof ApiFailure ? error : ofUnknown(error);
  if (failure.status >= 500) {
    const error = logError(failure.cause ?? failure);
    request.log.error({ error, status: failure.status }, 'request failed');
  }
  void reply.code(failure.status).headers(failure.headers).send({ detail: failure.detail });
}

/** 422 as FastAPI answers a body that is no JSON; the offset of the fault when V8 tells it. */
export function jsonRefused(error: unknown): ApiFailure {
  const message = error instanceof SyntaxError ? error.message : 'nested too deeply';
  const offset = /at position (\d+)/.exec(message)?.[1];
  const fault: InputFault = {
    loc: ['body', Number(offset ?? 0)],
    msg: `JSON decode error: ${message}`,
    type: 'json_invalid',
  };
  return new ApiFailure(422, [fault], { cause: error });
}
