// Inline: leaves of few rows as array parameters of the statement, without a temporary table.

import { ENGINE_INLINE_PAIRS_MAX, MERGE_BATCH_ROWS } from '../../base/limits.ts';
import { quoteLiteral } from '../../base/quote.ts';
import { SQLSTATE } from '../../base/sqlstate.ts';
import {
  type Broadcast,
  IDENTITY,
  type LeafJoin,
  leavesIn,
  TABLE_NAME,
  withLeaves,
} from '../../plan/engine-plan.ts';
import type { EngineLeaf } from '../../plan/plan.ts';
import { query, ServerError } from '../../pool/query.ts';
import type { ServerConnection } from '../../pool/server-connection.ts';
import { type Description, describe } from '../describe.ts';
import type { Gather } from '../gather.ts';
import { type BoundParameters, formatAt } from '../parameters.ts';
import { openPortalStream, type PortalStream } from '../portal-stream.ts';
import { openShardStream, type ShardStatement } from '../shard-stream.ts';
import { arrayOf } from './array-parameter.ts';
import { givenTo, openBroadcast } from './broadcast.ts';
import { type EngineRequest, GROUPS, type LeafRows, viewChecks } from './engine.ts';
import { engineGather, withoutPosition } from './engine-gather.ts';
import { type LeafLimits, type ReadLeaf, readLeaves } from './read-leaves.ts';

/** The engine is in a transaction that goes on, and must not fail for what is only tried. */
export interface Within {
  /** As of GatherRequest. */
  readonly batchRows: number | null;
}

/** What else than the engine alone may compute the statement. */
export interface Spread {
  readonly broadcasts: readonly Broadcast[];
  /** Leaves behind those of the statement that broadcasts give to the shards. */
  readonly beside: readonly LeafRows[];
  /** Of the statement, as one server describes it. */
  readonly description: Description;
  /** Leaves that were too large the last time; those that are now become some. */
  readonly large: WeakSet<EngineLeaf | LeafJoin>;
  /** Bounds of the merge, as of GatherRequest. */
  readonly rowsMax: number;
  readonly bytesMax: number;
  /** The connections to the shards of a broadcast, in shard order. */
  connections(broadcast: Broadcast): readonly ServerConnection[];
}

export interface Inline {
  readonly gather: Gather;
  /** All connections are in use; else that of the engine alone. */
  readonly isSpread: boolean;
}

/**
 * Starts the statement with the rows read into memory: on the engine or, with those of some leaves
 * only, on all shards. null: there are more than the limits, or the statement needs a table's primary
 * key; nothing is owed then. Rejects like openEngine.
 */
export async function openInline(
  request: EngineRequest,
  limits: LeafLimits,
  within: Within | null,
  spread: Spread,
): Promise<Inline | null> {
  const { input, rows, engine, views } = request;
  const mayTravel = input.leaves.every(({ elements }) => elements !== null);
  if (!mayTravel && spread.broadcasts.length === 0) return null;
  try {
    if (views.length > 0) await query(engine, viewChecks(views));
    const { large, broadcasts } = spread;
    const needsAll = broadcasts.length === 0;
    const reading = { all: rows, joins: input.joins, engine, limits, large, needsAll };
    let all: readonly (ReadLeaf | null)[];
    let broadcast: Broadcast | undefined;
    do {
      const leaves = await readLeaves(reading);
      if (leaves === null) return null;
      if (leaves.every((leaf) => leaf !== null)) {
        const isMany = pairsOf(input.marked, leaves) > ENGINE_INLINE_PAIRS_MAX;
        if (!isMany || limits.rowsMax === null) {
          const gather = await openAlone(input.marked, leaves, request, within, isMany);
          return gather === null ? null : { gather, isSpread: false };
        }
      }
      all = [...leaves, ...(await readBeside(leaves, engine, limits, spread))];
      broadcast = broadcasts.find((each) => suffices(each, all));
      const small = broadcast?.small ?? [];
      const unused = leaves.flatMap((leaf, i) => (small.includes(i) ? [] : (leaf?.join ?? [])));
      if (broadcast === undefined && (needsAll || unused.length === 0)) return null;
      // As they are without the others, the shards may take some.
      for (const join of unused) large.add(join);
    } while (broadcast === undefined);
    // Others that are small, too, may be the shards' own tables there.
    const sent = all.map((leaf, i) => (broadcast.small.includes(i) ? leaf : null));
    const { relations, parameters } = relationsOf(sent, request.parameters);
    const given = givenTo(broadcast, relations);
    const { before, after } = given.shardSql;
    if (within !== null && !(await isGrouped(engine, before + after, parameters))) return null;
    const gather = await openBroadcast(given, parameters, spread.connections(broadcast), {
      ...spread,
      resultFormats: request.resultFormats,
      batchRows: within?.batchRows ?? null,
    });
    return gather === null ? null : { gather, isSpread: true };
  } catch (error) {
    if (isGroupingError(error) && within === null) return null;
    throw withoutPosition(error);
  }
}

/** Of rows that a plan may compare one by one, at most. */
function pairsOf(marked: string, leaves: readonly ReadLeaf[]): number {
  const counts = leavesIn(marked).map((n) => leaves[n - 1]!.rows.length);
  const [most = 0, next = 0] = counts.sort((a, b) => b - a);
  return most * next;
}

/** The same in a transaction, planned to compare hashes or sorted rows. */
async function openPlanned(
  engine: ServerConnection,
  statement: ShardStatement,
  batchRows: number,
): Promise<PortalStream> {
  const set = (value: string) =>
    `pg_catalog.set_config('enable_nestloop', ${quoteLiteral(value)}, true)`;
  const own = "pg_catalog.current_setting('enable_nestloop')";
  const { rows } = await query(engine, `SELECT ${own}, ${set('off')}`);
  const stream = await openPortalStream(engine, statement, batchRows, false);
  // What is computed may show it.
  await query(engine, `SELECT ${set(rows[0]![0]!)}`);
  return stream;
}

/** null: a column follows from a primary key. `isMany`: see ENGINE_INLINE_PAIRS_MAX. */
async function openAlone(
  marked: string,
  leaves: readonly ReadLeaf[],
  request: EngineRequest,
  within: Within | null,
  isMany: boolean,
): Promise<Gather | null> {
  const { engine, resultFormats } = request;
  const { relations, parameters } = relationsOf(leaves, request.parameters);
  const sql = withLeaves(marked, (n) => relations[n - 1]!);
  if (within !== null && !(await isGrouped(engine, sql, parameters))) return null;
  const batchRows = within?.batchRows ?? null;
  const statement = { sql, parameters, resultFormats };
  const stream =
    within !== null && isMany
      ? await openPlanned(engine, statement, batchRows ?? MERGE_BATCH_ROWS)
      : batchRows === null
        ? await openShardStream(engine, statement)
        : await openPortalStream(engine, statement, batchRows);
  return engineGather(stream, async () => undefined);
}

const isGroupingError = (error: unknown) =>
  error instanceof ServerError && error.fields.code === SQLSTATE.groupingError;

/** False where a column follows from a grouped primary key, which arrays do not have. */
async function isGrouped(
  engine: ServerConnection,
  sql: string,
  { types }: BoundParameters,
): Promise<boolean> {
  if (!GROUPS.test(sql)) return true;
  await query(engine, 'SAVEPOINT drive_inline');
  try {
    await describe(engine, sql, types);
  } catch (error) {
    if (!isGroupingError(error)) throw error;
    await query(engine, 'ROLLBACK TO SAVEPOINT drive_inline; RELEASE SAVEPOINT drive_inline');
    return false;
  }
  await query(engine, 'RELEASE SAVEPOINT drive_inline');
  return true;
}

/** The leaves beside those of the statement, where some broadcast lacks nothing else. */
async function readBeside(
  leaves: readonly (ReadLeaf | null)[],
  engine: ServerConnection,
  { rowsMax, bytesMax }: LeafLimits,
  { broadcasts, beside, large }: Spread,
): Promise<readonly (ReadLeaf | null)[]> {
  const isWanted = broadcasts.some(({ small }) => small.every((i) => leaves[i] !== null));
  if (!isWanted) return beside.map(() => null);
  const bytes = leaves
    .flatMap((leaf) => leaf?.rows ?? [])
    .reduce((sum, row) => sum + row.length, 0);
  const limits = { rowsMax, bytesMax: bytesMax - bytes };
  const request = { all: beside, joins: [], engine, limits, large, needsAll: false };
  return (await readLeaves(request))!;
}

/** What has been read is enough: also what has told which rows of others are wanted. */
function suffices({ small }: Broadcast, leaves: readonly (ReadLeaf | null)[]): boolean {
  return small.every((i) => {
    const leaf = leaves[i] ?? null;
    return leaf !== null && (leaf.join === null || small.includes(leaf.join.from));
  });
}

const NAME = { name: TABLE_NAME, type: 'text', typeOid: 25, cast: null };

/** Each leaf as a relation, '' for one that is not there; arrays come behind the parameters. */
function relationsOf(
  leaves: readonly (ReadLeaf | null)[],
  { values: own, formats, types }: BoundParameters,
): { relations: readonly string[]; parameters: BoundParameters } {
  const count = Math.max(own.length, types.length);
  const values = Array.from({ length: count }, (_, i) => own[i] ?? null);
  const relations = leaves.map((read) => {
    if (read === null) return '';
    const { leaf, rows } = read;
    const more = [...(leaf.identified ? IDENTITY : []), ...(leaf.named ? [NAME] : [])];
    const elements = [...leaf.elements!, ...more];
    const columns = [...leaf.columns, ...more.map(({ name }) => name)];
    const arrays = elements.map(({ type, typeOid }, column) => {
      values.push(arrayOf(rows, column, typeOid));
      return `pg_catalog.unnest($${values.length}::pg_catalog.${type}[])`;
    });
    const items = columns.map((column, i) => {
      const { cast } = elements[i]!;
      return cast === null ? column : `${column}::pg_catalog.${cast} AS ${column}`;
    });
    const names = columns.join(', ');
    const relation = `ROWS FROM (${arrays.join(', ')}) AS drive_leaf (${names})`;
    return `(SELECT ${items.join(', ')} FROM ${relation})`;
  });
  return {
    relations,
    parameters: {
      values,
      formats: values.map((_, i) => (i < count ? formatAt(formats, i) : 1)),
      types: Array.from({ length: count }, (_, i) => types[i] ?? 0),
    },
  };
}
