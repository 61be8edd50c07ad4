// Trigger writes: which tables the functions of triggers write, as far as their text tells.

/** A function by its name, without its schema. */
export interface WritingRoutine {
  readonly name: string;
  readonly body: string;
}

/** What a statement that writes begins with, and the table that it names; also within strings, for EXECUTE. */
const WRITES =
  /\b(?:insert\s+into|update|delete\s+from|merge\s+into)\s+(?:only\s+)?(?:(?:"[^"]+"|[\w$\u0080-\uffff]+)\s*\.\s*)?("[^"]+"|[\w$\u0080-\uffff]+)/gi;
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/g;

/** The names of tables, in lower case, that a routine writes by itself or by others whose names are in its body. */
export function tablesWritten(
  routines: readonly WritingRoutine[],
): ReadonlyMap<string, ReadonlySet<string>> {
  const written = new Map<string, Set<string>>();
  const named = new Map<string, Set<string>>();
  const nameOf = ({ name }: WritingRoutine) => name.toLowerCase();
  const names = new Set(routines.map(nameOf));
  for (const routine of routines) {
    const tables = written.get(nameOf(routine)) ?? new Set();
    const calls = named.get(nameOf(routine)) ?? new Set();
    for (const [, table] of routine.body.matchAll(WRITES)) {
      tables.add(table!.replaceAll('"', '').toLowerCase());
    }
    for (const word of routine.body.toLowerCase().match(WORD) ?? []) {
      if (names.has(word)) calls.add(word);
    }
    written.set(nameOf(routine), tables);
    named.set(nameOf(routine), calls);
  }
  for (let isMore = true; isMore; ) {
    isMore = false;
    for (const [name, calls] of named) {
      const own = written.get(name)!;
      const before = own.size;
      for (const call of calls) for (const table of written.get(call)!) own.add(table);
      isMore ||= own.size > before;
    }
  }
  return written;
}
