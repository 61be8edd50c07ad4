// Table move: gives a table another kind, with the rows it has, in one transaction over all shards.

import { SqlError } from '../base/errors.ts';
import { MOVED_ROWS_MAX, REFERENCE_COPY_ROWS } from '../base/limits.ts';
import { quoteLiteral, quoteName, textArray } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { exactRow } from '../plan/exact-row.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Placement } from '../topology/placement.ts';
import type { TableKind } from '../topology/table.ts';
import { queryAsLogin } from './as-login.ts';
import { insertWholeRowsSql } from './whole-rows.ts';

export interface TableMove {
  /** Qualified and quoted. */
  readonly name: string;
  readonly from: TableKind;
  readonly kind: 'sharded' | 'reference' | 'home';
  readonly key: string | null;
  readonly placement: Placement;
  /** One of each shard, in the transaction, in shard order. */
  readonly connections: readonly ServerConnection[];
}

/** A home table becomes a sharded or reference one. Throws SqlError, ServerError. */
export async function spreadTable(move: TableMove): Promise<void> {
  const [home, ...others] = move.connections as [ServerConnection, ...ServerConnection[]];
  const name = quoteLiteral(move.name);
  await query(home, `LOCK TABLE ${move.name} IN ACCESS EXCLUSIVE MODE`);
  await checkMovable(home, move.name);
  const tree = await treeOf(home, move.name);
  if (move.kind === 'sharded') await checkReaders(home, move, tree);
  const [early, late] = await Promise.all([
    column(home, `SELECT drive.table_script(${name}, false)`),
    column(home, `SELECT drive.table_script(${name}, true)`),
  ]);
  for (const other of others) for (const sql of early) await query(other, sql);
  const budget = new RowBudget(move.name);
  const parts = tree.filter(({ holdsRows }) => holdsRows);
  const moved: (readonly string[])[] = [];
  for (const part of parts) moved.push(await copyRows(home, others, part, move, budget));
  for (const other of others) for (const sql of late) await query(other, sql);
  for (const [i, places] of moved.entries()) {
    if (places.length === 0) continue;
    const { name } = parts[i]!;
    await withoutTriggers(home, name, () =>
      query(home, `DELETE FROM ${name} WHERE ctid = ANY('{${places.join(',')}}'::tid[])`),
    );
  }
  if (move.kind === 'sharded') await strideSequences(move, tree);
  await rememberKind(move, tree, move.connections);
}

/** The table that is moved, or one that is a partition of it, directly or not. */
interface Member {
  readonly oid: string;
  /** Qualified and quoted. */
  readonly name: string;
  /** Quoted: those that can be given a value. */
  readonly columns: readonly string[];
  readonly holdsRows: boolean;
}

async function treeOf(home: ServerConnection, name: string): Promise<readonly Member[]> {
  const { rows } = await query(
    home,
    `SELECT oid, named, columns, holds_rows FROM drive.table_tree(${quoteLiteral(name)})`,
  );
  return rows.map(([oid, named, columns, holdsRows]) => ({
    oid: oid!,
    name: named!,
    columns: (JSON.parse(columns!) as string[]).map(quoteName),
    holdsRows: holdsRows === 't',
  }));
}

const oidsOf = (tree: readonly Member[]): string => tree.map(({ oid }) => oid).join(', ');

/** Of all rows that one change moves. */
class RowBudget {
  readonly #name: string;
  #count = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** Throws SqlError. */
  spend(count: number): void {
    this.#count += count;
    if (this.#count > MOVED_ROWS_MAX) throw tooManyRows(this.#name);
  }
}

/** Triggers of users do not fire in `run`, and are behind it as they were. */
async function withoutTriggers(
  connection: ServerConnection,
  table: string,
  run: () => Promise<unknown>,
): Promise<void> {
  const { rows } = await query(
    connection,
    `SELECT pg_catalog.quote_ident(tgname), tgenabled FROM pg_catalog.pg_trigger
      WHERE tgrelid = ${quoteLiteral(table)}::regclass AND NOT tgisinternal AND tgenabled <> 'D'`,
  );
  for (const [trigger] of rows)
    await query(connection, `ALTER TABLE ${table} DISABLE TRIGGER ${trigger}`);
  await run();
  for (const [trigger, enabled] of rows) {
    const how = enabled === 'R' ? 'REPLICA ' : enabled === 'A' ? 'ALWAYS ' : '';
    await query(connection, `ALTER TABLE ${table} ENABLE ${how}TRIGGER ${trigger}`);
  }
}

async function checkMovable(home: ServerConnection, name: string): Promise<void> {
  const [reason] = await column(home, `SELECT drive.immovable(${quoteLiteral(name)})`);
  if (reason === undefined || reason === '') return;
  throw new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `the kind of table ${name} cannot be changed: ${reason}`,
    hint: reason.startsWith('foreign keys')
      ? 'Drop these foreign keys, and add them again when the table is of that kind.'
      : 'Make a new table of that kind, and copy the rows.',
  });
}

/**
 * Throws for what reads a table and stays: views that are on the home shard alone would not be found where the rows are,
 * and those on a shard that is to lose its copy hold it there.
 */
async function checkReaders(
  connection: ServerConnection,
  { name, kind }: TableMove,
  tree: readonly Member[],
): Promise<void> {
  const oids = oidsOf(tree);
  const [reader] = await column(
    connection,
    `SELECT CASE d.classid WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass
        THEN 'function ' || d.objid::pg_catalog.regprocedure ELSE 'view ' || w.ev_class::pg_catalog.regclass END
     FROM pg_catalog.pg_depend d LEFT JOIN pg_catalog.pg_rewrite w
       ON w.oid = d.objid AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
     WHERE d.classid IN ('pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass)
       AND d.deptype = 'n' AND (d.refobjid IN (${oids}) AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
         OR d.refobjid IN (SELECT reltype FROM pg_catalog.pg_class WHERE oid IN (${oids}))
           AND d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass) ORDER BY 1 DESC LIMIT 1`,
  );
  if (reader === undefined || (kind !== 'home' && reader.startsWith('function'))) return;
  const [what] = reader.split(' ');
  throw new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `the kind of table ${name} cannot be changed: ${reader} reads it`,
    hint: `Drop the ${what}, and make it again when the table is ${kind === 'home' ? 'at home' : 'sharded'}.`,
  });
}

/** Values of the first column; NULL is ''. */
async function column(connection: ServerConnection, sql: string): Promise<string[]> {
  const { rows } = await query(connection, sql);
  return rows.map(([value]) => value ?? '');
}

/** Gives the places (ctid) of the rows that belong to other shards alone. */
async function copyRows(
  home: ServerConnection,
  others: readonly ServerConnection[],
  part: Member,
  move: TableMove,
  budget: RowBudget,
): Promise<readonly string[]> {
  const gone: string[] = [];
  const keySql = move.key === null ? 'NULL' : `(${quoteName(move.key)})::bigint`;
  const select = `SELECT ${keySql}, ctid, ${exactRow('t', part.name)} FROM ONLY ${part.name} t`;
  for await (const rows of batches(home, select)) {
    budget.spend(rows.length);
    const shares = new Map<ServerConnection, string[]>(others.map((other) => [other, []]));
    for (const [key, ctid, row] of rows) {
      if (move.kind === 'reference') for (const share of shares.values()) share.push(row!);
      else {
        const target = move.connections[shardOf(key ?? null, move)]!;
        if (target === home) continue;
        shares.get(target)!.push(row!);
        gone.push(`"${ctid!}"`);
      }
    }
    for (const [other, share] of shares) await insertRows(other, part, share);
  }
  return gone;
}

/** The rows of a query, held by a cursor of the transaction. */
async function* batches(connection: ServerConnection, select: string) {
  await query(connection, `DECLARE drive_move NO SCROLL CURSOR FOR ${select}`);
  for (;;) {
    const { rows } = await query(connection, `FETCH ${REFERENCE_COPY_ROWS} FROM drive_move`);
    if (rows.length === 0) break;
    yield rows;
  }
  await query(connection, 'CLOSE drive_move');
}

function shardOf(key: string | null, { placement, name, key: column }: TableMove): number {
  if (key !== null) return placement.shardOf(BigInt(key));
  throw new SqlError({
    code: SQLSTATE.notNullViolation,
    message: `table ${name} has rows without a value for its sharding key "${column}"`,
    hint: 'Give every row a key, or delete it.',
  });
}

/** `rows`: as PostgreSQL writes composite values. */
async function insertRows(
  connection: ServerConnection,
  { name, columns }: Member,
  rows: readonly string[],
): Promise<void> {
  if (rows.length === 0) return;
  await query(connection, insertWholeRowsSql(name, columns, textArray(rows)));
}

/** Ids go on behind the last that the home shard gave, each shard with its own. */
async function strideSequences({ connections }: TableMove, tree: readonly Member[]): Promise<void> {
  const [home] = connections;
  for (const sequence of await ownedSequences(home!, tree)) {
    const literal = `${quoteLiteral(sequence)}::regclass`;
    const { rows } = await query(
      home!,
      `SELECT last_value, is_called, is_called OR last_value <> seqstart
        FROM ${sequence}, pg_catalog.pg_sequence WHERE seqrelid = ${literal}`,
    );
    const [last, called, isUnderWay] = rows[0]!;
    for (const connection of connections) {
      await query(connection, `SELECT drive.spread_sequence(${literal})`);
      if (isUnderWay !== 't') continue;
      await query(connection, `SELECT pg_catalog.setval(${literal}, ${last}, '${called}')`);
      await queryAsLogin(connection, `SELECT drive.align_sequence(${literal})`);
    }
  }
}

const ownedSequences = (home: ServerConnection, tree: readonly Member[]): Promise<string[]> =>
  column(
    home,
    `SELECT objid::regclass::text FROM pg_catalog.pg_depend
      WHERE refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND refobjid IN (${oidsOf(tree)}) AND deptype IN ('a', 'i')
        AND objid IN (SELECT seqrelid FROM pg_catalog.pg_sequence)`,
  );

/** Of a table that was sharded: the home shard alone counts on, in the steps that were written. */
async function narrowSequences({ connections }: TableMove, tree: readonly Member[]): Promise<void> {
  const [home] = connections;
  for (const sequence of await ownedSequences(home!, tree)) {
    const literal = `${quoteLiteral(sequence)}::regclass`;
    // One that has been told where to go on from has given no value itself, but others before it have.
    const givenSql = `SELECT CASE WHEN s.is_called THEN s.last_value
        WHEN s.last_value <> q.seqstart THEN s.last_value - q.seqincrement / 1024 END,
        q.seqincrement < 0
      FROM ${sequence} s, pg_catalog.pg_sequence q WHERE q.seqrelid = ${literal}`;
    const given: bigint[] = [];
    let isDown = false;
    for (const connection of connections) {
      const [[value, down]] = (await query(connection, givenSql)).rows as [(string | null)[]];
      isDown = down === 't';
      if (value != null) given.push(BigInt(value));
    }
    const [first, ...others] = given;
    const furthest = others.reduce((a, b) => (b < a === isDown ? b : a), first ?? 0n);
    const value = first === undefined ? 'NULL' : String(furthest);
    await query(home!, `SELECT drive.narrow_sequence(${literal}, ${value})`);
  }
}

/** A sharded or reference table becomes a home table. */
export async function gatherTable(move: TableMove): Promise<void> {
  const [home, ...others] = move.connections as [ServerConnection, ...ServerConnection[]];
  for (const connection of move.connections) {
    await query(connection, `LOCK TABLE ${move.name} IN ACCESS EXCLUSIVE MODE`);
  }
  await checkMovable(home, move.name);
  const tree = await treeOf(home, move.name);
  for (const other of others) await checkReaders(other, move, await treeOf(other, move.name));
  const budget = new RowBudget(move.name);
  for (const part of move.from === 'sharded' ? tree : []) {
    if (!part.holdsRows) continue;
    const select = `SELECT ${exactRow('t', part.name)} FROM ONLY ${part.name} t`;
    await withoutTriggers(home, part.name, async () => {
      for (const other of others) {
        for await (const rows of batches(other, select)) {
          budget.spend(rows.length);
          await insertRows(
            home,
            part,
            rows.map(([row]) => row!),
          );
        }
      }
    });
  }
  if (move.from === 'sharded') await narrowSequences(move, tree);
  for (const other of others) await query(other, `DROP TABLE ${move.name}`);
  await rememberKind(move, tree, [home]);
}

async function rememberKind(
  { kind, key }: TableMove,
  tree: readonly Member[],
  connections: readonly ServerConnection[],
): Promise<void> {
  const column = key === null ? 'NULL' : quoteLiteral(key);
  const names = tree.map(({ name }) => quoteLiteral(name)).join(', ');
  for (const connection of connections) {
    await queryAsLogin(
      connection,
      `SELECT drive.set_table_kind(n::regclass, '${kind}', ${column})
        FROM pg_catalog.unnest(ARRAY[${names}]) n`,
    );
  }
}

function tooManyRows(name: string): SqlError {
  return new SqlError({
    code: SQLSTATE.configurationLimitExceeded,
    message: `table ${name} has more than ${MOVED_ROWS_MAX} rows to be moved in one transaction`,
    hint: 'Make a new table of that kind, and copy the rows with COPY.',
  });
}
