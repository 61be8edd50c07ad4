// A log that keeps what must not happen: lines of level error and above.

import { pino } from 'pino';
import type { Logger } from '../../src/base/log.ts';

export interface HeardLog {
  readonly log: Logger;
  /** Lines so far, as the JSON that was logged. */
  readonly errors: readonly string[];
}

/** Debug lines are made, too, so that making them is tested; they are thrown away. */
export function heardLog(): HeardLog {
  const errors: string[] = [];
  const levelOf = /^{"level":(\d+)/;
  const write = (line: string): void => {
    if (Number(levelOf.exec(line)?.[1] ?? 60) >= 50) errors.push(line.trimEnd());
  };
  return { log: pino({ level: 'debug' }, { write }), errors };
}
