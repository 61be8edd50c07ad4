// Gather: runs a statement on several shards at once and merges their rows into one answer.

import { SQLSTATE } from '../base/sqlstate.ts';
import type { AggregateMerge, ConcatMerge, ShardSql } from '../plan/plan.ts';
import { ServerError } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { DEFAULT_OUTPUT_STYLE, INTERVAL_STYLES, type OutputStyle } from '../value/output-style.ts';
import type { FieldDescription } from '../wire/row.ts';
import type { Description } from './describe.ts';
import { type HeldRows, readHeld } from './held-rows.ts';
import { lockInOrder } from './locked-rows.ts';
import { mergeRows, shardFormats } from './merge/merge-rows.ts';
import { withAllVariances, withShownVariances } from './merge/shard-layout.ts';
import { type BoundParameters, formatAt, resolveBound, rowsWanted } from './parameters.ts';
import { openPortalStream, type PortalStream } from './portal-stream.ts';
import { openShardStream, type ShardStatement, type ShardStream } from './shard-stream.ts';

export interface GatherRequest {
  /** The transaction has set extra_float_digits, which no server reports. */
  readonly setsDigits?: boolean;
  /** One per shard, in shard order, owing nothing. They stay the caller's. */
  readonly connections: readonly ServerConnection[];
  readonly merge: ConcatMerge | AggregateMerge;
  /** Of the client's statement, as one server describes it. */
  readonly description: Description;
  readonly parameters: BoundParameters;
  /** As in Bind: none, one for all, or one per column. */
  readonly resultFormats: readonly number[];
  /**
   * The merge may stop at any row while its transaction goes on: the shards are asked for so many
   * rows at once. null: it runs to its end, or has the connections to itself.
   */
  readonly batchRows: number | null;
  /** Gives the name under which servers may keep a statement; null: they are not to. */
  readonly keep: KeepStatement | null;
  /** Bounds of what a merge may hold in memory. */
  readonly rowsMax: number;
  readonly bytesMax: number;
}

export interface KeepStatement {
  nameOf(sql: string, parameterTypes: readonly number[]): string;
  /** A server would not have it so: it has been sent as one that is not kept. */
  refused(): void;
}

export interface Gather {
  /** Batches of DataRow bodies in the formats asked for. */
  readonly batches: AsyncGenerator<readonly Buffer[]>;
  /** Resolves when no connection owes anything more. To be called in any case, once. */
  close(): Promise<void>;
  /** Once it is closed: what a shard has met behind the last row that was wanted. */
  late(): Error | null;
}

/** The description's fields with the formats a client asked for in Bind. */
export function formattedFields(
  description: Description,
  resultFormats: readonly number[],
): FieldDescription[] {
  const fields = description.fields ?? [];
  return fields.map((field, i) => ({ ...field, format: formatAt(resultFormats, i) }));
}

/** Starts the statement on all shards; rejects, with nothing owed, when a shard refuses it. */
export async function openGather(request: GatherRequest): Promise<Gather> {
  const { description } = request;
  const parameters = { ...request.parameters, types: description.parameterTypes };
  const limit = resolveBound(request.merge.limit, 'LIMIT', parameters);
  const offset = resolveBound(request.merge.offset, 'OFFSET', parameters) ?? 0n;
  const output = formattedFields(description, request.resultFormats);
  const statementOf = (merge: GatherRequest['merge']): ShardStatement => ({
    sql: shardSqlText(merge.shardSql, limit, offset),
    parameters,
    resultFormats: shardFormats(
      merge,
      output.map((field) => field.format),
    ),
  });
  const { merge, inputs } =
    request.merge.how === 'aggregate'
      ? await openAggregate(request, withShownVariances(request.merge, output), statementOf)
      : await openConcat(request, request.merge, statementOf(request.merge), limit, offset);
  const batches = mergeRows({
    merge,
    inputs,
    output,
    limit,
    offset,
    parameter: (i) => ({
      value: parameters.values[i] ?? null,
      format: formatAt(parameters.formats, i),
      typeOid: parameters.types[i] ?? 0,
    }),
    style: styleOf(request),
    rowsMax: request.rowsMax,
    bytesMax: request.bytesMax,
  });
  return {
    batches,
    close: async () => {
      await batches.return(undefined);
      await Promise.all(inputs.map((input) => input.discard()));
    },
    late: () => inputs.find(({ error }) => error !== null)?.error ?? null,
  };
}

interface Opened {
  readonly merge: GatherRequest['merge'];
  readonly inputs: readonly (ShardStream | PortalStream | HeldRows)[];
}

/** Asked again where averages turn out to be of floats, which nothing that is put out has shown. */
async function openAggregate(
  request: GatherRequest,
  merge: AggregateMerge,
  statementOf: (merge: AggregateMerge) => ShardStatement,
): Promise<Opened> {
  const inputs = await openAll(request, statementOf(merge));
  const complete = withAllVariances(merge, inputs[0]?.fields ?? []);
  if (complete === merge) return { merge, inputs };
  await Promise.all(inputs.map((input) => input.discard()));
  return { merge: complete, inputs: await openAll(request, statementOf(complete)) };
}

async function openConcat(
  request: GatherRequest,
  merge: ConcatMerge,
  statement: ShardStatement,
  limit: bigint | null,
  offset: bigint,
): Promise<Opened> {
  const inputs =
    merge.locks === null
      ? await openAll(request, statement)
      : await readLocking(request, merge, statement, limit, offset);
  return { merge, inputs };
}

/** How the servers write values in this session: they report the style of intervals. */
function styleOf({ connections, setsDigits }: GatherRequest): OutputStyle {
  const [first] = connections;
  const reported = first?.identity.parameters.get('IntervalStyle');
  const digits = first?.settings.assignments.get('extra_float_digits');
  const { intervalStyle, extraFloatDigits } = DEFAULT_OUTPUT_STYLE;
  return {
    intervalStyle: INTERVAL_STYLES.find((each) => each === reported) ?? intervalStyle,
    extraFloatDigits: setsDigits === true ? UNKNOWN_DIGITS : (digitsIn(digits) ?? extraFloatDigits),
  };
}

/** As of those that are too few: the proxy then writes no floats. */
const UNKNOWN_DIGITS = 0;

/** undefined: not set. */
function digitsIn(assignment: string | undefined): number | undefined {
  if (assignment === undefined) return undefined;
  const [digits] = /-?\d+/.exec(assignment) ?? [];
  return digits === undefined ? UNKNOWN_DIGITS : Number(digits);
}

function readLocking(
  request: GatherRequest,
  merge: ConcatMerge,
  statement: ShardStatement,
  limit: bigint | null,
  offset: bigint,
): Promise<HeldRows[]> {
  const { locks, sort, shardSql } = merge;
  if (locks === null || locks === 'byShard') {
    return readInOrder(request, merge, statement, limit, offset);
  }
  const { connections, bytesMax } = request;
  return lockInOrder({
    connections,
    tables: locks,
    sort,
    statement: (rows) => ({
      ...statement,
      sql: shardSqlText(shardSql, rows === null ? null : BigInt(rows), 0n),
    }),
    // More rows than a number can count are as good as all.
    wanted: limit === null ? null : Math.min(Number(limit + offset), Number.MAX_SAFE_INTEGER),
    bytesMax,
  });
}

/**
 * What locks rows visits the shards in their order, so that two such statements wait for each other
 * instead of deadlocking, and asks each for no more rows than are still wanted.
 */
async function readInOrder(
  { connections, bytesMax }: GatherRequest,
  { shardSql }: ConcatMerge,
  statement: ShardStatement,
  limit: bigint | null,
  offset: bigint,
): Promise<HeldRows[]> {
  const held: HeldRows[] = [];
  let wanted = rowsWanted(limit, offset);
  let bytesLeft = bytesMax;
  for (const connection of connections) {
    if (wanted === 0n && held.length > 0) break;
    const sql = shardSqlText(shardSql, wanted, 0n);
    const rows = await readHeld(connection, { ...statement, sql }, bytesLeft);
    bytesLeft -= rows.bytes;
    if (wanted !== null) wanted -= BigInt(rows.count);
    held.push(rows);
  }
  return held;
}

/** Kept by the servers if that may be: then a plan may be of a table that has changed since. */
async function openAll(
  request: GatherRequest,
  statement: ShardStatement,
): Promise<(ShardStream | PortalStream)[]> {
  const { keep } = request;
  if (keep === null) return openOn(request, statement);
  const name = keep.nameOf(statement.sql, statement.parameters.types);
  try {
    return await openOn(request, { ...statement, name });
  } catch (error) {
    if (!(error instanceof ServerError) || !OUTDATED.has(error.fields.code)) throw error;
    keep.refused();
    return openOn(request, statement);
  }
}

/** What a kept statement can be answered by and its text not; nothing has been done. */
const OUTDATED = new Set<string>([
  SQLSTATE.featureNotSupported,
  SQLSTATE.invalidSqlStatementName,
  SQLSTATE.duplicatePreparedStatement,
]);

async function openOn(
  { connections, batchRows }: GatherRequest,
  statement: ShardStatement,
): Promise<(ShardStream | PortalStream)[]> {
  const opened = await Promise.allSettled<ShardStream | PortalStream>(
    connections.map((connection) =>
      batchRows === null
        ? openShardStream(connection, statement)
        : openPortalStream(connection, statement, batchRows),
    ),
  );
  const failure = opened.find((each) => each.status === 'rejected');
  const streams = opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  if (failure === undefined) return streams;
  await Promise.all(streams.map((stream) => stream.discard()));
  throw failure.reason;
}

/** What every shard is sent. Throws as PostgreSQL does for a LIMIT or OFFSET that is none. */
export function shardTextOf(
  { limit, offset, shardSql }: AggregateMerge | ConcatMerge,
  parameters: BoundParameters,
): string {
  return shardSqlText(
    shardSql,
    resolveBound(limit, 'LIMIT', parameters),
    resolveBound(offset, 'OFFSET', parameters) ?? 0n,
  );
}

/** Where no row is asked for, none is computed, as on one server. */
function shardSqlText(
  { before, after, pushLimit }: ShardSql,
  limit: bigint | null,
  offset: bigint,
): string {
  if (!pushLimit) return `${before}${after}${limit === 0n ? ' LIMIT 0' : ''}`;
  const wanted = limit === 0n ? limit : rowsWanted(limit, offset);
  return `${before}${wanted === null ? '' : ` LIMIT ${wanted}`}${after}`;
}
