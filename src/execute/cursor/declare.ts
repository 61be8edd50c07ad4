// DECLARE on each shard: the cursors whose rows a cursor over several shards merges.

import type { ConcatMerge, CursorMerge } from '../../plan/plan.ts';
import type { ServerConnection } from '../../pool/server-connection.ts';
import { RowOrder } from '../merge/row-order.ts';
import { checkShards } from '../merge/shard-fields.ts';
import { columnPosition } from '../merge/shard-layout.ts';
import { type BoundParameters, resolveBound } from '../parameters.ts';
import { MergedCursor } from './merged-cursor.ts';
import { ScrollMerge } from './scroll-merge.ts';
import { declareOnShard, type ShardCursor } from './shard-cursor.ts';

export interface DeclareRequest {
  /** One per shard, in shard order, of one transaction. */
  readonly connections: readonly ServerConnection[];
  /** How the rows of `cursor` are merged. */
  readonly merge: ConcatMerge;
  readonly cursor: CursorMerge;
  /** The DECLARE of each shard's cursor, and its name. */
  readonly sql: string;
  readonly ownName: string;
  /** With the types that one server resolved. */
  readonly parameters: BoundParameters;
}

/**
 * Each shard's rows are those of this moment. Rejects with ServerError, and with SqlError: 0A000 where
 * the rows are of types without a proven order, 42804 where shards disagree on columns; no shard has
 * a cursor then that lives on.
 */
export async function declareMerged(request: DeclareRequest): Promise<MergedCursor> {
  const { connections, sql, ownName, parameters } = request;
  const statement = { sql, parameters, resultFormats: [] };
  const settled = await Promise.allSettled(
    connections.map((connection) => declareOnShard(connection, ownName, statement)),
  );
  const cursors = settled.map((each) => {
    // The transaction has failed, and with it goes what other shards have declared.
    if (each.status === 'rejected') throw each.reason;
    return each.value;
  });
  try {
    return mergedCursor(request, cursors);
  } catch (error) {
    for (const each of cursors) await each.close();
    throw error;
  }
}

function mergedCursor(
  { merge, cursor: { name, options }, parameters }: DeclareRequest,
  cursors: readonly ShardCursor[],
): MergedCursor {
  checkShards(cursors);
  const { fields } = cursors[0]!;
  const positions = merge.sort.map(({ column }) => columnPosition(column, fields.length));
  const order = new RowOrder(
    merge.sort.map((key, i) => ({ ...key, typeOid: fields[positions[i]!]!.typeOid })),
  );
  const visibleColumns = fields.length - merge.hiddenColumns;
  const limit = resolveBound(merge.limit, 'LIMIT', parameters);
  const rows = new ScrollMerge({
    cursors,
    order: positions.length === 0 ? null : order,
    positions,
    visibleColumns,
    limit: limit === null ? null : countable(limit),
    offset: countable(resolveBound(merge.offset, 'OFFSET', parameters) ?? 0n),
    locks: merge.locks !== null,
  });
  return new MergedCursor({
    name,
    cursors,
    rows,
    fields: fields.slice(0, visibleColumns),
    binary: options.binary,
    scrolls: options.scroll !== false && cursors.every((cursor) => cursor.scrolls),
  });
}

/** No cursor gets further than this. */
const countable = (bound: bigint): number =>
  bound > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(bound);
