// Last ids: the servers that lastval() and currval() can be asked of, behind INSERTs that have taken ids from sequences.

import { SqlError } from '../base/errors.ts';
import { quoteLiteral } from '../base/quote.ts';
import { formatAt } from '../execute/parameters.ts';
import type { Transaction } from '../execute/transaction.ts';
import type { ArgumentSource } from '../plan/action.ts';
import type { RoutedPlan, TakenIds } from '../plan/plan.ts';
import { refused } from '../plan/unsupported.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Execution } from './execution.ts';
import type { SessionState } from './state.ts';

interface Taken {
  readonly connection: ServerConnection;
  readonly transaction: Transaction | null;
  /** By what; null: that is not known yet. */
  readonly ids: TakenIds | null;
}

/** Of how many INSERTs it is known at once. */
const TAKEN_MAX = 16;

/**
 * A server tells of the last ids that its connection has taken, which may have been somebody else's. They are the
 * session's behind the INSERT that took them, as long as the session has the connection, and nothing has been run
 * that may have taken others elsewhere.
 */
export class LastIds {
  #state: SessionState;
  /** The last one first. */
  #taken: readonly Taken[] = [];
  /** From before the statement under way, which takes ids: where it fails, it may have taken them nevertheless. */
  #before: readonly Taken[] = [];

  constructor(state: SessionState) {
    this.#state = state;
  }

  /** The statement that has just been run took ids from the shard's sequences. */
  taken(shard: number, ids: TakenIds | null): void {
    if (ids?.columns.length === 0) return;
    const { transaction } = this.#state;
    const connection = this.#held(shard);
    if (connection === null) this.forget();
    else this.#taken = [{ connection, transaction, ids }, ...this.#before.slice(0, TAKEN_MAX - 1)];
  }

  /** By what those have been taken that were. */
  name(ids: TakenIds): void {
    const [last, ...others] = this.#taken;
    if (last !== undefined) this.#taken = [{ ...last, ids }, ...others];
  }

  /** Another statement may take ids elsewhere. */
  forget(): void {
    this.#taken = [];
  }

  /** Before a statement, which may take ids itself. */
  beginning(ids: TakenIds | null): void {
    if (ids?.columns.length === 0 && ids.noOthers) return;
    this.#before = ids?.noOthers === true ? this.#taken : [];
    this.forget();
  }

  /**
   * Where the statement is run, if it tells of last ids: on the shard that has given them to the session; else null.
   * Rejects with 0A000 where that is not known, or is none of its `targets`.
   */
  async placed(
    { plan, parameters }: Execution & { readonly plan: RoutedPlan },
    targets: readonly number[],
  ): Promise<readonly number[] | null> {
    if (plan.action?.action !== 'lastIds') return null;
    const shard = await this.#shardOf(plan.action.sequences, parameters);
    if (plan.route.kind === 'any') return [shard];
    if (targets.length !== 1 || targets[0] !== shard) throw new SqlError(refused('sequenceMemory'));
    return targets;
  }

  async #shardOf(
    sequences: readonly (ArgumentSource | null)[],
    parameters: Execution['parameters'],
  ): Promise<number> {
    const found = new Set<number>();
    for (const sequence of sequences) {
      const given = sequence === null ? null : textOf(sequence, parameters);
      const taken = sequence === null ? this.#taken[0] : await this.#takenFrom(given);
      if (taken === undefined || !this.#isOurs(taken))
        throw new SqlError(refused('sequenceMemory'));
      found.add(taken.connection.shard.id);
    }
    const [shard, ...others] = found;
    if (shard === undefined || others.length > 0) throw new SqlError(refused('sequenceMemory'));
    return shard;
  }

  /** undefined: not known. */
  async #takenFrom(sequence: string | null): Promise<Taken | undefined> {
    if (sequence === null) return undefined;
    for (const taken of this.#taken) {
      if (taken.ids === null || !this.#isOurs(taken)) return undefined;
      const { rows } = await query(taken.connection, takesSql(sequence, taken.ids));
      if (rows.length > 0) return taken;
    }
    return undefined;
  }

  #isOurs({ connection, transaction }: Taken): boolean {
    const isKept = this.#state.poolsFor !== null || transaction === this.#state.transaction;
    return isKept && this.#held(connection.shard.id) === connection;
  }

  /** null: the session has none of its own. */
  #held(shard: number): ServerConnection | null {
    const { transaction, pins, poolsFor } = this.#state;
    if (transaction !== null) return transaction.participants.get(shard) ?? null;
    return poolsFor === null ? null : pins.connection(shard);
  }
}

/** null: NULL, or a number in binary. */
function textOf(source: ArgumentSource, { values, formats }: Execution['parameters']) {
  if (source.from === 'constant') return source.text;
  return formatAt(formats, source.index) === 1 ? null : (values[source.index]?.toString() ?? null);
}

/** One row or more where a default of these columns is of the sequence. */
function takesSql(sequence: string, { table, columns }: TakenIds): string {
  const names = columns.map(quoteLiteral).join(', ');
  return `SELECT FROM pg_catalog.pg_attribute a, pg_catalog.pg_depend d
    LEFT JOIN pg_catalog.pg_attrdef f
      ON f.oid = d.objid AND d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
    WHERE a.attrelid = ${quoteLiteral(table)}::pg_catalog.regclass AND a.attname IN (${names})
      AND CASE WHEN f.oid IS NULL
        THEN d.objid = pg_catalog.to_regclass(${quoteLiteral(sequence)}) AND d.deptype = 'i'
          AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
          AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
        ELSE d.refobjid = pg_catalog.to_regclass(${quoteLiteral(sequence)})
          AND f.adrelid = a.attrelid AND f.adnum = a.attnum END`;
}
