// SessionSettings: what one client has SET, kept outside of any server connection.

import { assignmentOf, NO_SETTINGS, type Settings, settingsOf } from '../pool/settings.ts';

/** RESET ALL leaves these alone. Source: the manual page of RESET. */
const NOT_RESET_BY_ALL = new Set(['role', 'session_authorization']);

/**
 * Startup parameters are the session's defaults: RESET returns to them. `current` is immutable, so
 * a transaction keeps the settings of its BEGIN by keeping the reference.
 */
export class SessionSettings {
  current: Settings;
  #defaults: ReadonlyMap<string, string>;
  #searchPathOf: Settings | null = null;
  #searchPath: readonly string[] | null = null;

  /** `startup`: name → value, as in a startup packet. */
  constructor(startup: ReadonlyMap<string, string>) {
    const defaults = new Map<string, string>();
    for (const [name, value] of startup) {
      defaults.set(name.toLowerCase(), assignmentOf(name, value));
    }
    this.#defaults = defaults;
    this.current = settingsOf(defaults);
  }

  /** `assignment` is the text behind SET [SESSION]. */
  set(name: string, assignment: string): void {
    this.current = settingsOf(new Map(this.current.assignments).set(name, assignment));
  }

  /** null: RESET ALL. */
  reset(name: string | null): void {
    const assignments = new Map(this.current.assignments);
    const names = name === null ? [...assignments.keys(), ...this.#defaults.keys()] : [name];
    for (const each of names) {
      if (name === null && NOT_RESET_BY_ALL.has(each)) continue;
      const byDefault = this.#defaults.get(each);
      if (byDefault === undefined) assignments.delete(each);
      else assignments.set(each, byDefault);
    }
    this.current = settingsOf(assignments);
  }

  /** Everything as at the start of the session (DISCARD ALL). */
  discard(): void {
    this.current = settingsOf(this.#defaults);
  }

  /** The schemas names are looked up in; null: the server's default path. */
  get searchPath(): readonly string[] | null {
    if (this.#searchPathOf !== this.current) {
      this.#searchPathOf = this.current;
      const assignment = this.current.assignments.get('search_path');
      this.#searchPath = assignment === undefined ? null : pathOf(assignment);
    }
    return this.#searchPath;
  }

  /** The path that RESET returns to. */
  get defaultSearchPath(): readonly string[] | null {
    const assignment = this.#defaults.get('search_path');
    return assignment === undefined ? null : pathOf(assignment);
  }
}

/** What `RESET name` on a server leaves of the settings applied there; null is RESET ALL. */
export function afterServerReset(applied: Settings, name: string | null): Settings {
  if (applied === NO_SETTINGS) return applied;
  const kept = [...applied.assignments].filter(([each]) =>
    name === null ? NOT_RESET_BY_ALL.has(each) : each !== name,
  );
  return settingsOf(new Map(kept));
}

/** `search_path TO a, "B", 'c'`, or what stands behind TO → a, B, c. `"$user"` has no schema of its own here. */
export function pathOf(assignment: string): readonly string[] {
  const list = assignment.replace(/^\s*("?)search_path\1\s*(=|\bTO\b)\s*/i, '');
  const elements = list.match(/"(?:[^"]|"")*"|'(?:[^']|'')*'|[^,\s"']+/g) ?? [];
  return elements
    .map((element) => {
      if (element.startsWith('"')) return element.slice(1, -1).replaceAll('""', '"');
      if (element.startsWith("'")) return element.slice(1, -1).replaceAll("''", "'");
      return element.toLowerCase();
    })
    .filter((schema) => schema !== '$user' && schema !== '');
}
