// Inline: leaves of few rows as array parameters of the statement, without a temporary table.

import { ENGINE_INLINE_BYTES_MAX } from '../../base/limits.ts';
import { SQLSTATE } from '../../base/sqlstate.ts';
import { withLeaves } from '../../plan/engine-plan.ts';
import type { EngineLeaf } from '../../plan/plan.ts';
import { ServerError } from '../../pool/query.ts';
import type { ServerConnection } from '../../pool/server-connection.ts';
import type { FieldDescription } from '../../wire/row.ts';
import type { Gather } from '../gather.ts';
import { type BoundParameters, formatAt, NO_PARAMETERS } from '../parameters.ts';
import { openShardStream } from '../shard-stream.ts';
import { arrayOf } from './array-parameter.ts';
import { type EngineRequest, type LeafRows, leafSql, withoutPosition } from './engine.ts';

/**
 * Starts the statement outside of a transaction, with the rows read into memory. null: they are more
 * than `rowsMax` on one server or too many bytes, or the statement needs a table's primary key; nothing
 * is owed then. Rejects like openEngine.
 */
export async function openInline(request: EngineRequest, rowsMax: number): Promise<Gather | null> {
  const { input, rows, engine, views, resultFormats } = request;
  if (input.marked === null || views.length > 0 || rowsMax === 0) return null;
  try {
    const bytesMax = Math.min(ENGINE_INLINE_BYTES_MAX, request.spillBytesMax);
    const leaves = await readLeaves(rows, engine, rowsMax, bytesMax);
    if (leaves === null) return null;
    const { sql, parameters } = inlined(input.marked, leaves, request);
    const stream = await openShardStream(engine, { sql, parameters, resultFormats });
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
    const groups = error instanceof ServerError && error.fields.code === SQLSTATE.groupingError;
    if (groups) return null;
    throw withoutPosition(error);
  }
}

interface ReadLeaf {
  readonly leaf: EngineLeaf;
  readonly rows: readonly Buffer[];
  readonly fields: readonly FieldDescription[];
}

async function readLeaves(
  all: readonly LeafRows[],
  engine: ServerConnection,
  rowsMax: number,
  bytesMax: number,
): Promise<readonly ReadLeaf[] | null> {
  const read: ReadLeaf[] = [];
  let bytesLeft = bytesMax;
  for (const each of all) {
    const servers = each.fromEngine ? [engine, ...each.sources] : each.sources;
    // No key is left: nobody tells the columns' types.
    if (servers.length === 0) return null;
    const sql = `${leafSql(each)} LIMIT ${rowsMax + 1}`;
    const answers = await Promise.allSettled(
      servers.map((server) => readAll(server, sql, bytesLeft)),
    );
    const rows: Buffer[] = [];
    let fields: readonly FieldDescription[] = [];
    for (const answer of answers) {
      if (answer.status === 'rejected') throw answer.reason;
      if (answer.value === null || answer.value.rows.length > rowsMax) return null;
      fields = answer.value.fields;
      rows.push(...answer.value.rows);
      for (const row of answer.value.rows) bytesLeft -= row.length;
    }
    if (bytesLeft < 0) return null;
    read.push({ leaf: each.leaf, rows, fields });
  }
  return read;
}

/** null: more than `bytesMax`. */
async function readAll(
  server: ServerConnection,
  sql: string,
  bytesMax: number,
): Promise<{ rows: Buffer[]; fields: readonly FieldDescription[] } | null> {
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
  return { rows, fields: stream.fields };
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
  const relations = leaves.map(({ leaf, rows, fields }) => {
    const arrays = leaf.elementTypes!.map((type, column) => {
      values.push(arrayOf(rows, column, fields[column]!.typeOid));
      return `pg_catalog.unnest($${values.length}::pg_catalog.${type}[])`;
    });
    const names = leaf.columns.join(', ');
    return `(SELECT * FROM ROWS FROM (${arrays.join(', ')}) AS drive_leaf (${names}))`;
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
