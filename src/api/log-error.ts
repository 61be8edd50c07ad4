// What of an error goes to the log: never what drivers hang on it, such as connections with keys.

/** Type, message, SQLSTATE or errno, and stack; nothing else of what an error may carry. */
export interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
}

/** pino's own serializer copies every property: pg's errors bring their client, cancel key and all. */
export function logError(error: unknown): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  const stack = error.stack === undefined ? {} : { stack: error.stack };
  return { type: error.name, message: error.message, ...code, ...stack };
}
