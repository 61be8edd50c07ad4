// Stray rows: rows that an UPDATE has given keys of other shards are taken to these.

import { SqlError } from '../base/errors.ts';
import { quoteName } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { query, ServerError } from '../pool/query.ts';
import type { Placement } from '../topology/placement.ts';
import { TYPE } from '../value/type-oid.ts';
import { columnAt, encodeDataRowBody } from '../wire/row.ts';
import {
  type CarriedColumn,
  carriedFormat,
  carriedRef,
  carriedRelation,
  carriedSql,
} from './carried.ts';
import { Answer, type CarriedWrite, runWithRows } from './carried-statement.ts';
import { immovable } from './modified-table.ts';
import type { ForeignKey } from './move-facts.ts';
import type { MovingTable, MovingTables } from './moving-tables.ts';
import { NO_PARAMETERS } from './parameters.ts';
import { integerBytes, integerOf } from './row-set.ts';
import type { Transaction } from './transaction.ts';

export interface Relocation {
  readonly transaction: Transaction;
  readonly placement: Placement;
  readonly bytesMax: number;
  readonly moving: MovingTables;
  /** The keys that the rows of each shard have before the statement. */
  readonly keysBefore: ReadonlyMap<number, ReadonlySet<bigint>>;
}

const KEY: CarriedColumn = { typeOid: TYPE.int8, type: 'pg_catalog.int8', readAs: null };

/**
 * All rows of a shard with keys that belong to others are strays, or lent to it: no others lie on a shard that is not
 * theirs.
 */
export class StrayRows {
  readonly #relocation: Relocation;
  /** Keys of other shards that rows have got, or may have, by the shard on which they lie. */
  readonly #keys = new Map<number, Set<bigint>>();
  /** All keys that rows get, by the shard on which they lie. */
  readonly #given = new Map<number, Set<bigint>>();
  /** Rows that are lent, by their shard and table. */
  readonly #lent = new Map<number, Map<MovingTable, readonly Buffer[]>>();

  constructor(relocation: Relocation) {
    this.#relocation = relocation;
  }

  /** Rows of `shard` may have this key; where it is the shard's own, nothing is to be done. */
  add(shard: number, key: bigint): void {
    this.#given.set(shard, (this.#given.get(shard) ?? new Set()).add(key));
    if (this.#relocation.placement.shardOf(key) === shard) return;
    const keys = this.#keys.get(shard) ?? new Set();
    this.#keys.set(shard, keys.add(key));
  }

  /**
   * Runs the UPDATE of a shard, to which copies are lent of the rows that others refer to by the new keys; their own
   * shards keep these locked. All keys that rows get on any shard are known before.
   */
  async update(shard: number, update: () => Promise<void>): Promise<void> {
    const { moving } = this.#relocation;
    await this.#lend(shard);
    try {
      await update();
    } catch (error) {
      const refersToItself = moving.tables.some(({ moves, isLent }) => moves && isLent);
      const isUncertain = refersToItself && this.#meetsOthers(shard);
      if (!isUncertain || !isOf(error, SQLSTATE.foreignKeyViolation)) throw error;
      throw immovable(
        moving.name,
        'A foreign key of rows that are moved refers to rows of their own table, which may be moved from another shard by the same statement.',
        'Move them by a statement of their own first.',
      );
    }
  }

  /** Rows of other shards have or get keys that the shard's rows have or get: they may become what these refer to. */
  #meetsOthers(shard: number): boolean {
    const { keysBefore } = this.#relocation;
    const keysOf = (each: number) =>
      new Set([...(keysBefore.get(each) ?? []), ...(this.#given.get(each) ?? [])]);
    const own = keysOf(shard);
    const shards = new Set([...keysBefore.keys(), ...this.#given.keys()]);
    shards.delete(shard);
    return [...shards].some((other) => !own.isDisjointFrom(keysOf(other)));
  }

  async #lend(shard: number): Promise<void> {
    const { placement, moving, bytesMax } = this.#relocation;
    const keys = [...(this.#keys.get(shard) ?? [])];
    const lent = new Map<MovingTable, readonly Buffer[]>();
    for (const table of moving.tables.filter(({ isLent }) => isLent)) {
      const copies = new Answer(bytesMax);
      for (const from of inOrder(new Set(keys.map((key) => placement.shardOf(key))))) {
        const own = keys.filter((key) => placement.shardOf(key) === from);
        await copy(this.#relocation, from, table, own, copies);
      }
      await put(this.#relocation, shard, table, copies.rows);
      lent.set(table, copies.rows);
    }
    this.#lent.set(shard, lent);
  }

  /**
   * Behind it: takes strays to the shards of their keys. They leave, and what was lent, before those that they refer
   * to, and arrive behind them.
   */
  async takeHome(): Promise<void> {
    const { moving, bytesMax, placement } = this.#relocation;
    const taken = new Answer(bytesMax);
    const arriving = new Map<MovingTable, Map<number, Buffer[]>>();
    for (const shard of inOrder(this.#keys.keys())) {
      for (const table of moving.tables.toReversed()) {
        const from = taken.rows.length;
        await take(this.#relocation, shard, table, [...this.#keys.get(shard)!], taken);
        const byShard = arriving.get(table) ?? new Map<number, Buffer[]>();
        arriving.set(table, byShard);
        const lent = this.#lent.get(shard)?.get(table) ?? [];
        for (const row of without(taken.rows.slice(from), lent)) {
          const target = placement.shardOf(integerOf(columnAt(row, keyIndex(table)))!);
          const own = byShard.get(target) ?? [];
          byShard.set(target, own);
          own.push(row);
        }
      }
    }
    for (const table of moving.tables) {
      const byShard = arriving.get(table) ?? new Map<number, Buffer[]>();
      for (const shard of inOrder(byShard.keys())) {
        await put(this.#relocation, shard, table, byShard.get(shard)!);
      }
    }
  }
}

const isOf = (error: unknown, code: string): boolean =>
  error instanceof ServerError && error.fields.code === code;

const inOrder = (shards: Iterable<number>): number[] => [...shards].sort((a, b) => a - b);

/** The rows but for those others, each as often as it is among them; nobody has changed these. */
function without(rows: readonly Buffer[], others: readonly Buffer[]): readonly Buffer[] {
  const left = new Map<string, number>();
  const nameOf = (row: Buffer) => row.toString('latin1');
  for (const row of others) left.set(nameOf(row), (left.get(nameOf(row)) ?? 0) + 1);
  return rows.filter((row) => {
    const count = left.get(nameOf(row)) ?? 0;
    if (count > 0) left.set(nameOf(row), count - 1);
    return count === 0;
  });
}

const keyIndex = ({ columns, key }: MovingTable): number =>
  columns.findIndex(({ name }) => name === key);

async function take(
  relocation: Relocation,
  shard: number,
  table: MovingTable,
  keys: readonly bigint[],
  taken: Answer,
): Promise<void> {
  const sql =
    `DELETE FROM ${table.sql} AS t USING ${carriedRelation([KEY], 1)} ` +
    `${ofKeys(table)} RETURNING ${itemsOf(table)}`;
  const run = () => runWithKeys(relocation, shard, table, sql, keys, taken);
  await (table.firesOnDelete ? unseen(relocation, shard, run) : run());
}

/** Locked as a foreign key locks what it refers to. */
async function copy(
  relocation: Relocation,
  shard: number,
  table: MovingTable,
  keys: readonly bigint[],
  copies: Answer,
): Promise<void> {
  const sql =
    `SELECT ${itemsOf(table)} FROM ${table.sql} AS t, ${carriedRelation([KEY], 1)} ` +
    `${ofKeys(table)} FOR KEY SHARE OF t`;
  await runWithKeys(relocation, shard, table, sql, keys, copies);
}

const itemsOf = ({ columns }: MovingTable): string =>
  columns.map(({ name }) => `t.${quoteName(name)}`).join(', ');

const ofKeys = ({ key }: MovingTable): string => `WHERE t.${quoteName(key)} = ${carriedRef(0)}`;

function runWithKeys(
  { transaction, bytesMax }: Relocation,
  shard: number,
  { columns }: MovingTable,
  sql: string,
  keys: readonly bigint[],
  answer: Answer,
): Promise<void> {
  const resultFormats = columns.map(({ typeOid }) => carriedFormat(typeOid));
  const write = { transaction, bytesMax, parameters: NO_PARAMETERS, resultFormats };
  const rows = keys.map((key) => encodeDataRowBody([integerBytes(key, 'int8')]));
  return runWithRows(write, shard, sql, [KEY], rows, answer);
}

async function put(
  relocation: Relocation,
  shard: number,
  table: MovingTable,
  rows: readonly Buffer[],
): Promise<void> {
  if (rows.length === 0) return;
  const { transaction, bytesMax } = relocation;
  const { sql: name, columns, firesOnInsert } = table;
  const list = columns.map((column) => quoteName(column.name)).join(', ');
  const sql = `INSERT INTO ${name} (${list}) OVERRIDING SYSTEM VALUE ${carriedSql(columns, 1)}`;
  const write = { transaction, bytesMax, parameters: NO_PARAMETERS, resultFormats: [] };
  const run = () => runWithRows(write, shard, sql, columns, rows, new Answer(bytesMax));
  if (!firesOnInsert) return run();
  await unseen(relocation, shard, run);
  for (const foreignKey of table.refersTo) {
    await lockReferred(write, shard, table, foreignKey, rows);
  }
}

/** Runs it without triggers, those of foreign keys among them. */
async function unseen(
  { transaction, moving: { name, role } }: Relocation,
  shard: number,
  run: () => Promise<void>,
): Promise<void> {
  const connection = await transaction.enlistWriter(shard);
  try {
    await query(connection, roleSql('replica'));
  } catch (error) {
    if (!isOf(error, SQLSTATE.insufficientPrivilege)) throw error;
    throw immovable(
      name,
      'It, or a table that is written along, has triggers for INSERT or DELETE, which an UPDATE does not fire.',
      'GRANT SET ON PARAMETER session_replication_role TO the role, on every shard; or delete the row and insert it with the new key.',
    );
  }
  // An error takes it back with the transaction, or with its savepoint.
  await run();
  await query(connection, roleSql(role));
}

const roleSql = (role: string) =>
  `SELECT pg_catalog.set_config('session_replication_role', '${role}', true)`;

/**
 * As the foreign key itself would: what is referred to must be there, and stay. Throws 23503; and 0A000 for a foreign key
 * that may wait for COMMIT, which the row that is put there does not tell the server to look at again.
 */
async function lockReferred(
  write: CarriedWrite,
  shard: number,
  { name, columns }: MovingTable,
  {
    name: constraint,
    table,
    sql: referred,
    columns: own,
    referred: others,
    deferrable,
  }: ForeignKey,
  rows: readonly Buffer[],
): Promise<void> {
  const values = own.map((column) => carriedRef(columns.findIndex((each) => each.name === column)));
  const same = others.map((column, i) => `r.${quoteName(column)} = ${values[i]}`).join(' AND ');
  const sql =
    `SELECT ${values.map((value) => `${value}::pg_catalog.text`).join(', ')} ` +
    `FROM ${carriedRelation(columns, 1)} LEFT JOIN LATERAL ` +
    `(SELECT true AS there FROM ${referred} AS r WHERE ${same} FOR KEY SHARE) AS r ON true ` +
    `WHERE r.there IS NULL AND ${values.map((value) => `${value} IS NOT NULL`).join(' AND ')}`;
  const missing = new Answer(write.bytesMax);
  await runWithRows(write, shard, sql, columns, rows, missing);
  const [first] = missing.rows;
  if (first === undefined) return;
  if (deferrable) {
    throw immovable(
      name,
      `A row that is moved refers by the deferrable foreign key ${constraint} to one that is not there.`,
      'Write the row that it refers to first.',
    );
  }
  const key = own.map((_, i) => columnAt(first, i)!.toString('utf8')).join(', ');
  throw new SqlError({
    code: SQLSTATE.foreignKeyViolation,
    message: `insert or update on table "${name}" violates foreign key constraint "${constraint}"`,
    detail: `Key (${own.join(', ')})=(${key}) is not present in table "${table}".`,
  });
}
