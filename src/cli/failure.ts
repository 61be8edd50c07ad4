// What a command prints when it cannot do its work.

import { SqlError } from '../base/errors.ts';
import { ConfigError } from '../control/config.ts';
import { LocalError } from '../local/local-error.ts';

/** One line for what a person can mend; the stack for what only a programmer can. */
export function describeFailure(error: unknown): string {
  if (error instanceof LocalError || error instanceof ConfigError) return error.message;
  if (error instanceof SqlError) {
    return [error.message, error.detail, error.hint].filter(Boolean).join('. ');
  }
  if (!(error instanceof Error)) return String(error);
  // Errors of the operating system (a port, a file) say enough in one line.
  if ('syscall' in error) return error.message;
  return error.stack ?? error.message;
}
