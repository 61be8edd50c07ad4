// Scalar routines: functions of users and extensions that any server computes by itself, of their arguments alone.

import { withCallers, withoutComments, wordsOf } from './calling-routines.ts';

/** What all functions of a name are. */
export interface ScalarRoutine {
  /** Their values may be compared by a collation. */
  readonly mayBeText: boolean;
}

/** By their names. */
export type ScalarRoutines = ReadonlyMap<string, ScalarRoutine>;

interface Routine {
  readonly name: string;
  readonly body: string;
}

/**
 * Of `immutable`, which PostgreSQL takes at their word, those that keep to it: by its body none reads rows, or calls
 * a routine of users that may. `routines` are all that have a body to read.
 */
export function scalarRoutines(
  immutable: Readonly<Record<string, ScalarRoutine>>,
  routines: readonly Routine[],
): ScalarRoutines {
  const others = new Set(
    routines
      .filter(({ name }) => !Object.hasOwn(immutable, name))
      .map((each) => lowered(each.name)),
  );
  const breaking = withCallers(routines, (body) => {
    const text = withoutComments(body);
    return READS.test(text) || wordsOf(text).some((word) => others.has(word));
  });
  return new Map(Object.entries(immutable).filter(([name]) => !breaking.has(lowered(name))));
}

const lowered = (name: string) => name.toLowerCase();

/** What rows are read or written by, and queries that are only known when they run. */
const READS = /\b(?:from|table|join|into|update|execute|call|perform|using)\b/i;
