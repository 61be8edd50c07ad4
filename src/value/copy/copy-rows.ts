// Rows of COPY data: what a splitter finds in the stream and tells its sink.

import { SqlError } from '../../base/errors.ts';
import { SQLSTATE } from '../../base/sqlstate.ts';

/**
 * The sharding key of a row. `default`: the marker of option DEFAULT. `unreadable`: missing or no
 * integer: every server refuses such a row, with its own words.
 */
export type CopyKey = number | bigint | 'null' | 'default' | 'unreadable';

/** Called synchronously; the bytes are the splitter's and hold only during the call. */
export interface CopySink {
  /** The HEADER line, or what stands before the first row of the binary format. */
  header(bytes: Buffer, start: number, end: number, lines: RowLines): void;
  row(bytes: Buffer, start: number, end: number, key: CopyKey, lines: RowLines): void;
}

/** Lines as COPY counts them: one a row, and line ends inside of quotes. */
export interface RowLines {
  /** Line feeds and carriage returns inside of quotes. */
  readonly feeds: number;
  readonly returns: number;
}

export const ONE_LINE: RowLines = { feeds: 0, returns: 0 };

/** The character that ends lines, once the first line has ended; CRLF counts as CR. */
export type LineEnd = 'unknown' | 'feed' | 'return';

/**
 * How many lines the row moves a reader on that knows lines to end with `end`. PostgreSQL counts
 * carriage returns inside of quotes until it has seen the first line end (CopyReadLineText).
 */
export function linesOf(lines: RowLines, end: LineEnd): number {
  return 1 + (end === 'feed' ? lines.feeds : lines.returns);
}

/** Cuts a stream of COPY data, split anywhere, into rows. */
export interface CopySplitter {
  /** What ends the lines of the rows so far. */
  readonly lineEnd: LineEnd;
  /** The next bytes. Throws CopyDataError, and SqlError 54000 for a row that is too long. */
  push(chunk: Buffer): void;
  /** No more bytes: what is left over is the last row. */
  finish(): void;
}

/** The stream cannot be cut as PostgreSQL would: 22P04, in the row after the last one given. */
export class CopyDataError extends SqlError {
  /** Of the row's lines, those before the one where the error is. */
  readonly linesBefore: number;

  constructor(message: string, hint: string | undefined, linesBefore = 0) {
    super({ code: SQLSTATE.badCopyFileFormat, message, hint });
    this.name = 'CopyDataError';
    this.linesBefore = linesBefore;
  }
}
