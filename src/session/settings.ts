// SessionSettings: what one client has SET, kept outside of any server connection.

import { assignmentOf, NO_SETTINGS, type Settings, settingsOf } from '../pool/settings.ts';
import { pathOf, roleIn } from './search-path.ts';

/** RESET ALL leaves these alone. Source: the manual page of RESET. */
const NOT_RESET_BY_ALL = new Set(['role', 'session_authorization']);

/**
 * Startup parameters are the session's defaults: RESET returns to them. `current` is immutable, so
 * a transaction keeps the settings of its BEGIN by keeping the reference.
 */
export class SessionSettings {
  current: Settings;
  #defaults: ReadonlyMap<string, string>;
  /** What the two below were read of. */
  #readOf: Settings | null = null;
  #searchPath: readonly string[] | null = null;
  #role: string | null = null;

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

  /** The schemas names are looked up in, as they were SET; null: the server's default path. */
  get searchPath(): readonly string[] | null {
    this.#read();
    return this.#searchPath;
  }

  /** Who the session has become; null: nobody else. */
  get role(): string | null {
    this.#read();
    return this.#role;
  }

  #read(): void {
    if (this.#readOf === this.current) return;
    this.#readOf = this.current;
    const { assignments } = this.current;
    const assignment = assignments.get('search_path');
    this.#searchPath = assignment === undefined ? null : pathOf(assignment);
    this.#role = roleIn(assignments);
  }

  /** Whether client_min_messages lets warnings through. */
  get wantsWarnings(): boolean {
    const assignment = this.current.assignments.get('client_min_messages');
    return assignment === undefined || !/\berror\b/i.test(assignment);
  }

  /** Who RESET ROLE makes of it. */
  get defaultRole(): string | null {
    return roleIn(this.#defaults);
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
