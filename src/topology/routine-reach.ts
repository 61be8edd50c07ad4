// Routine reach: which tables the users' routines name and write, by others that they call and triggers that they fire.

import { andCallers, wordsOf } from './calling-routines.ts';
import { cutBody, runsText, tablesWritten, writesUnnamed } from './routine-code.ts';

interface RoutineText {
  readonly name: string;
  readonly body: string;
  /** pg_language.lanname. */
  readonly language: string;
}

/** All names are in lower case and without schemas: routines of one name count as one. */
interface RoutineNames {
  /** What its code names. */
  readonly words: ReadonlySet<string>;
  readonly writes: ReadonlySet<string>;
}

export interface RoutineReach {
  /** What the code of any routine names. */
  readonly words: ReadonlySet<string>;
  /** Those that are so, and those that run one of these. */
  reaching(isSo: (routine: RoutineNames) => boolean): ReadonlySet<string>;
  /** Those that may run a text that they are given, or put together. */
  readonly runningText: ReadonlySet<string>;
}

/**
 * Reads bodies by their text. What is in strings counts where a routine, or one that it calls, may run it.
 * `foreign`: functions in C that may run what they are given. `firedBy`: the functions of triggers that writing a
 * table may fire, by its name.
 */
export function routineReach(
  routines: readonly RoutineText[],
  foreign: readonly string[],
  firedBy: ReadonlyMap<string, readonly string[]>,
): RoutineReach {
  const bodies = routines.map(({ name, body, language }) => {
    const cut = language === 'plpgsql' || language === 'sql' ? cutBody(body) : null;
    const { code, whole, strings } = cut ?? { code: body, whole: body, strings: body };
    const runs = cut === null || runsText(cut);
    return { name: name.toLowerCase(), words: new Set(wordsOf(code)), code, whole, strings, runs };
  });
  const namesOf = <T extends { readonly name: string }>(
    all: readonly T[],
    isSo: (each: T) => boolean,
  ) => all.filter(isSo).map(({ name }) => name);
  const running = namesOf(bodies, ({ runs }) => runs);
  const inC = foreign.map((name) => name.toLowerCase());
  const runningText = andCallers([...running, ...inC], bodies);
  const texts = bodies.map(({ name, code, whole, strings }) => {
    return { name, text: runningText.has(name) ? whole : code, strings };
  });
  const callers = texts.map(({ name, text }) => ({ name, words: new Set(wordsOf(text)) }));
  const writingUnnamed = andCallers(
    namesOf(texts, ({ text }) => writesUnnamed(text)),
    callers,
  );
  const read = texts.map(({ name, text, strings }, i) => {
    const given = writingUnnamed.has(name) ? wordsOf(strings) : [];
    return { ...callers[i]!, writes: new Set([...tablesWritten(text), ...given]) };
  });
  const firing = read.map(({ name, words, writes }) => ({
    name,
    words: new Set([...words, ...[...writes].flatMap((table) => firedBy.get(table) ?? [])]),
  }));
  return {
    words: new Set(read.flatMap(({ words }) => [...words])),
    reaching: (isSo) => andCallers(namesOf(read, isSo), firing),
    runningText,
  };
}
