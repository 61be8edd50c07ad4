// Routine state: which of the users' routines may leave something of the session's own on their server.

import { withCallers, withoutComments } from './calling-routines.ts';

export interface UsedRoutine {
  readonly name: string;
  readonly body: string;
  /** What runs it unseen: a trigger, or anything else (an operator, a default, a policy, a view). */
  readonly usedBy?: 'trigger' | 'other' | null;
}

/** What stays behind, beside settings. */
export type LeftState =
  | 'temporary table'
  | 'advisory lock'
  | 'listen'
  | 'cursor with hold'
  | 'session state';

const SIGNS: readonly (readonly [LeftState, RegExp])[] = [
  [
    'temporary table',
    /\b(?:create|into)\s+(?:(?:or\s+replace|local|global)\s+)*temp(?:orary)?\b|\bpg_temp\b/,
  ],
  ['advisory lock', /\bpg_(?:try_)?advisory_lock(?:_shared)?\b/],
  ['listen', /\blisten\b/],
  ['cursor with hold', /\bwith\s+hold\b/],
  ['session state', /\bsetseed\b/],
];

/** It may send notifications. */
export const notifies = ({ body }: UsedRoutine): boolean =>
  /\b(?:pg_)?notify\b/i.test(withoutComments(body));

/** What functions of PostgreSQL's own extensions do, whose bodies nobody reads, as a body that does such. */
const IN_C: ReadonlyMap<string, string> = new Map([
  ['set_limit', 'SET pg_trgm.similarity_threshold'],
  ['dblink_connect', 'setseed'],
  ['dblink_connect_u', 'setseed'],
]);

/** Of functions in C, by name, those that leave something. */
export const routinesInC = (names: readonly string[]): readonly UsedRoutine[] =>
  names.flatMap((name) => {
    const body = IN_C.get(name);
    return body === undefined ? [] : [{ name, body }];
  });

/** How a statement may come to run some of the routines. */
export interface RunBy {
  /** In lower case: a statement that names one may call it. */
  readonly names: ReadonlySet<string>;
  /** One of them is run by triggers: any write may do so. */
  readonly byTriggers: boolean;
  /** One of them is run by what no statement names. */
  readonly unseen: boolean;
}

/** By what they may leave; without what none of them leaves. */
export type StateRoutines = ReadonlyMap<LeftState, RunBy>;

/** What the text of a routine or DO block may leave. */
export function leftBy(body: string): readonly LeftState[] {
  const text = withoutComments(body).toLowerCase();
  return SIGNS.flatMap(([state, sign]) => (sign.test(text) ? [state] : []));
}

/**
 * Routines that tell an id which was made before they are called, on a connection that another session may have now: they
 * ask for the last one and make none themselves. In lower case.
 */
export function rememberingRoutines(routines: readonly UsedRoutine[]): ReadonlySet<string> {
  return new Set(
    routines.flatMap(({ name, body }) => (asksLastId(body) ? [name.toLowerCase()] : [])),
  );
}

/** The same of the text of one. */
export function asksLastId(body: string): boolean {
  const text = withoutComments(body).toLowerCase();
  return /\b(?:currval|lastval)\b/.test(text) && !/\b(?:nextval|insert|merge|copy)\b/.test(text);
}

/** By their bodies: those that may leave it, and those that name another such routine. */
export function stateRoutines(routines: readonly UsedRoutine[]): StateRoutines {
  const left = new Map(routines.map(({ body }) => [body, leftBy(body)]));
  const found = SIGNS.map(([state]) => {
    const names = withCallers(routines, (body) => left.get(body)!.includes(state));
    return [state, runBy(names, routines)] as const;
  });
  return new Map(found.filter(([, { names }]) => names.size > 0));
}

/** `names`: of some of the routines. */
export function runBy(names: ReadonlySet<string>, routines: readonly UsedRoutine[]): RunBy {
  const users = routines.filter(({ name }) => names.has(name.toLowerCase()));
  return {
    names,
    byTriggers: users.some(({ usedBy }) => usedBy === 'trigger'),
    unseen: users.some(({ usedBy }) => usedBy === 'other'),
  };
}
