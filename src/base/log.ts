// The project's one door to pino: structured logs with secrets redacted.

import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** Paths whose values never reach a log line, whatever object is logged. */
const SECRETS = ['password', '*.password', '*.*.password', 'headers.authorization', '*.key'];

/** A logger writing JSON lines to standard error (human-readable when `pretty`). */
export function createLog(level: LogLevel, pretty = false): Logger {
  const redact = { paths: SECRETS, censor: '[secret]' };
  if (pretty) {
    const target = { target: 'pino-pretty', options: { destination: 2, ignore: 'pid,hostname' } };
    return pino({ level, redact, transport: target });
  }
  return pino({ level, redact }, pino.destination(2));
}
