// ScriptLine: what a shard that joins a transaction later must be told first.

import type { Settings } from '../pool/settings.ts';
import type { DeclaredCursor } from './cursor/declared-cursor.ts';

export interface ScriptLine {
  readonly sql: string;
  /** The name where the line is SAVEPOINT. */
  readonly savepoint: string | null;
  /** It sets modes of the transaction. */
  readonly isMode: boolean;
  /** The session's settings and cursors when the savepoint was made. */
  readonly settings: Settings;
  readonly cursors: ReadonlyMap<string, DeclaredCursor>;
  /** Where it has names looked up from then on; null: it is not about that. */
  readonly searchPath: PathChange | null;
}

/** `path` as in SessionSettings; 'session': along the path of the session again. */
export type PathChange = { readonly path: readonly string[] | null } | 'session';
