// Time routines: which of the users' routines tell the time of their transaction, each server its own.

import { withCallers, withoutComments } from './calling-routines.ts';

export interface TimeRoutine {
  readonly name: string;
  readonly body: string;
  readonly isVolatile?: boolean;
}

/** By their names in lower case. */
export interface TimeRoutines {
  readonly telling: ReadonlySet<string>;
  /** All of a name are STABLE or IMMUTABLE, so that servers keep them from writing. */
  readonly steady: ReadonlySet<string>;
}

/** By their bodies: those that name the time, and those that name another such routine. */
export function timeRoutines(routines: readonly TimeRoutine[]): TimeRoutines {
  const nameOf = ({ name }: TimeRoutine) => name.toLowerCase();
  const isVolatile = new Set(routines.filter((each) => each.isVolatile !== false).map(nameOf));
  return {
    telling: withCallers(routines, (body) => TIME.test(withoutComments(body))),
    steady: new Set(routines.map(nameOf).filter((name) => !isVolatile.has(name))),
  };
}

/** age() of one argument counts from today; a string is a time only where it begins with the word. */
const TIME = new RegExp(
  [
    String.raw`\b(?:now|transaction_timestamp|statement_timestamp)"?\s*\(`,
    String.raw`\b(?:current_(?:timestamp|date|time)|localtime(?:stamp)?)\b`,
    String.raw`'\s*(?:now|today|tomorrow|yesterday)\b`,
    String.raw`\bage\s*\([^,()]*\)`,
  ].join('|'),
  'i',
);
