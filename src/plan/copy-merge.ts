// Copy merges: COPY of a table, or of what shards give together, over several shards.

import type { Column } from '../topology/table.ts';
import type { CopyFormat } from '../value/copy/copy-format.ts';

/** COPY FROM STDIN: every server is sent the statement, and the rows that are its own. */
export interface CopyInMerge {
  readonly how: 'copyIn';
  /** As COPY calls the table in its errors. */
  readonly table: string;
  readonly format: CopyFormat;
  /** The columns of the data, in their order. */
  readonly columns: readonly string[];
  /** In binary, a SELECT of these columns; else null. */
  readonly rows: string | null;
  /** null: of a reference table, all rows go to every shard. */
  readonly key: CopyInKey | null;
  /** null: nothing in it tells the time. */
  readonly timed: TimedCopy | null;
}

/** What servers would each tell the time for. */
export interface TimedCopy {
  /** Those that the data leaves to defaults that tell it. */
  readonly columns: readonly Column[];
  /** The statement with these in its list, before the others. */
  readonly sql: string;
}

export interface CopyInKey {
  /** Among the columns of the data, 0-based. */
  readonly index: number;
  readonly column: string;
  /** The servers themselves refuse a NULL. */
  readonly notNull: boolean;
  /** ON_ERROR ignore: a row whose key is no integer is skipped by any server. */
  readonly skipsErrors: boolean;
  /** REJECT_LIMIT: how many rows may be skipped, over all shards; null: any number. */
  readonly rejectLimit: string | null;
  /** LOG_VERBOSITY silent: the client is not told how many were. */
  readonly isSilent: boolean;
}

/** COPY TO STDOUT: the shards' streams one after the other, with one header and one trailer. */
export interface CopyOutMerge {
  readonly how: 'copyOut';
  readonly format: CopyFormat['format'];
  readonly header: boolean;
  /** In binary, a SELECT of what is copied; else null. */
  readonly rows: string | null;
}
