// Locked rows: rows found in the order of all shards, and locked as they were found.

import { LOCK_CANDIDATES_MORE } from '../base/limits.ts';
import type { LockedTable, SortKey } from '../plan/plan.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { columnAt, type FieldDescription } from '../wire/row.ts';
import { arrayOf } from './engine/array-parameter.ts';
import { type HeldRows, heldRows, readHeld } from './held-rows.ts';
import { RowOrder } from './merge/row-order.ts';
import { columnPosition } from './merge/shard-layout.ts';
import { openShardStream, type ShardStatement } from './shard-stream.ts';

export interface LockRequest {
  /** One per shard, in shard order, owing nothing. */
  readonly connections: readonly ServerConnection[];
  readonly tables: readonly LockedTable[];
  readonly sort: readonly SortKey[];
  /** Finds the first rows of a shard, with the hidden columns of `tables` and of `sort`; null: all. */
  readonly statement: (rows: number | null) => ShardStatement;
  /** LIMIT and OFFSET together; null: all. */
  readonly wanted: number | null;
  readonly bytesMax: number;
}

/** The rows of one shard. */
interface Part {
  readonly connection: ServerConnection;
  /** In any order. */
  readonly locked: Buffer[];
  /** Identities of rows that have been tried. */
  readonly tried: Set<string>;
}

/**
 * As PostgreSQL locks rows under a LIMIT: the first rows in order that can be had, and no others. A
 * row that is no more as it was found may have changed while it was waited for, and stand at another
 * place: all shards are looked at again. Rejects with ServerError, and with 53400 past `bytesMax`;
 * nothing is owed then. Every shard's rows come in order.
 */
export async function lockInOrder(request: LockRequest): Promise<HeldRows[]> {
  const { connections, tables, wanted } = request;
  const parts = connections.map((connection): Part => {
    return { connection, locked: [], tried: new Set() };
  });
  // Who skips what others have locked may do so with what they have just changed, too.
  const skips = tables.every(({ wait }) => wait === 'skip');
  let left = wanted;
  for (let isFirst = true; ; isFirst = false) {
    const more = skips && !isFirst ? LOCK_CANDIDATES_MORE : 0;
    const found = await findRows(request, parts, left === null ? null : left + more);
    const { fields } = found[0]!.held;
    const layout = new Layout(request, fields);
    const open = candidates(parts, found, layout);
    // The right to lock is looked at even where there is no row.
    if (isFirst && open.length === 0)
      await lockPart(request, layout, { part: parts[0]!, rows: [] });
    let missed = false;
    while (open.length > 0 && left !== 0 && (skips || !missed)) {
      const next = open.splice(0, left ?? open.length);
      for (const { part, row } of next) part.tried.add(layout.identityOf(row));
      const locked = await lockAll(request, layout, byPart(parts, next));
      missed ||= locked < next.length;
      if (left !== null) left -= locked;
    }
    const isAll = found.every(({ isTruncated }) => !isTruncated);
    if (left !== 0 && (missed || !isAll)) continue;
    return parts.map((part) => heldRows(fields, layout.sorted(part.locked)));
  }
}

interface Found {
  readonly held: HeldRows;
  /** The shard may have more rows than these. */
  readonly isTruncated: boolean;
}

async function findRows(
  { statement, bytesMax }: LockRequest,
  parts: readonly Part[],
  rowsMax: number | null,
): Promise<readonly Found[]> {
  const found = await Promise.allSettled(
    parts.map(async ({ connection, tried }): Promise<Found> => {
      const rows = rowsMax === null ? null : rowsMax + tried.size;
      const held = await readHeld(connection, statement(rows), bytesMax);
      return { held, isTruncated: rows !== null && held.count >= rows };
    }),
  );
  return found.map((each) => {
    if (each.status === 'rejected') throw each.reason;
    return each.value;
  });
}

/** The types of tableoid, ctid and xmin. */
const IDENTITY = [26, 27, 28] as const;

/** Where a found row has what. */
class Layout {
  readonly #order: RowOrder;
  readonly #positions: readonly number[];
  /** Of the first hidden column, and how many of them tell rows apart. */
  readonly #first: number;
  readonly #width: number;

  constructor({ sort, tables }: LockRequest, fields: readonly FieldDescription[]) {
    this.#positions = sort.map(({ column }) => columnPosition(column, fields.length));
    this.#order = new RowOrder(
      sort.map((key, i) => ({ ...key, typeOid: fields[this.#positions[i]!]!.typeOid })),
    );
    this.#width = tables.length * IDENTITY.length;
    this.#first = fields.length - sort.length - this.#width;
  }

  /** Tells a row of a shard, as it is, from all others. */
  identityOf(row: Buffer): string {
    const values = Array.from({ length: this.#width }, (_, i) => columnAt(row, this.#first + i));
    return values.map((value) => value?.toString('latin1') ?? '').join();
  }

  /** The tableoids, ctids and xmins of a table's rows. */
  identityArrays(rows: readonly Buffer[], table: number): Buffer[] {
    const first = this.#first + table * IDENTITY.length;
    return IDENTITY.map((typeOid, i) => arrayOf(rows, first + i, typeOid));
  }

  sorted(rows: readonly Buffer[]): readonly Buffer[] {
    const keyed = rows.map((row) => ({
      row,
      keys: this.#positions.map((position) => columnAt(row, position)),
    }));
    keyed.sort((a, b) => this.#order.compare(a.keys, b.keys));
    return keyed.map(({ row }) => row);
  }
}

interface Candidate {
  readonly part: Part;
  readonly row: Buffer;
}

/**
 * Rows that have not been tried, in the order of all shards: as far as it is known, which is to the
 * last row of a shard that may have more.
 */
function candidates(parts: readonly Part[], found: readonly Found[], layout: Layout): Candidate[] {
  const owners = new Map<Buffer, Part>();
  const ends = new Set<Buffer>();
  for (const [i, { held, isTruncated }] of found.entries()) {
    for (const row of held.rows) owners.set(row, parts[i]!);
    const last = held.rows.at(-1);
    if (isTruncated && last !== undefined) ends.add(last);
  }
  const sorted = layout.sorted([...owners.keys()]);
  const end = sorted.findIndex((row) => ends.has(row));
  return sorted
    .slice(0, end < 0 ? undefined : end + 1)
    .map((row) => ({ part: owners.get(row)!, row }))
    .filter(({ part, row }) => !part.tried.has(layout.identityOf(row)));
}

/** Rows of one shard that are to be locked next. */
interface Choice {
  readonly part: Part;
  readonly rows: readonly Buffer[];
}

function byPart(parts: readonly Part[], next: readonly Candidate[]): readonly Choice[] {
  const choices = parts.map((part): Choice => {
    return { part, rows: next.flatMap((each) => (each.part === part ? [each.row] : [])) };
  });
  return choices.filter(({ rows }) => rows.length > 0);
}

/** How many rows could be locked. Where locks are waited for, shard after shard in their order. */
async function lockAll(
  request: LockRequest,
  layout: Layout,
  choices: readonly Choice[],
): Promise<number> {
  const waits = request.tables.some(({ wait }) => wait === 'wait');
  let count = 0;
  for (const at of waits ? choices.map((choice) => [choice]) : [choices]) {
    const settled = await Promise.allSettled(at.map((choice) => lockPart(request, layout, choice)));
    for (const each of settled) {
      if (each.status === 'rejected') throw each.reason;
      count += each.value;
    }
  }
  return count;
}

/** A row of several tables is one where a row of each of them is. */
async function lockPart(
  { tables }: LockRequest,
  layout: Layout,
  { part, rows }: Choice,
): Promise<number> {
  let left = rows;
  for (const [i, table] of tables.entries()) {
    const positions = await lockRows(part.connection, table, layout.identityArrays(left, i));
    left = left.filter((_, position) => positions.has(position));
    if (left.length === 0) break;
  }
  part.locked.push(...left);
  return left.length;
}

const SUFFIX = { wait: '', skip: ' SKIP LOCKED', error: ' NOWAIT' } as const;

/** The positions of those that are locked now; `arrays`: their tableoids, ctids and xmins. */
export async function lockRows(
  connection: ServerConnection,
  { table, strength, wait }: LockedTable,
  arrays: readonly Buffer[],
): Promise<ReadonlySet<number>> {
  const keys = ['oid', 'tid', 'xid'].map(
    (type, i) => `pg_catalog.unnest($${i + 1}::pg_catalog.${type}[])`,
  );
  const stream = await openShardStream(connection, {
    sql:
      `SELECT made.n FROM ${table} AS own,` +
      ` ROWS FROM (${keys.join(', ')}) WITH ORDINALITY AS made (o, c, x, n)` +
      ' WHERE own.tableoid = made.o AND own.ctid = made.c AND own.xmin = made.x' +
      ` FOR ${strength} OF own${SUFFIX[wait]}`,
    parameters: { values: arrays, formats: [1], types: [] },
    resultFormats: [1],
  });
  const positions = new Set<number>();
  for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
    for (const row of batch) positions.add(Number(columnAt(row, 0)!.readBigInt64BE()) - 1);
  }
  await stream.done;
  return positions;
}
