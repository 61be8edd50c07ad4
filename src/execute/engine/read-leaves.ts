// Read leaves: rows of leaves in memory, each as far as the rows of others want it.

import { namesValues } from '../../plan/engine-filter.ts';
import type { EngineLeaf, LeafJoin } from '../../plan/engine-plan.ts';
import type { ServerConnection } from '../../pool/server-connection.ts';
import { type BoundParameters, NO_PARAMETERS } from '../parameters.ts';
import { openShardStream } from '../shard-stream.ts';
import { arrayOf } from './array-parameter.ts';
import { type LeafRows, leafSql } from './engine.ts';

export interface LeafLimits {
  /** Of one leaf on one server; null: any number. */
  readonly rowsMax: number | null;
  /** Of all of them. */
  readonly bytesMax: number;
}

/** DataRow bodies in binary format. */
export interface ReadLeaf {
  readonly leaf: EngineLeaf;
  readonly rows: readonly Buffer[];
  /** By which another leaf's rows want no others than these; null: they are all. */
  readonly join: LeafJoin | null;
}

export interface LeavesRequest {
  readonly all: readonly LeafRows[];
  readonly joins: readonly LeafJoin[];
  /** The engine's server, for rows that it has itself. */
  readonly engine: ServerConnection;
  readonly limits: LeafLimits;
  /** What was too large the last time: whole, or as another leaf wants it. */
  readonly large: WeakSet<EngineLeaf | LeafJoin>;
  /** Nothing can be done where one is too large. */
  readonly needsAll: boolean;
}

/**
 * null in place of a leaf that is too large. Those that have conditions of their own come first, by values before any
 * other: what they leave may tell which rows of others are wanted, of which a large table has few. null: nothing can be
 * done.
 */
export async function readLeaves(
  request: LeavesRequest,
): Promise<readonly (ReadLeaf | null)[] | null> {
  const { all, joins, large, limits } = request;
  const read = new Map<number, ReadLeaf>();
  const tooLarge = new Set<number>();
  const isOpen = (i: number) => !read.has(i) && !tooLarge.has(i);
  const rowsOf = ({ from }: LeafJoin) => read.get(from)!.rows.length;
  /** Of those that want its rows the one with the fewest. */
  const wanting = (i: number) =>
    joins
      .filter((join) => join.leaf === i && read.has(join.from) && !large.has(join))
      .sort((a, b) => rowsOf(a) - rowsOf(b))[0];
  /** It may turn out to be wanted by one that is still to be read. */
  const mayNarrow = (i: number) =>
    joins.some((join) => join.leaf === i && isOpen(join.from) && !large.has(join));
  let bytesLeft = limits.bytesMax;
  for (let i = next(); i !== null; i = next()) {
    const each = all[i]!;
    const join = wanting(i) ?? null;
    const key = join ?? each.leaf;
    const wanted = join === null ? null : { join, by: read.get(join.from)! };
    const isLarge = each.leaf.elements === null || large.has(key);
    const rows = isLarge ? null : await readLeaf(each, wanted, request, bytesLeft);
    if (rows !== null) {
      read.set(i, { leaf: each.leaf, rows, join });
      tooLarge.delete(i);
      for (const row of rows) bytesLeft -= row.length;
      // Others that were too large may be small as this one wants them.
      for (const other of tooLarge) if (wanting(other) !== undefined) tooLarge.delete(other);
      continue;
    }
    large.add(key);
    // So it is whole.
    large.add(each.leaf);
    if (wanting(i) !== undefined) continue;
    tooLarge.add(i);
    if (request.needsAll && !mayNarrow(i)) return null;
  }
  return all.map((_, i) => read.get(i) ?? null);

  function next(): number | null {
    const open = all.flatMap((_, i) => (isOpen(i) ? [i] : []));
    const first =
      open.find((i) => wanting(i) !== undefined) ??
      open.find((i) => all[i]!.keys !== null || all[i]!.leaf.filters.some(namesValues)) ??
      open.find((i) => all[i]!.filters.length > 0) ??
      open.find((i) => !mayNarrow(i)) ??
      open[0];
    return first ?? null;
  }
}

interface Wanted {
  readonly join: LeafJoin;
  readonly by: ReadLeaf;
}

/** null: too many rows on one shard, or bytes on all. */
async function readLeaf(
  from: LeafRows,
  wanted: Wanted | null,
  { engine, limits: { rowsMax } }: LeavesRequest,
  bytesMax: number,
): Promise<readonly Buffer[] | null> {
  const servers = from.fromEngine ? [engine, ...from.sources] : from.sources;
  const limit = rowsMax === null ? '' : ` LIMIT ${rowsMax + 1}`;
  const { leaf, keys, filters } = carried(from);
  const condition = wanted === null ? null : conditionOf(wanted);
  const own = { leaf, keys, filters: condition === null ? filters : [...filters, condition.sql] };
  const parameters = condition?.parameters ?? NO_PARAMETERS;
  const answers = await Promise.allSettled(
    servers.map((server) => {
      const sql = `${leafSql(own, server.shard.id)}${limit}`;
      return readAll(server, sql, parameters, bytesMax);
    }),
  );
  const rows: Buffer[] = [];
  let isTooMuch = false;
  for (const answer of answers) {
    if (answer.status === 'rejected') throw answer.reason;
    const { value } = answer;
    isTooMuch ||= value === null || (rowsMax !== null && value.length > rowsMax);
    rows.push(...(value ?? []));
  }
  const bytes = rows.reduce((sum, row) => sum + row.length, 0);
  return isTooMuch || bytes > bytesMax ? null : rows;
}

/** That the column has one of the other's values. */
function conditionOf({ join: { column, fromColumn }, by: { leaf, rows } }: Wanted): {
  sql: string;
  parameters: BoundParameters;
} {
  const at = leaf.columns.indexOf(fromColumn);
  const { type, typeOid } = leaf.elements![at]!;
  const values = [arrayOf(rows, at, typeOid)];
  return {
    sql: `${column} OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.${type}[])`,
    parameters: { values, formats: [1], types: [0] },
  };
}

/** What has no array of its own kind is read as text. */
function carried({ leaf, keys, filters }: LeafRows): Parameters<typeof leafSql>[0] {
  const columns = leaf.columns.map((column, i) =>
    leaf.elements![i]!.cast === null ? column : `${column}::pg_catalog.text`,
  );
  return { leaf: { ...leaf, columns }, keys, filters };
}

/** null: more than `bytesMax`. */
async function readAll(
  server: ServerConnection,
  sql: string,
  parameters: BoundParameters,
  bytesMax: number,
): Promise<Buffer[] | null> {
  const stream = await openShardStream(server, { sql, parameters, resultFormats: [1] });
  const rows: Buffer[] = [];
  let bytes = 0;
  for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
    for (const row of batch) bytes += row.length;
    rows.push(...batch);
    if (bytes <= bytesMax) continue;
    await stream.discard();
    return null;
  }
  await stream.done;
  return rows;
}
