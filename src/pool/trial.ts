// Trials: statements sent in another form than the client's, until the server has taken them.

import { SQLSTATE } from '../base/sqlstate.ts';
import type { ErrorFields } from '../wire/error-response.ts';
import type { FrameReader } from '../wire/frame.ts';
import { BACKEND } from '../wire/message-type.ts';
import { rejects, type ServerRequest, type Step } from './request.ts';
import { completesStep, errorFieldsIn } from './server-message.ts';

/**
 * Looks at the next message for a request on trial, or at what describes parameters. The trial ends with
 * the first reply that is forwarded; what comes before it may reject the request, whose whole answer is
 * then dropped. True: the message is kept back until then, or for good where the proxy has asked for it.
 */
export function judge(request: ServerRequest, reader: FrameReader): boolean {
  const { type } = reader;
  if (type === BACKEND.parameterDescription) return isKeptBack(request, reader);
  if (request.trial === 'none') return false;
  if (type === BACKEND.noticeResponse) {
    request.noticed = true;
    request.rejected = request.trial === 'again';
  } else if (type === BACKEND.errorResponse && request.trial !== 'noted') {
    const error = errorFieldsIn(reader);
    request.rejected = !endsStatement(error);
    request.rejectedBy = error.code;
    request.failed = request.rejected;
    request.trial = 'none';
  } else if (completesStep(type) && request.steps![request.nextStep]?.do !== 'swallow') {
    request.trial = 'none';
  }
  return false;
}

/** A server describes the parameters before it finds that it cannot describe the rows. */
function isKeptBack(request: ServerRequest, { buffer, start, end }: FrameReader): boolean {
  const steps = request.steps ?? [];
  const at = steps.findIndex((step, i) => i >= request.nextStep && step.do !== 'answer');
  if (steps[at]?.do === 'swallow') return true;
  if (!rejects(request.trial)) return false;
  const bytes = Buffer.from(buffer.subarray(start, end));
  const kept: Step = { do: 'answer', bytes, done: null };
  request.steps = [...steps.slice(0, at), kept, ...steps.slice(at)];
  return true;
}

/** Errors that no other form of the statement would mend. */
function endsStatement({ severity, code }: ErrorFields): boolean {
  return severity === 'FATAL' || severity === 'PANIC' || code === SQLSTATE.queryCanceled;
}

/** What completes a step of a rejected request counts on the server, and is passed on to nobody. */
export function skipStep(request: ServerRequest, reader: FrameReader): void {
  const steps = request.steps!;
  while (steps[request.nextStep]?.do === 'answer') request.nextStep += 1;
  steps[request.nextStep]?.done?.(reader);
  request.nextStep += 1;
}
