// Fill: streams the rows of a leaf from its shards into the engine's copy of it.

import { SqlError } from '../../base/errors.ts';
import { SQLSTATE } from '../../base/sqlstate.ts';
import { cancelStatement } from '../../pool/cancel.ts';
import type { ServerConnection } from '../../pool/server-connection.ts';
import { COPY_DATA_HEADER_BYTES, writeCopyDataHeader } from '../../wire/copy.ts';
import { type CopyOutShard, openCopyOutShard } from '../copy-out-shard.ts';
import { CopySink } from './copy-sink.ts';

/** Signature, flags, no header extension. Source: sql-copy.html, "Binary Format". */
const BINARY_HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
/** The field count -1. */
const BINARY_TRAILER = Buffer.from([0xff, 0xff]);

/** Counts the bytes a statement copies into the engine; its owner keeps it over all leaves. */
export class CopyBudget {
  readonly #bytesMax: number;
  bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** 53400 when that is too much. */
  add(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes <= this.#bytesMax) return;
    throw new SqlError({
      code: SQLSTATE.configurationLimitExceeded,
      message: `the statement copies more than ${this.#bytesMax} bytes to one server`,
      hint: 'Restrict it to fewer rows or columns, or raise merge.spillBytesMax.',
    });
  }
}

export interface FillRequest {
  readonly engine: ServerConnection;
  /** Of the shards that have rows of the leaf. They owe nothing and stay the caller's. */
  readonly sources: readonly ServerConnection[];
  /** How its rows travel. */
  readonly format: 'binary' | 'text';
  /** The engine's copy, as SQL. */
  readonly copy: string;
  /** What selects the leaf's rows on a shard. */
  readonly select: (shard: number) => string;
  readonly budget: CopyBudget;
}

/** Rejects with the first error of any server, or 53400; then none of them owes anything. */
export async function fill(request: FillRequest): Promise<void> {
  const { engine, sources, format, copy, select, budget } = request;
  const options = `(FORMAT ${format}, ENCODING 'UTF8')`;
  const streams: CopyOutShard[] = [];
  let failed = false;
  let first: unknown = null;
  const stop = async (error: unknown): Promise<void> => {
    if (failed) return;
    failed = true;
    first = sink.error ?? error;
    // Servers that still send are asked to stop: what they have to say is no longer wanted.
    const busy = sources.filter((source) => source.owedCount > 0);
    await Promise.all([
      ...busy.map((source) => cancelStatement(source)),
      ...streams.map((stream) => stream.discard()),
    ]);
  };
  const sink = new CopySink(engine, `COPY ${copy} FROM STDIN ${options}`, () => {
    void stop(sink.error);
  });
  await sink.opened;
  const cut = format === 'binary' ? ROWS_ALONE : null;
  if (format === 'binary') await sink.write(copyData(BINARY_HEADER));
  await Promise.all(
    sources.map(async (source) => {
      try {
        const sql = `COPY (${select(source.shard.id)}) TO STDOUT ${options}`;
        const stream = await openCopyOutShard(source, sql, null, cut);
        streams.push(stream);
        if (failed) return await stream.discard();
        await pass(stream, sink, budget);
      } catch (error) {
        await stop(error);
      }
    }),
  );
  if (failed) {
    await sink.stop('the rows could not be read');
    throw first;
  }
  if (format === 'binary') await sink.write(copyData(BINARY_TRAILER));
  await sink.end();
}

/** Of the binary format neither header nor trailer. */
const ROWS_ALONE = { firstBytes: BINARY_HEADER.length, keepsFirst: false, keepsTrailer: false };

async function pass(stream: CopyOutShard, sink: CopySink, budget: CopyBudget): Promise<void> {
  for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
    budget.add(batch.length);
    await sink.write(batch);
  }
}

function copyData(body: Buffer): Buffer {
  const header = Buffer.allocUnsafe(COPY_DATA_HEADER_BYTES);
  writeCopyDataHeader(header, body.length);
  return Buffer.concat([header, body]);
}
