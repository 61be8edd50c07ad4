// CopyIn: COPY FROM STDIN over several shards, each row to the shard of its key.

import { SqlError } from '../base/errors.ts';
import { COPY_STOP_MS } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { CopyInMerge } from '../plan/copy-merge.ts';
import { tellingSkipped } from '../plan/copy-options.ts';
import { cancelStatement } from '../pool/cancel.ts';
import { ServerError } from '../pool/query.ts';
import type { CarryingColumns } from '../pool/renumber.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Placement } from '../topology/placement.ts';
import { BinarySplitter } from '../value/copy/binary-splitter.ts';
import { type Characters, charactersOf, SINGLE_BYTES } from '../value/copy/characters.ts';
import {
  CopyDataError,
  type CopyKey,
  type CopySink,
  type CopySplitter,
  linesOf,
  type RowLines,
} from '../value/copy/copy-rows.ts';
import { CsvSplitter } from '../value/copy/csv-splitter.ts';
import type { LeadingFields } from '../value/copy/leading-fields.ts';
import { TextSplitter } from '../value/copy/text-splitter.ts';
import { BodyReader } from '../wire/bytes.ts';
import { decodeCopyResponse, withoutColumns } from '../wire/copy.ts';
import { type ErrorFields, errorFields } from '../wire/error-response.ts';
import { parseCommandTag } from '../wire/query.ts';
import {
  columnsDiffer,
  copyContext,
  namesTypes,
  notSkipped,
  nullKey,
  tooManyRejected,
  withLine,
  withoutLeading,
} from './copy-errors.ts';
import { CopyInShard, type CopyInShardEvents } from './copy-in-shard.ts';
import { carryingOf } from './copy-oids.ts';
import { hear, hush, isHushed, SkippedRows } from './copy-skipped.ts';
import type { Transaction } from './transaction.ts';

export interface CopyInRequest {
  /** The transaction the statement runs in; it enlists the shards. */
  readonly transaction: Transaction;
  readonly targets: readonly number[];
  readonly sql: string;
  readonly merge: CopyInMerge;
  /** What servers are sent before each row, for columns that `sql` lists before the others; null: nothing. */
  readonly leading: LeadingFields | null;
  readonly placement: Placement;
  /** A shard has failed while nothing waits for it: `finish` or `stop` is to be called soon. */
  readonly failed: () => void;
  readonly notice: (fields: ErrorFields) => void;
}

export interface CopyInResult {
  readonly tag: string;
  /** What each server says it has taken, by shard. */
  readonly rows: ReadonlyMap<number, bigint>;
}

/** Starts the COPY on every shard. Rejects, nothing owed, when one of them refuses the statement. */
export async function openCopyIn(request: CopyInRequest): Promise<CopyIn> {
  const { transaction, targets, merge } = request;
  const copy = new CopyIn(request);
  const connections: ServerConnection[] = [];
  // Before any COPY has begun: those that are there are asked for their tickets, and then read only data.
  for (const shard of targets) connections.push(await transaction.enlist(shard));
  transaction.beginsToWrite();
  for (const [i, connection] of connections.entries()) {
    const carrying = await carryingOf(connection, merge.rows);
    if (carrying !== null && merge.key === null) throw namesTypes(merge.table);
    if (merge.key !== null && merge.key.rejectLimit !== null) await copy.hear(connection);
    copy.start(targets[i]!, connection, carrying);
  }
  await copy.opened();
  return copy;
}

/** The first release to which a line of `\.` is data in CSV. */
const FIRST_WITHOUT_CSV_END = 18;

/** Memory is bounded by one batch and one socket buffer a shard, and the longest row. */
export class CopyIn implements CopySink, CopyInShardEvents {
  #request: CopyInRequest;
  #shards: CopyInShard[] = [];
  #byShard: CopyInShard[] = [];
  #splitter: CopySplitter | null = null;
  /** Of the client's data, lines that have been given to a shard. */
  #line = 0;
  #lineEnd: CopySplitter['lineEnd'] = 'unknown';
  #unreadable = 0;
  #skipped = new SkippedRows();
  /** What else would keep its notices to itself, and its level. */
  #hushed = new Map<ServerConnection, string>();

  constructor(request: CopyInRequest) {
    this.#request = request;
  }

  /** Each server tells how many rows it has skipped, of which there may be so many over all. */
  async hear(connection: ServerConnection): Promise<void> {
    const level = await hear(connection);
    if (level !== null) this.#hushed.set(connection, level);
  }

  start(shard: number, connection: ServerConnection, carrying: CarryingColumns): void {
    const { sql, leading, merge } = this.#request;
    const { rejectLimit = null, isSilent = false } = merge.key ?? {};
    const sent = isSilent && rejectLimit !== null ? tellingSkipped(sql) : sql;
    const part = new CopyInShard(connection, sent, this, carrying, leading);
    this.#shards.push(part);
    this.#byShard[shard] = part;
  }

  async opened(): Promise<void> {
    await Promise.all(this.#shards.map((shard) => shard.opened));
    const refusing = this.#shards.find((shard) => shard.ended);
    if (refusing !== undefined) {
      await this.#stopAll('another shard has refused the statement');
      throw refusing.error ?? columnsDiffer(this.#request.merge.table);
    }
    const { columns, key, format } = this.#request.merge;
    const response = decodeCopyResponse(new BodyReader(this.response, 0, this.response.length));
    if (response.columns !== columns.length || response.binary !== (format.format === 'binary')) {
      await this.#stopAll('the columns have changed');
      throw columnsDiffer(this.#request.merge.table);
    }
    if (key !== null) this.#splitter = this.#makeSplitter(key.index);
  }

  /** The body of CopyInResponse, for the client's data. */
  get response(): Buffer {
    return withoutColumns(this.#shards[0]!.response, this.#request.leading?.count ?? 0);
  }

  /** What is pushed is copied: its memory can be given back. */
  get copies(): boolean {
    return this.#splitter !== null;
  }

  /** Some shard has refused its rows already. */
  get hasFailed(): boolean {
    return this.#shards.some((shard) => shard.error !== null);
  }

  /**
   * Takes the client's next bytes. null: go on; else wait for it first. Throws for data that no
   * server would take; `stop` is then to be called.
   */
  push(chunk: Buffer): Promise<unknown> | null {
    if (this.#splitter === null) for (const shard of this.#shards) shard.pass(chunk);
    else this.#split((splitter) => splitter.push(chunk));
    const waits = this.#shards.flatMap((shard) => shard.writable() ?? []);
    return waits.length === 0 ? null : Promise.all(waits);
  }

  /** The client has sent everything: resolves when every server has taken it. */
  async finish(): Promise<CopyInResult> {
    this.#split((splitter) => splitter.finish());
    for (const shard of this.#shards) {
      if (shard.hasRows) this.#request.transaction.writers.add(shard.connection.shard.id);
      shard.end();
    }
    await Promise.all(this.#shards.map((shard) => shard.done));
    const error = this.#firstError();
    if (error !== null) throw error;
    this.#checkRejected();
    for (const [connection, level] of this.#hushed) await hush(connection, level);
    const isSilent = this.#request.merge.key?.isSilent === true || this.#hushed.size > 0;
    if (!isSilent) this.#skipped.tell(this.#request.notice);
    const rows = new Map(
      this.#shards.map(({ connection, tag }) => [
        connection.shard.id,
        parseCommandTag(tag).rows ?? 0n,
      ]),
    );
    const counts = [...rows.values()];
    if (this.#splitter === null) {
      if (new Set(counts).size > 1) throw columnsDiffer(this.#request.merge.table);
      return { tag: `COPY ${counts[0]}`, rows };
    }
    if (this.#unreadable > 0 && !this.#request.merge.key!.skipsErrors) {
      throw notSkipped(this.#request.merge);
    }
    return { tag: `COPY ${counts.reduce((sum, count) => sum + count, 0n)}`, rows };
  }

  /** Each server has kept to the limit by itself. */
  #checkRejected(): void {
    const { table, key } = this.#request.merge;
    const limit = key?.rejectLimit ?? null;
    if (limit === null || BigInt(this.#skipped.count) <= BigInt(limit)) return;
    throw new ServerError(errorFields(tooManyRejected(limit), `COPY ${table}`));
  }

  /** Ends it without effect; gives the error that a server had before, if one had. */
  async stop(reason: string): Promise<Error | null> {
    await this.#stopAll(reason);
    return this.#firstError();
  }

  /** The client has sent CopyFail: the servers' own error for it. */
  async failedByClient(reason: string): Promise<Error> {
    await this.#stopAll(reason);
    const first = this.#firstError();
    if (first !== null) return first;
    const [{ error }] = this.#shards as [CopyInShard];
    if (!(error instanceof ServerError)) throw error ?? new Error('a failed COPY had no error');
    return new ServerError(withLine(error.fields, this.#request.merge.table, () => this.#line + 1));
  }

  async #stopAll(reason: string): Promise<void> {
    for (const shard of this.#shards) shard.stop(reason);
    // A server that waits for a lock does not read what says that it should stop.
    const late = setTimeout(() => {
      for (const shard of this.#shards) if (!shard.ended) void cancelStatement(shard.connection);
    }, COPY_STOP_MS);
    await Promise.all(this.#shards.map((shard) => shard.done));
    clearTimeout(late);
  }

  #makeSplitter(index: number): CopySplitter {
    const { format, columns } = this.#request.merge;
    switch (format.format) {
      case 'text':
        return new TextSplitter(format, index, this, this.#characters(format.encoding));
      case 'csv':
        return new CsvSplitter(
          format,
          index,
          this,
          this.#characters(format.encoding),
          this.#release() < FIRST_WITHOUT_CSV_END,
        );
      case 'binary':
        return new BinarySplitter(index, columns.length, this);
    }
  }

  #release(): number {
    const { parameters } = this.#shards[0]!.connection.identity;
    return Number.parseInt(parameters.get('server_version') ?? '', 10);
  }

  /** Servers that convert nothing look at single bytes. */
  #characters(encoding: string | null): Characters {
    const { parameters } = this.#shards[0]!.connection.identity;
    if (encoding === null || parameters.get('server_encoding') === 'SQL_ASCII') return SINGLE_BYTES;
    return charactersOf(encoding);
  }

  #split(run: (splitter: CopySplitter) => void): void {
    if (this.#splitter === null) return;
    try {
      run(this.#splitter);
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      // A server that finds something in an earlier row is to have its say.
      for (const shard of this.#shards) shard.flush();
      const before = error instanceof CopyDataError ? error.linesBefore : 0;
      throw this.#atLine(error, this.#line + 1 + before);
    }
  }

  #atLine(error: SqlError, line: number, column?: string): ServerError {
    const context = copyContext(this.#request.merge.table, line, column);
    return new ServerError(errorFields(error, context));
  }

  header(bytes: Buffer, start: number, end: number, lines: RowLines): void {
    const own = linesOf(lines, this.#lineEnd);
    const { lineEnd } = this.#splitter!;
    if (this.#request.merge.format.format !== 'binary') {
      this.#line += own;
      for (const shard of this.#shards) shard.lines.add(own, this.#line, end - start);
    }
    for (const shard of this.#shards) {
      shard.addHeader(bytes, start, end);
      shard.lineEnd = lineEnd;
    }
    this.#lineEnd = lineEnd;
  }

  row(bytes: Buffer, start: number, end: number, key: CopyKey, lines: RowLines): void {
    const own = linesOf(lines, this.#lineEnd);
    const shard = this.#shardOf(key, this.#line + own);
    const { lineEnd } = this.#splitter!;
    this.#line += own;
    this.#lineEnd = lineEnd;
    shard.lines.add(linesOf(lines, shard.lineEnd), this.#line, end - start);
    shard.lineEnd = lineEnd;
    shard.addRow(bytes, start, end);
  }

  #shardOf(key: CopyKey, line: number): CopyInShard {
    if (typeof key !== 'string') return this.#byShard[this.#request.placement.shardOf(key)]!;
    const { column, notNull } = this.#request.merge.key!;
    if (key === 'default' || (key === 'null' && !notNull)) {
      throw this.#atLine(nullKey(key, column), line, column);
    }
    // The server is to say what is wrong with it.
    this.#unreadable += 1;
    return this.#shards[0]!;
  }

  failed(): void {
    this.#request.failed();
  }

  notice(shard: CopyInShard, fields: ErrorFields): void {
    // Of copies, which all take the same rows, one speaks for all.
    if (this.#request.merge.key === null && shard !== this.#shards[0]) return;
    if (this.#skipped.take(fields)) return;
    if (this.#hushed.has(shard.connection) && isHushed(fields)) return;
    this.#request.notice(this.#translated(shard, fields));
  }

  /** The servers work at different speeds: of their errors, the first in the client's data counts. */
  #firstError(): Error | null {
    let first: Error | null = null;
    let firstLine = Number.POSITIVE_INFINITY;
    for (const shard of this.#shards) {
      const { error, stopped } = shard;
      if (error === null) continue;
      if (!(error instanceof ServerError)) return error;
      if (stopped && error.fields.code === SQLSTATE.queryCanceled) continue;
      const fields = this.#translated(shard, error.fields, (line) => {
        if (line < firstLine) {
          firstLine = line;
          first = null;
        }
      });
      first ??= new ServerError(fields);
    }
    return first;
  }

  #translated(
    shard: CopyInShard,
    fields: ErrorFields,
    found: (line: number) => void = () => undefined,
  ): ErrorFields {
    const { table, key } = this.#request.merge;
    if (key === null) return fields;
    const ofPart = ` of the rows for shard ${shard.connection.shard.id}`;
    const ofClient = withoutLeading(fields, table, this.#request.leading);
    return withLine(ofClient, table, (own) => {
      const line = shard.lines.clientLine(own);
      if (line === null) return `${own}${ofPart}`;
      found(line);
      return line;
    });
  }
}
