// TransactionScript: what a shard must be told that joins a transaction late, and what was so at each savepoint.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { type Reads, readingOf, type Settings } from '../pool/settings.ts';
import type { DeclaredCursor } from './cursor/declared-cursor.ts';

/** Who the session is from then on, null: who it has logged in as; 'session': by its own settings again. */
export type RoleChange = { readonly role: string | null } | 'session';

/** `path` as in SessionSettings; 'session': along the path of the session again. */
export type PathChange = { readonly path: readonly string[] | null } | 'session';

/** A BEGIN, and what has set modes of the transaction after it. */
export interface TransactionModes {
  readonly begin: string;
  readonly modes: readonly string[];
}

export const NO_MODES: TransactionModes = { begin: 'BEGIN', modes: [] };

/** By what is SET LOCAL; null: by what the session has SET. */
export interface LocalNames {
  readonly path: { readonly path: readonly string[] | null } | null;
  readonly role: { readonly role: string | null } | null;
}

export interface Savepoint {
  readonly name: string;
  /** Which of the transaction's savepoints it is, from 1 on. */
  readonly serial: number;
  /** The session's settings and cursors when it was made. */
  readonly settings: Settings;
  readonly cursors: ReadonlyMap<string, DeclaredCursor>;
}

interface ScriptLine {
  readonly sql: string;
  /** null: the line sets something. */
  readonly savepoint: Savepoint | null;
  /** It sets modes of the transaction. */
  readonly isMode: boolean;
  readonly change: SettingChange;
}

/** What a line sets, as far as it is told apart. */
export interface SettingChange {
  /** Where it has names looked up from then on; null: it is not about that. */
  readonly searchPath: PathChange | null;
  /** The same of who the session is. */
  readonly role: RoleChange | null;
  /** What servers may read of a text as something else from then on. */
  readonly reads: Reads;
}

export const NO_CHANGE: SettingChange = { searchPath: null, role: null, reads: 'nothing' };

const WRITE = 'SET TRANSACTION READ WRITE';

/** Of what may have made a transaction read-only. */
export const tellsReadOnly = (sql: string): boolean => /only/i.test(sql);

export class TransactionScript {
  /** How many savepoints there were so far. */
  savepoints = 0;
  #lines: ScriptLine[] = [];

  get isEmpty(): boolean {
    return this.#lines.length === 0;
  }

  get statements(): readonly string[] {
    return this.#lines.map(({ sql }) => sql);
  }

  /** With its BEGIN, for a connection that may write even where the transaction may not. */
  writable(begin: string): readonly string[] {
    const lines = this.statements.flatMap((sql) => (tellsReadOnly(sql) ? [sql, WRITE] : [sql]));
    return [begin, WRITE, ...lines];
  }

  /** Those that are no savepoints. */
  get settings(): readonly string[] {
    return this.#lines.filter(({ savepoint }) => savepoint === null).map(({ sql }) => sql);
  }

  get modes(): readonly string[] {
    return modesOf(this.#lines);
  }

  get lastSavepoint(): Savepoint | null {
    return this.#lines.findLast(({ savepoint }) => savepoint !== null)?.savepoint ?? null;
  }

  /** Those from before the last savepoint; null: there is none. */
  get modesBeforeSavepoint(): readonly string[] | null {
    const last = this.#lines.findLastIndex(({ savepoint }) => savepoint !== null);
    return last < 0 ? null : modesOf(this.#lines.slice(0, last));
  }

  /** What holds of it now. */
  get names(): LocalNames {
    const path = this.#last('searchPath');
    const role = this.#last('role');
    return { path: path === 'session' ? null : path, role: role === 'session' ? null : role };
  }

  #last<Name extends 'searchPath' | 'role'>(name: Name): SettingChange[Name] | null {
    return this.#lines.findLast(({ change }) => change[name] !== null)?.change[name] ?? null;
  }

  /** As in Settings, of what is set here on top of `before`. */
  readingAfter(before: Settings): string {
    return this.#wordAfter(before.reading, (reads) => reads !== 'nothing');
  }

  /** The same of dates. */
  datesAfter(before: Settings): string {
    return this.#wordAfter(before.dates, (reads) => reads === 'dates');
  }

  #wordAfter(before: string, isMeant: (reads: Reads) => boolean): string {
    const lines = this.#lines.filter(({ change }) => isMeant(change.reads));
    return lines.length === 0 ? before : readingOf([before, ...lines.map(({ sql }) => sql)]);
  }

  addSetting(sql: string, change: SettingChange): void {
    this.#lines.push({ sql, savepoint: null, isMode: false, change });
  }

  addMode(sql: string): void {
    this.#lines.push({ sql, savepoint: null, isMode: true, change: NO_CHANGE });
  }

  addSavepoint(sql: string, made: Omit<Savepoint, 'serial'>): void {
    this.savepoints += 1;
    const savepoint = { ...made, serial: this.savepoints };
    this.#lines.push({ sql, savepoint, isMode: false, change: NO_CHANGE });
  }

  /** Throws 3B001 when there is no such savepoint. */
  savepointOf(name: string): Savepoint {
    return this.#lines[this.#indexOf(name)]!.savepoint!;
  }

  /** The savepoint and those after it are forgotten, what was SET since stays. */
  release(name: string): void {
    const index = this.#indexOf(name);
    this.#lines = this.#lines.filter((line, i) => i < index || line.savepoint === null);
  }

  /** All after the savepoint is forgotten. */
  returnTo(name: string): void {
    this.#lines.length = this.#indexOf(name) + 1;
  }

  #indexOf(name: string): number {
    const index = this.#lines.findLastIndex(({ savepoint }) => savepoint?.name === name);
    if (index >= 0) return index;
    throw new SqlError({
      code: SQLSTATE.invalidSavepointSpecification,
      message: `savepoint "${name}" does not exist`,
    });
  }
}

const modesOf = (lines: readonly ScriptLine[]): readonly string[] =>
  lines.filter(({ isMode }) => isMode).map(({ sql }) => sql);
