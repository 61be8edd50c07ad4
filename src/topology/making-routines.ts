// Making routines: which of the users' routines may make or change tables.

import { withCallers, withoutComments } from './calling-routines.ts';

const MAKES = /\b(?:create\s+(?:(?:unlogged|foreign)\s+)?|alter\s+(?:foreign\s+)?)table\b/i;

/** A text that makes a table other than a temporary one, or changes one. */
export const makesTable = (text: string): boolean => MAKES.test(withoutComments(text));

/** Of those whose bodies do so, and of their callers; in lower case. */
export const makingRoutines = (
  routines: readonly { readonly name: string; readonly body: string }[],
): ReadonlySet<string> => withCallers(routines, makesTable);
