// Cursor run: DECLARE of a cursor over several shards, and what is done with one whose rows are streamed.

import { randomUUID } from 'node:crypto';
import { SqlError } from '../base/errors.ts';
import {
  CURSORS_STREAMED_MAX,
  FETCH_HELD_BYTES_MAX,
  MERGE_ROW_OVERHEAD_BYTES,
} from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { isUserType, RECORD } from '../execute/carried.ts';
import { declareMerged } from '../execute/cursor/declare.ts';
import type { MergedCursor } from '../execute/cursor/merged-cursor.ts';
import { type Description, describe, describePortal } from '../execute/describe.ts';
import { formattedFields, shardTextOf } from '../execute/gather.ts';
import { RowSet } from '../execute/row-set.ts';
import type { SessionAction } from '../plan/action.ts';
import type { CursorMerge, RoutedPlan } from '../plan/plan.ts';
import { severalShards } from '../plan/unsupported.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { currentOfName, withName } from '../sql/cursor-text.ts';
import { tokenize } from '../sql/token.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { OidMapping } from '../topology/shard-oids.ts';
import { encodeCommandComplete } from '../wire/query.ts';
import { encodeRowDescription, type FieldDescription, frameDataRow } from '../wire/row.ts';
import type { ClientStream } from './client-stream.ts';
import { withClock } from './clock.ts';
import { declareOnEngine } from './engine-run.ts';
import { type Execution, isDescribed, type RunnerDependencies } from './execution.ts';
import { answerGathered } from './portal-rows.ts';
import { cursorExists, runSingle } from './single.ts';
import type { SessionState } from './state.ts';

export type CursorAction = Extract<SessionAction, { action: 'cursor' }>;

export const isCursorUse = (action: SessionAction | null): action is CursorAction =>
  action?.action === 'cursor' && action.verb !== 'declare';

export interface Declare {
  readonly d: RunnerDependencies;
  /** `plan` is good for several shards. */
  readonly execution: Execution & { readonly plan: RoutedPlan };
  readonly merge: CursorMerge;
  /** Of DECLARE, as one server describes it. */
  readonly description: Description;
  readonly targets: readonly number[];
}

/** Answers with everything but ReadyForQuery. Its rows are those of now. */
export async function declareCursor(run: Declare): Promise<void> {
  const { d, merge, execution } = run;
  const { state, client, owner } = d;
  const { name, options } = merge;
  if (state.transaction === null && !options.hold) {
    throw new SqlError({
      code: SQLSTATE.noActiveSqlTransaction,
      message: 'DECLARE CURSOR can only be used in transaction blocks',
    });
  }
  if (state.cursor(name) !== undefined) throw cursorExists(name);
  const pinned = state.pins.connection(HOME_SHARD);
  if (options.hold && pinned !== null && pinned !== state.transaction?.apart) {
    throw new SqlError(severalShards('cursorHold'));
  }
  await state.inTransaction(async () => {
    const { clock } = execution.plan;
    const timed = await withClock(clock, execution.parameters, run.description, state);
    const bound = { ...run, ...timed, execution: { ...execution, parameters: timed.parameters } };
    if (await declareStreamed(bound)) return;
    state.settlePlan();
    const { engine } = merge;
    if (engine === null) throw new SqlError(severalShards('declare'));
    const { apart, oids } = await declareOnEngine(
      { ...merge, engine },
      bound.execution,
      bound.description,
      state,
      d.context,
    );
    const { fields } = await describePortal(apart, name);
    await checkViewRows(apart, fields ?? [], run);
    if (options.hold) {
      await checkHeldTypes(apart, fields ?? []);
      state.pins.add(apart, ['cursor with hold'], owner);
    }
    apart.oids = { mapping: withOids(apart.oids.mapping, oids), isKnown: true };
    state.cursorDeclared(name, { on: 'engine', hold: options.hold });
  });
  client.write(encodeCommandComplete('DECLARE CURSOR'));
}

/** Those of further copies on the same server. */
function withOids(known: OidMapping | null, more: OidMapping): OidMapping {
  if (known === null) return more;
  const both = <T>(a: ReadonlyMap<number, T>, b: ReadonlyMap<number, T>) => new Map([...a, ...b]);
  const none = new Map<number, never>();
  return {
    tables: both(known.tables, more.tables),
    columns: both(known.columns ?? none, more.columns ?? none),
    types: both(known.types, more.types),
    typesThere: both(known.typesThere, more.typesThere),
    carriers: both(known.carriers, more.carriers),
  };
}

/** Whole rows of copies are of types that go with the copies, at the transaction's end. Throws 0A000. */
async function checkHeldTypes(
  connection: ServerConnection,
  fields: readonly FieldDescription[],
): Promise<void> {
  const oids = fields.map(({ typeOid }) => typeOid).filter(isUserType);
  if (oids.length === 0) return;
  const { rows } = await query(
    connection,
    `SELECT FROM pg_catalog.pg_type WHERE oid IN (${oids.join(', ')})
       AND typnamespace = pg_catalog.pg_my_temp_schema()`,
  );
  if (rows.length > 0) throw new SqlError(severalShards('cursorRow'));
}

/** Of a view whose query has taken its place a whole row is one without the view's type. Throws 0A000. */
async function checkViewRows(
  connection: ServerConnection,
  fields: readonly FieldDescription[],
  { merge, execution }: Declare,
): Promise<void> {
  if (!fields.some(({ typeOid }) => typeOid === RECORD)) return;
  const query = execution.sql.slice(merge.before.length);
  const own = await describe(connection, query, execution.parameters.types);
  const isOther = (field: FieldDescription, i: number) =>
    field.typeOid === RECORD && own.fields?.[i]?.typeOid !== RECORD;
  if (fields.some(isOther)) throw new SqlError(severalShards('cursorRow'));
}

/** False: its rows cannot be streamed, and no shard has a cursor. */
async function declareStreamed({
  d: { state },
  execution,
  merge,
  description,
  targets,
}: Declare): Promise<boolean> {
  const { streamed, engine, name } = merge;
  const transaction = state.transaction!;
  if (streamed === null) return false;
  const open = [...transaction.cursors.values()].filter(({ on }) => on === 'shards').length;
  if (open >= CURSORS_STREAMED_MAX) {
    if (engine !== null) return false;
    throw tooManyCursors();
  }
  const connections = [];
  for (const shard of targets) connections.push(await transaction.enlist(shard));
  state.settlePlan();
  const parameters = { ...execution.parameters, types: description.parameterTypes };
  try {
    const ownName = `drive_${randomUUID()}`;
    const merged = await declareMerged({
      connections,
      merge: streamed,
      cursor: merge,
      sql: withName(shardTextOf(streamed, parameters), merge.nameAt, ownName),
      ownName,
      parameters,
    });
    state.cursorDeclared(name, { on: 'shards', merged });
    return true;
  } catch (error) {
    const cannot = error instanceof SqlError && error.code === SQLSTATE.featureNotSupported;
    if (!cannot || engine === null) throw error;
    return false;
  }
}

function tooManyCursors(): SqlError {
  return new SqlError({
    code: SQLSTATE.configurationLimitExceeded,
    message: `more than ${CURSORS_STREAMED_MAX} cursors over several shards that lock rows`,
    hint: 'Close some of them.',
  });
}

/** The cursor over several shards that the statement is about; null: none, or another one. Throws 0A000. */
export function mergedCursorOf(
  { action }: RoutedPlan,
  state: SessionState,
): { merged: MergedCursor; action: CursorAction } | null {
  if (action?.action !== 'cursor' || action.verb === 'declare' || action.name === null) return null;
  const cursor = state.cursor(action.name);
  if (cursor?.on !== 'shards') return null;
  // None of the cursor's rows is of the table.
  if (action.verb === 'current' && action.atHome) throw new SqlError(severalShards('currentOf'));
  return { merged: cursor.merged, action };
}

/** FETCH, MOVE, CLOSE and WHERE CURRENT OF. Answers with everything but ReadyForQuery. */
export async function runMergedCursor(
  execution: Execution,
  plan: RoutedPlan,
  { merged, action }: { merged: MergedCursor; action: CursorAction },
  d: RunnerDependencies,
): Promise<void> {
  if (action.verb === 'current') return runAtRow(execution, plan, merged, d);
  if (action.verb === 'fetch') return runFetch(execution, action, merged, d);
  await merged.close();
  d.state.cursorClosed(action.name);
  d.client.write(encodeCommandComplete('CLOSE CURSOR'));
}

/** On the shard of the row, where the cursor has another name. */
async function runAtRow(
  execution: Execution,
  plan: RoutedPlan,
  merged: MergedCursor,
  d: RunnerDependencies,
): Promise<void> {
  // A portal that has been run in part goes on where it is; EXPLAIN without ANALYZE needs no row.
  const begun = execution.extended?.open.shard ?? null;
  if (begun !== null) return runSingle(execution, plan, begun, d);
  if (plan.strays !== null) throw new SqlError(severalShards('currentOf'));
  const cursor = plan.effect === 'read' ? merged.first : await merged.onRow();
  const at = currentOfName(tokenize(execution.sql) ?? []);
  if (at === null) throw new Error('WHERE CURRENT OF has no name');
  const sql = withName(execution.sql, at, cursor.name);
  d.relay.cursorName = { there: cursor.name, here: merged.name };
  try {
    await runSingle({ ...execution, sql }, plan, cursor.shard, d);
  } finally {
    d.relay.cursorName = null;
  }
}

async function runFetch(
  execution: Execution,
  { fetch }: Extract<CursorAction, { verb: 'fetch' }>,
  merged: MergedCursor,
  d: RunnerDependencies,
): Promise<void> {
  const { client, context } = d;
  const { extended } = execution;
  context.counters.several('cursor');
  if (fetch.isMove) {
    const passed = await merged.fetch(fetch, null, null);
    client.write(encodeCommandComplete(`MOVE ${passed}`));
    return;
  }
  const asked = extended === null && merged.binary ? [1] : execution.resultFormats;
  const fields = formattedFields({ parameterTypes: [], fields: merged.fields }, asked);
  const formats = fields.map(({ format }) => format);
  if (extended !== null && extended.maxRows > 0) {
    const set = new RowSet(context.mergeBytesMax);
    const given = await merged.fetch(fetch, formats, (row) => set.add([row]));
    return answerGathered({ fields, rows: set.rows, tag: `FETCH ${given}` }, execution, d);
  }
  const output = new FetchOutput(client, isDescribed(execution) ? fields : null);
  const given = await merged.fetch(fetch, formats, (row) => output.take(row));
  await output.send();
  client.write(encodeCommandComplete(`FETCH ${given}`));
  if (extended !== null) extended.open.ended = { tag: 'FETCH 0' };
}

/** PostgreSQL sends nothing of a FETCH that fails: here, of one that is not too large. */
class FetchOutput {
  readonly #client: ClientStream;
  #fields: readonly FieldDescription[] | null;
  #rows: Buffer[] = [];
  #bytes = 0;

  /** `fields`: to be told before the rows. */
  constructor(client: ClientStream, fields: readonly FieldDescription[] | null) {
    this.#client = client;
    this.#fields = fields;
  }

  take(row: Buffer): Promise<void> | undefined {
    this.#rows.push(row);
    this.#bytes += row.length + MERGE_ROW_OVERHEAD_BYTES;
    return this.#bytes > FETCH_HELD_BYTES_MAX ? this.send() : undefined;
  }

  async send(): Promise<void> {
    if (this.#fields !== null) this.#client.write(encodeRowDescription([...this.#fields]));
    this.#fields = null;
    const rows = this.#rows;
    this.#rows = [];
    this.#bytes = 0;
    if (rows.length === 0) return;
    if (!this.#client.write(Buffer.concat(rows.map(frameDataRow)))) await this.#client.drained();
  }
}
