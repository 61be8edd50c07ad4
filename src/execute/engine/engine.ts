// Engine: PostgreSQL itself computes a statement over copies of the rows of all shards.

import { ENGINE_ANALYZE_BYTES_MIN } from '../../base/limits.ts';
import { SQLSTATE } from '../../base/sqlstate.ts';
import { IDENTITY, TABLE_NAME } from '../../plan/engine-plan.ts';
import type { EngineInput, EngineLeaf } from '../../plan/plan.ts';
import { query, ServerError } from '../../pool/query.ts';
import type { ServerConnection } from '../../pool/server-connection.ts';
import { describe } from '../describe.ts';
import type { Gather } from '../gather.ts';
import type { BoundParameters } from '../parameters.ts';
import { openShardStream } from '../shard-stream.ts';
import { type IndexedCopies, indexCopies } from './copy-indexes.ts';
import { type ToldColumns, toldRows } from './copy-oids.ts';
import { analyzeCopies } from './copy-statistics.ts';
import { engineGather, withoutPosition } from './engine-gather.ts';
import { CopyBudget, fill } from './fill.ts';
import { definitionsOf, primaryKeysOf } from './leaf-definition.ts';
import { steadyText } from './steady-text.ts';

/** Where the rows of one leaf are. */
export interface LeafRows {
  readonly leaf: EngineLeaf;
  /** Values of the sharding key, as SQL; null: all rows. */
  readonly keys: readonly string[] | null;
  /** Conditions that may be left to the engine; as SQL. */
  readonly filters: readonly string[];
  /** The servers they are copied from. */
  readonly sources: readonly ServerConnection[];
  /** The engine's own server has some, which are taken without a copy over the wire. */
  readonly fromEngine: boolean;
}

export interface CopiesRequest {
  /** A connection to the home shard. It stays the caller's. */
  readonly engine: ServerConnection;
  /** Makes what the copies go with: a transaction like the session's, or a savepoint. */
  readonly begin: string;
  /** Undoes all since `begin`: ROLLBACK if not given. */
  readonly abandon?: string;
  readonly input: EngineInput;
  /** What is computed, where the statement of `input` asks for its plan. */
  readonly explained?: string;
  /** Quoted names of views that the user must be allowed to read. */
  readonly views: readonly string[];
  readonly rows: readonly LeafRows[];
  /** Who knows the tables' columns where the engine may not yet; null: the engine itself. */
  readonly definer: ServerConnection | null;
  /** Types as one server resolved them. */
  readonly parameters: BoundParameters;
  readonly spillBytesMax: number;
}

export interface EngineRequest extends CopiesRequest, ToldColumns {}

/**
 * Copies the rows and starts the statement. Rejects with ServerError or SqlError, with nothing owed
 * and the engine outside of a transaction; 53400 where too much would be copied.
 */
export async function openEngine(request: EngineRequest): Promise<Gather> {
  const { engine, input, parameters, resultFormats } = request;
  await copyRows(request);
  try {
    const told = await toldRows(engine, input.leaves, request);
    const statement = { sql: input.sql, parameters, resultFormats };
    const stream = await openShardStream(engine, statement);
    return engineGather(stream, (isWell) => endEngine(engine, isWell), told);
  } catch (error) {
    await abandon(request);
    throw withoutPosition(error, request.definer !== null);
  }
}

/** What is behind `begin` when it resolves are the copies. Rejects as `openEngine` does. */
export async function copyRows(request: CopiesRequest): Promise<void> {
  const { engine, input, definer } = request;
  try {
    let readOnly = await begin(request, []);
    if (GROUPS.test(input.sql) && !(await isGroupedRight(request))) {
      await query(engine, request.abandon ?? 'ROLLBACK');
      readOnly = await begin(request, await primaryKeysOf(definer ?? engine, input.leaves));
    }
    const large = await copyLeaves(request);
    if (large.length > 0) {
      await analyzeCopies(engine, large);
      await indexCopies(copiesOf(request));
    }
    if (readOnly) await query(engine, 'SET TRANSACTION READ ONLY');
  } catch (error) {
    await abandon(request);
    throw withoutPosition(error, request.definer !== null);
  }
}

const nameOf = (index: number) => `pg_temp.drive_leaf_${index + 1}`;

/** What may name a column that follows from a grouped primary key. */
export const GROUPS = /\bgroup\b/i;

/**
 * False where a column that is not grouped is meant to follow from a grouped primary key, which the
 * copies do not have: an index for every statement that groups would cost too much.
 */
async function isGroupedRight({ engine, input, parameters }: CopiesRequest): Promise<boolean> {
  try {
    await describe(engine, input.sql, parameters.types);
    return true;
  } catch (error) {
    if (error instanceof ServerError && error.fields.code === SQLSTATE.groupingError) return false;
    throw error;
  }
}

/**
 * True when the session's transactions are read-only: the copies must be made before that. `keys`:
 * the primary key of each leaf, where it is to have one.
 */
async function begin(
  { engine, begin, input, views, definer }: CopiesRequest,
  keys: readonly (string | null)[],
): Promise<boolean> {
  if (definer !== null && views.length > 0) await query(definer, viewChecks(views));
  const definitions = definer === null ? null : await definitionsOf(definer, input.leaves);
  const tables = input.leaves.map((leaf, i) => {
    const create = `CREATE TEMPORARY TABLE drive_leaf_${i + 1}`;
    if (definitions !== null) return `${create} (${definitions[i]!}) ON COMMIT DROP`;
    return `${create} ON COMMIT DROP AS ${leafSql(NO_ROWS(leaf), 0)} WITH NO DATA`;
  });
  const indexes = keys.flatMap((key, i) =>
    key === null ? [] : [`ALTER TABLE ${nameOf(i)} ADD PRIMARY KEY (${key})`],
  );
  const modes = ['SHOW transaction_read_only', 'SET TRANSACTION READ WRITE'];
  // A line break ends a comment that the client left at the end of its BEGIN.
  const script = [
    begin,
    // Before any query.
    ...modes,
    ...(definer === null && views.length > 0 ? [viewChecks(views)] : []),
    ...tables,
    ...indexes,
  ];
  const { rows } = await query(engine, script.join('\n;'));
  return rows.at(-1)?.[0] === 'on';
}

/** Fails where the user must not read a view. */
export const viewChecks = (views: readonly string[]): string =>
  views.map((view) => `SELECT FROM ${view} LIMIT 0`).join(';');

const copiesOf = ({
  engine,
  definer,
  input,
  explained = input.sql,
  parameters,
}: CopiesRequest): IndexedCopies => ({
  ...{ engine, definer, sql: explained, parameters, leaves: input.leaves },
  copyOf: (index) => ({ name: `drive_leaf_${index + 1}`, sql: nameOf(index) }),
});

/** The copies that are large enough for their plans to matter. */
async function copyLeaves(request: CopiesRequest): Promise<readonly string[]> {
  const { engine, rows, spillBytesMax } = request;
  const budget = new CopyBudget(spillBytesMax);
  const large: string[] = [];
  for (const [i, each] of rows.entries()) {
    const { leaf, sources, fromEngine } = each;
    const copy = nameOf(i);
    const before = budget.bytes;
    if (fromEngine) {
      const select = leafSql(each, engine.shard.id);
      const sql = `INSERT INTO ${copy} ${select}; SELECT pg_catalog.pg_table_size('${copy}')`;
      const { rows: sizes } = await query(engine, sql);
      budget.add(Number(sizes[0]?.[0] ?? 0));
    }
    if (sources.length > 0) {
      const select = (shard: number) => leafSql(steadily(each), shard);
      await fill({ engine, sources, format: leaf.format, copy, select, budget });
    }
    if (budget.bytes - before > ENGINE_ANALYZE_BYTES_MIN) large.push(copy);
  }
  return large;
}

/** As text that the engine reads as the same values, whatever the session has set. */
function steadily(rows: LeafRows): LeafRows {
  const { leaf } = rows;
  const columns = leaf.columns.map((column) =>
    leaf.unsteady.has(column) ? steadyText(column) : column,
  );
  return { ...rows, leaf: { ...leaf, columns } };
}

const NO_ROWS = (leaf: EngineLeaf) => ({ leaf, keys: null, filters: [] });

/** What reads the rows of a leaf on a shard. */
export function leafSql(
  { leaf, keys, filters }: Pick<LeafRows, 'leaf' | 'keys' | 'filters'>,
  shard: number,
): string {
  const { table, only, sample, columns, keyColumn } = leaf;
  const list = columns.length === 0 ? ['*'] : [...columns];
  if (leaf.identified) {
    for (const { name, from } of IDENTITY) {
      list.push(`${from ?? `${shard}::pg_catalog.int4`} AS ${name}`);
    }
  }
  if (leaf.named) {
    list.push(`tableoid::pg_catalog.regclass::pg_catalog.text AS ${TABLE_NAME}`);
  }
  const conditions = [...filters];
  if (keys !== null && keyColumn !== null) conditions.push(`${keyColumn} IN (${keys.join(', ')})`);
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  const from = `${only ? 'ONLY ' : ''}${table}${sample === '' ? '' : ` ${sample}`}`;
  return `SELECT ${list.join(', ')} FROM ${from}${where}`;
}

/** Ends the transaction of the copies, which go with it. */
export async function endEngine(engine: ServerConnection, isWell: boolean): Promise<void> {
  if (isWell) await query(engine, 'COMMIT');
  else await abandon({ engine });
}

/** A server that is lost has rolled back, too. */
async function abandon(request: Pick<CopiesRequest, 'engine' | 'abandon'>): Promise<void> {
  const { engine, abandon = 'ROLLBACK' } = request;
  if (engine.closed) return;
  try {
    await query(engine, abandon);
  } catch (error) {
    engine.tainted = true;
    if (!(error instanceof ServerError) && !engine.closed) throw error;
  }
}
