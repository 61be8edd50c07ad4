// Inline: leaves of few rows as array parameters of the statement, without a temporary table.

import { SQLSTATE } from '../../base/sqlstate.ts';
import { withLeaves } from '../../plan/engine-plan.ts';
import type { EngineLeaf } from '../../plan/plan.ts';
import { query, ServerError } from '../../pool/query.ts';
import type { ServerConnection } from '../../pool/server-connection.ts';
import { describe } from '../describe.ts';
import type { Gather } from '../gather.ts';
import { type BoundParameters, formatAt, NO_PARAMETERS } from '../parameters.ts';
import { openPortalStream } from '../portal-stream.ts';
import { openShardStream } from '../shard-stream.ts';
import { arrayOf } from './array-parameter.ts';
import {
  type EngineRequest,
  GROUPS,
  type LeafRows,
  leafSql,
  viewChecks,
  withoutPosition,
} from './engine.ts';

export interface InlineLimits {
  /** Of one leaf on one server; null: any number. */
  readonly rowsMax: number | null;
  /** Of all of them. */
  readonly bytesMax: number;
}

/** The engine is in a transaction that goes on, and must not fail for what is only tried. */
export interface Within {
  /** As of GatherRequest. */
  readonly batchRows: number | null;
}

/**
 * Starts the statement with the rows read into memory. null: they are more than the limits, or the
 * statement needs a table's primary key; nothing is owed then. Rejects like openEngine.
 */
export async function openInline(
  request: EngineRequest,
  limits: InlineLimits,
  within: Within | null,
): Promise<Gather | null> {
  const { input, rows, engine, views, resultFormats } = request;
  if (input.marked === null) return null;
  try {
    if (views.length > 0) await query(engine, viewChecks(views));
    const leaves = await readLeaves(rows, engine, limits);
    if (leaves === null) return null;
    const { sql, parameters } = inlined(input.marked, leaves, request);
    if (within !== null && !(await isGrouped(engine, sql, parameters))) return null;
    const batchRows = within?.batchRows ?? null;
    const statement = { sql, parameters, resultFormats };
    const stream =
      batchRows === null
        ? await openShardStream(engine, statement)
        : await openPortalStream(engine, statement, batchRows);
    async function* batches(): AsyncGenerator<readonly Buffer[]> {
      try {
        for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
          yield batch;
        }
      } catch (error) {
        throw withoutPosition(error);
      }
    }
    const generator = batches();
    return {
      batches: generator,
      close: async () => {
        await generator.return(undefined);
        await stream.discard();
      },
    };
  } catch (error) {
    if (isGroupingError(error) && within === null) return null;
    throw withoutPosition(error);
  }
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

interface ReadLeaf {
  readonly leaf: EngineLeaf;
  readonly rows: readonly Buffer[];
}

async function readLeaves(
  all: readonly LeafRows[],
  engine: ServerConnection,
  { rowsMax, bytesMax }: InlineLimits,
): Promise<readonly ReadLeaf[] | null> {
  const read: ReadLeaf[] = [];
  let bytesLeft = bytesMax;
  for (const each of all) {
    const servers = each.fromEngine ? [engine, ...each.sources] : each.sources;
    const limit = rowsMax === null ? '' : ` LIMIT ${rowsMax + 1}`;
    const sql = `${leafSql(carried(each))}${limit}`;
    const answers = await Promise.allSettled(
      servers.map((server) => readAll(server, sql, bytesLeft)),
    );
    const rows: Buffer[] = [];
    for (const answer of answers) {
      if (answer.status === 'rejected') throw answer.reason;
      const { value } = answer;
      if (value === null || (rowsMax !== null && value.length > rowsMax)) return null;
      rows.push(...value);
      for (const row of value) bytesLeft -= row.length;
    }
    if (bytesLeft < 0) return null;
    read.push({ leaf: each.leaf, rows });
  }
  return read;
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
  bytesMax: number,
): Promise<Buffer[] | null> {
  const statement = { sql, parameters: NO_PARAMETERS, resultFormats: [1] };
  const stream = await openShardStream(server, statement);
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

/** The arrays come behind the parameters of the statement. */
function inlined(
  marked: string,
  leaves: readonly ReadLeaf[],
  { parameters }: EngineRequest,
): { sql: string; parameters: BoundParameters } {
  const count = Math.max(parameters.values.length, parameters.types.length);
  const given = Array.from({ length: count }, (_, i) => parameters.values[i] ?? null);
  const values = [...given];
  const relations = leaves.map(({ leaf, rows }) => {
    const arrays = leaf.elements!.map(({ type, typeOid }, column) => {
      values.push(arrayOf(rows, column, typeOid));
      return `pg_catalog.unnest($${values.length}::pg_catalog.${type}[])`;
    });
    const items = leaf.columns.map((column, i) => {
      const { cast } = leaf.elements![i]!;
      return cast === null ? column : `${column}::pg_catalog.${cast} AS ${column}`;
    });
    const names = leaf.columns.join(', ');
    const relation = `ROWS FROM (${arrays.join(', ')}) AS drive_leaf (${names})`;
    return `(SELECT ${items.join(', ')} FROM ${relation})`;
  });
  return {
    sql: withLeaves(marked, (n) => relations[n - 1]!),
    parameters: {
      values,
      formats: values.map((_, i) => (i < count ? formatAt(parameters.formats, i) : 1)),
      types: Array.from({ length: count }, (_, i) => parameters.types[i] ?? 0),
    },
  };
}
