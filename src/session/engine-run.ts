// Engine run: gives the merge engine its connections, and takes them back.

import { randomUUID } from 'node:crypto';
import { SqlError } from '../base/errors.ts';
import { ENGINE_INLINE_BYTES_MAX, ENGINE_OWN_BYTES_MAX } from '../base/limits.ts';
import type { Description } from '../execute/describe.ts';
import { oidsOfCopies, type ToldColumns } from '../execute/engine/copy-oids.ts';
import {
  copyRows,
  type EngineRequest,
  endEngine,
  type LeafRows,
  leafSql,
  openEngine,
} from '../execute/engine/engine.ts';
import { withoutPosition } from '../execute/engine/engine-gather.ts';
import { type Inline, openInline, type Spread, type Within } from '../execute/engine/inline.ts';
import { type ExplainedPart, explainOn } from '../execute/explain.ts';
import type { Gather } from '../execute/gather.ts';
import { NO_PARAMETERS } from '../execute/parameters.ts';
import { openShardStream } from '../execute/shard-stream.ts';
import type { Transaction } from '../execute/transaction.ts';
import type { Broadcast, EngineCopyMerge } from '../plan/engine-plan.ts';
import type {
  CursorMerge,
  EngineInput,
  EngineLeaf,
  EngineMerge,
  ExplainMerge,
} from '../plan/plan.ts';
import { targetsOf } from '../plan/route.ts';
import { severalShards } from '../plan/unsupported.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { OidMapping } from '../topology/shard-oids.ts';
import type { SessionContext } from './context.ts';
import { sendCopyOut } from './copy-runner.ts';
import { enlist, enlistReaders, leafRowsOf, lend, placeOf } from './engine-lend.ts';
import { batchRowsOf, type Execution, type RunnerDependencies } from './execution.ts';

import type { RunningGather } from './running-gather.ts';
import type { SessionState } from './state.ts';

/** What the engine needs for one statement. */
interface Prepared {
  readonly input: EngineInput;
  readonly rows: readonly LeafRows[];
  readonly engine: ServerConnection;
  /** BEGIN and what else makes the engine's transaction like the session's. */
  readonly begin: string;
  readonly definer: ServerConnection | null;
  /** By shard; of the engine's own where it does not read itself. */
  readonly readers: ReadonlyMap<number, ServerConnection>;
}

/** Rejects with SqlError or ServerError; every connection has then been given back. */
export async function openEngineRun(
  merge: EngineMerge,
  execution: Execution,
  description: Description,
  state: SessionState,
  context: SessionContext,
): Promise<RunningGather> {
  const borrowed: ServerConnection[] = [];
  const release = () => {
    for (const connection of borrowed.splice(0)) state.giveBack(connection);
  };
  try {
    const { transaction } = state;
    if (transaction !== null) {
      const gather = await openOwn(merge, transaction, execution, description, context);
      if (gather !== null) return { gather, rest: [], release };
    }
    const prepared = await prepare(merge, execution, description, state, context, borrowed);
    const request = {
      ...prepared,
      views: merge.views,
      parameters: { ...execution.parameters, types: description.parameterTypes },
      ...toldColumns(execution, description),
      spillBytesMax: context.spillBytesMax,
    };
    const { engine } = prepared;
    const spread = spreadOf(merge, execution, description, prepared, context);
    const small = transaction === null ? await openSmall(request, context, null, spread) : null;
    if (small?.isSpread) return { gather: small.gather, rest: [], release };
    const gather = small?.gather ?? (await openEngine(request));
    for (const reader of borrowed.splice(0)) if (reader !== engine) state.giveBack(reader);
    borrowed.push(engine);
    return { gather, rest: [], release };
  } catch (error) {
    release();
    throw error;
  }
}

const toldColumns = ({ resultFormats }: Execution, { fields }: Description): ToldColumns => ({
  resultTypes: (fields ?? []).map(({ typeOid }) => typeOid),
  resultFormats,
});

/** null: the rows are too many, or were so the last time. `batchRows`: in a transaction. */
async function openSmall(
  request: EngineRequest,
  { inlineRowsMax, largeInputs, spillBytesMax }: SessionContext,
  within: Within | null,
  spread: Spread,
): Promise<Inline | null> {
  if (inlineRowsMax === 0 || largeInputs.has(request.input)) return null;
  const bytesMax = Math.min(ENGINE_INLINE_BYTES_MAX, spillBytesMax);
  const opened = await openInline(request, { rowsMax: inlineRowsMax, bytesMax }, within, spread);
  if (opened === null) largeInputs.add(request.input);
  return opened;
}

/** What else than the engine may compute the statement, on the connections that it has been lent. */
function spreadOf(
  merge: EngineMerge,
  { values, parameters }: Execution,
  description: Description,
  { engine, readers }: Pick<Prepared, 'engine' | 'readers'>,
  context: SessionContext,
): Spread {
  const { largeInputs: large, mergeRowsMax: rowsMax, mergeBytesMax: bytesMax } = context;
  const { broadcasts } = merge;
  const topology = context.topology();
  const places = merge.beside.map((leaf) => placeOf(leaf, values, topology));
  const bound = { ...parameters, types: description.parameterTypes };
  const beside = leafRowsOf(places, readers, true, bound);
  const connections = ({ route }: Broadcast) =>
    targetsOf(route, values, topology).map((shard) => {
      const reader = shard === HOME_SHARD ? engine : readers.get(shard);
      if (reader === undefined) throw new Error(`a broadcast to shard ${shard}, which has no leaf`);
      return reader;
    });
  return { broadcasts, beside, description, large, rowsMax, bytesMax, connections };
}

/**
 * In a transaction, on its own connection to the home shard, which sees and may do all that the
 * statement may; nothing but parameters can be given to it, as a transaction with a temporary table
 * cannot be prepared. null: the rows are too many, or of types that cannot be parameters.
 */
async function openOwn(
  merge: EngineMerge,
  transaction: Transaction,
  execution: Execution,
  description: Description,
  context: SessionContext,
): Promise<Gather | null> {
  const input = merge.alone;
  const [first = HOME_SHARD] = transaction.participants.keys();
  if (merge.asksRoutineTime && first !== HOME_SHARD) {
    throw new SqlError(severalShards('routineTime'));
  }
  const topology = context.topology();
  const places = input.leaves.map((leaf) => placeOf(leaf, execution.values, topology));
  const readers = await enlistReaders(places, transaction);
  const engine = readers.get(HOME_SHARD)!;
  const parameters = { ...execution.parameters, types: description.parameterTypes };
  const request = {
    engine,
    begin: '',
    definer: null,
    input,
    rows: leafRowsOf(places, readers, true, parameters),
    views: merge.views,
    parameters,
    ...toldColumns(execution, description),
    spillBytesMax: context.spillBytesMax,
  };
  const within = { batchRows: batchRowsOf(execution) };
  const spread = spreadOf(merge, execution, description, { engine, readers }, context);
  if (maySpill(merge, transaction)) {
    return (await openSmall(request, context, within, spread))?.gather ?? null;
  }
  const limits = {
    rowsMax: null,
    bytesMax: Math.min(ENGINE_OWN_BYTES_MAX, context.mergeBytesMax),
  };
  // What was too large for the other way may do for this one.
  const any = { ...spread, large: new WeakSet<EngineLeaf>() };
  return (await openInline(request, limits, within, any))?.gather ?? null;
}

/** COPY takes no parameters. */
const NO_DESCRIPTION: Description = { parameterTypes: [], fields: null };

/** COPY TO STDOUT of what the engine computes. */
export async function runEngineCopy(
  merge: EngineCopyMerge,
  execution: Execution,
  { state, context, client }: RunnerDependencies,
): Promise<void> {
  const borrowed: ServerConnection[] = [];
  try {
    const prepared = await prepare(
      merge.engine,
      execution,
      NO_DESCRIPTION,
      state,
      context,
      borrowed,
    );
    const { engine, input } = prepared;
    const { spillBytesMax } = context;
    const { views } = merge.engine;
    await copyRows({ ...prepared, views, parameters: NO_PARAMETERS, spillBytesMax });
    const { oids } = engine;
    let isWell = false;
    try {
      const sql = merge.before + input.sql + merge.after;
      await state.settleRead();
      const isBinary = merge.out.format === 'binary';
      if (isBinary) engine.oids = { ...oids, mapping: await oidsOfCopies(engine, input.leaves) };
      const rows = isBinary ? input.sql : null;
      await sendCopyOut(client, [engine], sql, { ...merge.out, rows });
      isWell = true;
    } catch (error) {
      throw withoutPosition(error);
    } finally {
      engine.oids = oids;
      await endEngine(engine, isWell);
    }
  } finally {
    for (const connection of borrowed) state.giveBack(connection);
  }
}

interface DeclaredOnEngine {
  /** Where the cursor is. */
  readonly apart: ServerConnection;
  /** What its copies are to be called to the client. */
  readonly oids: OidMapping;
}

const UNDO = 'ROLLBACK TO SAVEPOINT drive_cursor';
const KEEP = 'RELEASE SAVEPOINT drive_cursor';

/** DECLARE beside the session's transaction, over copies of the rows that are kept as long. */
export async function declareOnEngine(
  merge: Pick<CursorMerge, 'before'> & { readonly engine: EngineMerge },
  execution: Execution,
  description: Description,
  state: SessionState,
  context: SessionContext,
): Promise<DeclaredOnEngine> {
  const transaction = state.transaction!;
  const parameters = { ...execution.parameters, types: description.parameterTypes };
  await transaction.enlist(HOME_SHARD);
  const apart = await transaction.enlistApart();
  const prepared = await prepare(merge.engine, execution, description, state, context, [], apart);
  const { views } = merge.engine;
  const { spillBytesMax } = context;
  await copyRows({ ...prepared, abandon: UNDO, views, parameters, spillBytesMax });
  try {
    const sql = merge.before + prepared.input.sql;
    const stream = await openShardStream(apart, { sql, parameters, resultFormats: [] });
    while ((await stream.next()) !== null);
    const oids = await oidsOfCopies(apart, prepared.input.leaves);
    // The next cursor's copies have the same names.
    await query(apart, [...renamings(prepared.input.leaves.length), KEEP].join(';'));
    return { apart, oids };
  } catch (error) {
    if (!apart.closed) await query(apart, `${UNDO};${KEEP}`);
    throw withoutPosition(error);
  }
}

function renamings(count: number): string[] {
  const key = randomUUID();
  return Array.from({ length: count }, (_, i) => {
    const name = `drive_leaf_${i + 1}`;
    return `ALTER TABLE pg_temp.${name} RENAME TO "${name} ${key}"`;
  });
}

/** The plans of what each shard is asked for, then the engine's own. */
export async function explainEngine(
  merge: EngineMerge,
  explained: ExplainMerge,
  execution: Execution,
  description: Description,
  state: SessionState,
  context: SessionContext,
): Promise<readonly ExplainedPart[]> {
  const borrowed: ServerConnection[] = [];
  const parts: ExplainedPart[] = [];
  try {
    const prepared = await prepare(merge, execution, description, state, context, borrowed);
    for (const [i, rows] of prepared.rows.entries()) {
      const { sources, fromEngine } = rows;
      for (const server of fromEngine ? [prepared.engine, ...sources] : sources) {
        const lines = await explainOn(
          server,
          explained.prefix + leafSql(rows, server.shard.id),
          NO_PARAMETERS,
        );
        parts.push({ title: `Leaf ${i + 1}`, shard: server.shard.id, lines });
      }
    }
    const { sql } = prepared.input;
    const input = { ...prepared.input, sql: explained.prefix + sql, marked: '' };
    const parameters = { ...execution.parameters, types: description.parameterTypes };
    const { views } = merge;
    const { spillBytesMax } = context;
    // Without ANALYZE nothing is to run, so the copies stay empty.
    const rows = explained.analyzes ? prepared.rows : [];
    const { engine } = prepared;
    await copyRows({ ...prepared, input, explained: sql, rows, views, parameters, spillBytesMax });
    let isWell = false;
    try {
      const lines = await explainOn(engine, input.sql, parameters);
      parts.push({ title: 'Over copies', shard: HOME_SHARD, lines });
      isWell = true;
    } catch (error) {
      throw withoutPosition(error, prepared.definer !== null);
    } finally {
      await endEngine(engine, isWell);
    }
    return parts;
  } finally {
    for (const connection of borrowed) state.giveBack(connection);
  }
}

/** Connections are added to `borrowed` as they are lent, also where it rejects in the end. */
async function prepare(
  merge: EngineMerge,
  execution: Execution,
  description: Description,
  state: SessionState,
  context: SessionContext,
  borrowed: ServerConnection[],
  apart: ServerConnection | null = null,
): Promise<Prepared> {
  const { transaction } = state;
  const input = transaction === null ? merge.alone : inputWithin(merge, transaction);
  const topology = context.topology();
  const places = input.leaves.map((leaf) => placeOf(leaf, execution.values, topology));
  const { engine, begin, readers } =
    transaction === null
      ? await lend(places, state, borrowed)
      : await enlist(places, transaction, state, borrowed, apart);
  const parameters = { ...execution.parameters, types: description.parameterTypes };
  const rows = leafRowsOf(places, readers, transaction === null, parameters);
  return { input, rows, engine, begin, readers, definer: readers.get(HOME_SHARD) ?? null };
}

function inputWithin(merge: EngineMerge, transaction: Transaction): EngineInput {
  if (!maySpill(merge, transaction)) throw new SqlError(merge.refusal);
  return merge.within!;
}

/** Whether a connection beside the transaction, with temporary tables, may compute the statement. */
const maySpill = ({ within, tellsTime }: EngineMerge, { implicit }: Transaction): boolean =>
  within !== null && (!tellsTime || implicit);
