// Last ids: the server that lastval() and currval() can be asked of, behind an INSERT that has taken ids from a sequence.

import { SqlError } from '../base/errors.ts';
import { quoteLiteral } from '../base/quote.ts';
import { formatAt } from '../execute/parameters.ts';
import type { Transaction } from '../execute/transaction.ts';
import type { ArgumentSource, SessionAction } from '../plan/action.ts';
import type { TakenIds } from '../plan/plan.ts';
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

type LastIdAction = Extract<SessionAction, { action: 'lastId' }>;

/**
 * A server tells of the last id that its connection has taken, which may have been somebody else's. It is the
 * session's directly behind the INSERT that took it, as long as the session has the connection.
 */
export class LastIds {
  #state: SessionState;
  #taken: Taken | null = null;

  constructor(state: SessionState) {
    this.#state = state;
  }

  /** The statement that has just been run took ids from the shard's sequences. */
  taken(shard: number, ids: TakenIds | null): void {
    const { transaction } = this.#state;
    const connection = this.#held(shard);
    if (connection !== null) this.#taken = { connection, transaction, ids };
  }

  /** By what those have been taken that were. */
  name(ids: TakenIds): void {
    if (this.#taken !== null) this.#taken = { ...this.#taken, ids };
  }

  /** Another statement may take ids elsewhere. */
  forget(): void {
    this.#taken = null;
  }

  /** Rejects with 0A000 where the session has not taken its last id from the sequence. */
  async check({ sequence }: LastIdAction, { parameters }: Execution): Promise<void> {
    if (sequence === null) return;
    const { shard } = this;
    const { ids } = this.#taken!;
    const given = textOf(sequence, parameters);
    if (given === null || ids === null) throw new SqlError(refused('sequenceMemory'));
    const { rows } = await query(this.#held(shard)!, takesSql(given, ids));
    if (rows.length === 0) throw new SqlError(refused('sequenceMemory'));
  }

  /** The shard to ask. Throws 0A000 where none is known to have given the session its last id. */
  get shard(): number {
    const { transaction, poolsFor } = this.#state;
    if (this.#taken !== null) {
      const { connection } = this.#taken;
      const { id } = connection.shard;
      const isKept = poolsFor !== null || this.#taken.transaction === transaction;
      if (isKept && this.#held(id) === connection) return id;
    }
    throw new SqlError(refused('sequenceMemory'));
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
