// Straying: what is done about rows to which triggers may give sharding keys of other shards.

import { SqlError } from '../base/errors.ts';
import { quoteName } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { StrayKeys } from '../plan/stray-keys.ts';
import { refused } from '../plan/unsupported.ts';
import { query, ServerError } from '../pool/query.ts';
import type { Placement } from '../topology/placement.ts';
import { FIELD } from '../wire/error-response.ts';
import { columnAt } from '../wire/row.ts';
import { immovable } from './modified-table.ts';
import type { MovingTable, MovingTables } from './moving-tables.ts';
import { NO_PARAMETERS } from './parameters.ts';
import { integerOf } from './row-set.ts';
import { openShardStream } from './shard-stream.ts';
import { StrayRows } from './stray-rows.ts';
import type { Transaction } from './transaction.ts';

/** A statement whose rows may stray. */
export interface Straying {
  readonly strays: StrayKeys;
  readonly placement: Placement;
  /** How many columns the client is given. */
  readonly columnCount: number;
  /** Throws 0A000 where a trigger may give a new row another key on another shard. */
  checkInsert(): Promise<void>;
  /** What is written along when rows are updated. Throws 0A000 where they cannot be taken home. */
  moving(): Promise<MovingTables>;
}

interface Written {
  readonly transaction: Transaction;
  readonly bytesMax: number;
}

/** Rows of a statement that updates; which of them have strayed is known when their triggers have run. */
export class LateStrays {
  readonly #written: Written;
  readonly #straying: Straying;
  readonly #keys: { readonly shard: number; readonly key: bigint }[] = [];

  constructor(written: Written, straying: Straying) {
    this.#written = written;
    this.#straying = straying;
  }

  /** A row of `shard` has this key. Throws 0A000 for none. */
  add(shard: number, key: bigint | null): void {
    if (key === null) throw new SqlError(refused('insertDefault'));
    if (this.#straying.placement.shardOf(key) !== shard) this.#keys.push({ shard, key });
  }

  /**
   * Runs the UPDATE of a shard. An error of a foreign key is told as a refusal where the row may refer to what is on
   * the shard of its new key, or be referred to by the key that a row of another shard gets.
   */
  async update<T>(shard: number, update: () => Promise<T>): Promise<T> {
    const connection = await this.#written.transaction.enlistWriter(shard);
    await query(connection, 'SAVEPOINT drive_straying');
    let result: T;
    try {
      result = await update();
    } catch (error) {
      const isReference =
        error instanceof ServerError && error.fields.code === SQLSTATE.foreignKeyViolation;
      if (!isReference) throw error;
      await query(connection, 'ROLLBACK TO SAVEPOINT drive_straying');
      const { name, tables } = await this.#straying.moving();
      const lent = tables.filter(({ isLent }) => isLent);
      if (lent.length === 0 || refersElsewhere(error, tables, lent)) throw error;
      throw immovable(
        name,
        'A foreign key of its rows refers to rows that may be on the shards of the new keys, which are not known before.',
      );
    }
    await query(connection, 'RELEASE drive_straying');
    return result;
  }

  /** Behind it: takes them to the shards of their keys. */
  async takeHome(): Promise<void> {
    if (this.#keys.length === 0) return;
    const { placement } = this.#straying;
    const moving = await this.#straying.moving();
    const strays = new StrayRows({ ...this.#written, placement, moving, keysBefore: new Map() });
    for (const { shard, key } of this.#keys) strays.add(shard, key);
    await strays.takeHome();
  }
}

/** The constraint is that of a moving table which refers to none of those that are lent. */
function refersElsewhere(
  { fields: { all } }: ServerError,
  tables: readonly MovingTable[],
  lent: readonly MovingTable[],
): boolean {
  const violated = tables
    .filter(({ name }) => name === all.get(FIELD.table))
    .flatMap(({ refersTo }) => refersTo.filter(({ name }) => name === all.get(FIELD.constraint)));
  const isLent = (table: string) => lent.some(({ sql }) => sql === table);
  return violated.length > 0 && !violated.some(({ sql }) => isLent(sql));
}

/**
 * Looks through all rows of the table that are younger than the transaction, for a statement that does not tell what
 * it has written. Throws 0A000 for one that lies on a wrong shard.
 */
export async function refuseStrays(
  transaction: Transaction,
  shards: readonly number[],
  { table, key: { column } }: StrayKeys,
  placement: Placement,
): Promise<void> {
  const sql =
    `SELECT DISTINCT t.${quoteName(column)}::pg_catalog.int8 FROM ${table} AS t WHERE ` +
    'pg_catalog.age(t.xmin) <= pg_catalog.age(pg_catalog.pg_current_xact_id()::pg_catalog.xid)';
  for (const shard of shards) {
    const connection = await transaction.enlist(shard);
    const request = { sql, parameters: NO_PARAMETERS, resultFormats: [1] };
    const stream = await openShardStream(connection, request);
    for (let rows = await stream.next(); rows !== null; rows = await stream.next()) {
      const keys = rows.map((row) => integerOf(columnAt(row, 0)));
      if (keys.every((key) => key !== null && placement.shardOf(key) === shard)) continue;
      await stream.discard();
      throw new SqlError(refused(keys.includes(null) ? 'insertDefault' : 'triggerKey'));
    }
    await stream.done;
  }
}
