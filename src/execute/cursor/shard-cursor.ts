// ShardCursor: one shard's own cursor, whose rows are looked at by their places.

import { notSupported } from '../../base/errors.ts';
import {
  CURSOR_FIRST_ROWS,
  CURSOR_KEPT_BYTES_MAX,
  MERGE_BATCH_ROWS,
  MERGE_QUEUE_BYTES_MAX,
  MERGE_ROW_OVERHEAD_BYTES,
} from '../../base/limits.ts';
import { query } from '../../pool/query.ts';
import type { ServerConnection } from '../../pool/server-connection.ts';
import type { FieldDescription } from '../../wire/row.ts';
import { describePortal } from '../describe.ts';
import { NO_PARAMETERS } from '../parameters.ts';
import { openShardStream, type ShardStatement } from '../shard-stream.ts';

/** `statement`: the DECLARE of `name`, which is the proxy's own. Rejects with ServerError or, for a lost server, SqlError. */
export async function declareOnShard(
  connection: ServerConnection,
  name: string,
  statement: ShardStatement,
): Promise<ShardCursor> {
  const stream = await openShardStream(connection, statement);
  await stream.done;
  // An error that came with its end.
  await stream.next();
  const { fields } = await describePortal(connection, name);
  const { rows } = await query(
    connection,
    `SELECT is_scrollable FROM pg_catalog.pg_cursors WHERE name = '${name}'`,
  );
  return new ShardCursor(connection, name, fields ?? [], rows[0]?.[0] === 't');
}

/**
 * Rows have places from 1 on. The server owes nothing between two calls. What is read ahead is kept
 * here; going back, and where what was read is no more at hand, the server's cursor is moved.
 */
export class ShardCursor {
  /** Of the shard's rows, with hidden columns. */
  readonly fields: readonly FieldDescription[];
  /** The server can go back. */
  readonly scrolls: boolean;

  /** As the server knows it, which is not by the client's name: the two are not on the same row. */
  readonly name: string;

  readonly #connection: ServerConnection;
  /** As they were fetched; the first is at place `#first`. */
  #rows: readonly Buffer[] = [];
  #first = 1;
  /** The place the server's cursor is at: 0 before the first row, behind the last one more than it. */
  #at = 0;
  /** How many rows there are; null: not known yet. */
  #count: number | null = null;
  #formats: readonly number[] = [];
  /** Of the rows fetched last; null: none yet. */
  #rowBytes: number | null = null;

  constructor(
    connection: ServerConnection,
    name: string,
    fields: readonly FieldDescription[],
    scrolls: boolean,
  ) {
    this.#connection = connection;
    this.name = name;
    this.fields = fields;
    this.scrolls = scrolls;
  }

  get shard(): number {
    return this.#connection.shard.id;
  }

  /** The row at a place, a DataRow body; null: there is none. undefined: it must be read first. */
  row(place: number): Buffer | null | undefined {
    if (this.#count !== null && place > this.#count) return null;
    return this.#rows[place - this.#first];
  }

  /** Reads the row at `place` and `wanted` - 1 behind it at most; the row before it stays at hand. */
  async readOn(place: number, wanted: number): Promise<void> {
    await this.#moveTo(place - 1);
    const before = place > 1 ? this.#rows[place - 1 - this.#first] : undefined;
    const rows = await this.#fetch(this.#rowsAtOnce(wanted));
    this.#rows = before === undefined ? rows : [before, ...rows];
    this.#first = before === undefined ? place : place - 1;
  }

  /** Reads the row at `place` and `wanted` - 1 before it at most; the row behind it stays at hand. */
  async readBack(place: number, wanted: number): Promise<void> {
    const from = Math.max(1, place + 1 - this.#rowsAtOnce(wanted));
    const behind = this.#rows[place + 1 - this.#first];
    await this.#moveTo(from - 1);
    const rows = await this.#fetch(place + 1 - from);
    this.#rows = behind === undefined ? rows : [...rows, behind];
    this.#first = from;
  }

  /** Puts the server's cursor on a row, for WHERE CURRENT OF. */
  settleOn(place: number): Promise<void> {
    return this.#moveTo(place);
  }

  /** Goes behind the last row; gives how many rows there are. */
  async toEnd(): Promise<number> {
    if (this.#count !== null) return this.#count;
    const { tag } = await query(this.#connection, `MOVE FORWARD ALL IN "${this.name}"`);
    this.#count = this.#at + Number(tag.slice('MOVE '.length));
    this.#at = this.#count + 1;
    return this.#count;
  }

  /** From here on rows are wanted in these formats; `place`: where the reader is. */
  useFormats(formats: readonly number[], place: number): void {
    const isSame = formats.every((format, i) => format === this.#formats[i]);
    if (isSame && formats.length === this.#formats.length) return;
    const isAtEnd = this.#count !== null && place >= this.#count;
    if (this.#at > place && !isAtEnd) this.#mustScroll();
    this.#formats = [...formats];
    this.#rows = [];
  }

  /** Between two statements of the client, which is at `place`: little stays in memory. */
  rest(place: number): void {
    const ahead = this.#rows.slice(Math.max(0, place - this.#first));
    const bytes = ahead.reduce((sum, row) => sum + row.length + MERGE_ROW_OVERHEAD_BYTES, 0);
    this.#first = Math.max(this.#first, place);
    // Copies: a view would keep the whole chunk of the socket in memory.
    const isKept = bytes <= CURSOR_KEPT_BYTES_MAX || !this.scrolls;
    this.#rows = isKept ? ahead.map((row) => Buffer.from(row)) : [];
  }

  async close(): Promise<void> {
    await query(this.#connection, `CLOSE "${this.name}"`);
  }

  async #moveTo(place: number): Promise<void> {
    if (this.#at === place) return;
    if (place < this.#at) this.#mustScroll();
    await query(this.#connection, `MOVE ABSOLUTE ${place} IN "${this.name}"`);
    this.#at = place;
  }

  #mustScroll(): void {
    if (this.scrolls) return;
    throw notSupported(
      'not supported over several shards: going back to a row of a cursor that has been read further',
      'Declare it with SCROLL, or FOR UPDATE where its rows are written.',
    );
  }

  /** As many as a few socket reads bring. */
  #rowsAtOnce(wanted: number): number {
    const fitting =
      this.#rowBytes === null
        ? CURSOR_FIRST_ROWS
        : Math.max(1, Math.floor(MERGE_QUEUE_BYTES_MAX / this.#rowBytes));
    return Math.min(wanted, fitting, MERGE_BATCH_ROWS);
  }

  async #fetch(count: number): Promise<Buffer[]> {
    const stream = await openShardStream(this.#connection, {
      sql: `FETCH FORWARD ${count} FROM "${this.name}"`,
      parameters: NO_PARAMETERS,
      resultFormats: this.#formats,
    });
    const rows: Buffer[] = [];
    let bytes = 0;
    for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
      for (const row of batch) bytes += row.length;
      rows.push(...batch);
    }
    await stream.done;
    this.#at += rows.length;
    if (rows.length > 0) this.#rowBytes = bytes / rows.length + MERGE_ROW_OVERHEAD_BYTES;
    if (rows.length < count) {
      this.#count = this.#at;
      this.#at += 1;
    }
    return rows;
  }
}
