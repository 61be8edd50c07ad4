// Table move: gives a table another kind, with the rows it has, in one transaction over all shards.

import { SqlError } from '../base/errors.ts';
import { MOVED_ROWS_MAX, REFERENCE_COPY_ROWS } from '../base/limits.ts';
import { quoteLiteral, quoteName } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { exactRow } from '../plan/exact-row.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Placement } from '../topology/placement.ts';
import type { Table } from '../topology/table.ts';
import { queryAsLogin } from './as-login.ts';

export interface TableMove {
  /** Qualified and quoted. */
  readonly name: string;
  readonly table: Table;
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
  await checkViews(home, move);
  const [early, late] = await Promise.all([
    column(home, `SELECT drive.table_script(${name}, false)`),
    column(home, `SELECT drive.table_script(${name}, true)`),
  ]);
  for (const other of others) for (const sql of early) await query(other, sql);
  const moved = await copyRows(home, others, move);
  for (const other of others) for (const sql of late) await query(other, sql);
  if (moved.length > 0) {
    await query(home, `ALTER TABLE ${move.name} DISABLE TRIGGER USER`);
    await query(home, `DELETE FROM ${move.name} WHERE ctid = ANY('{${moved.join(',')}}'::tid[])`);
    await query(home, `ALTER TABLE ${move.name} ENABLE TRIGGER USER`);
  }
  if (move.kind === 'sharded') await strideSequences(move);
  await rememberKind(move, move.connections);
}

async function checkMovable(home: ServerConnection, name: string): Promise<void> {
  const [reason] = await column(home, `SELECT drive.immovable(${quoteLiteral(name)})`);
  if (reason === undefined || reason === '') return;
  throw new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `the kind of table ${name} cannot be changed: ${reason}`,
    hint: 'Make a new table of that kind, and copy the rows.',
  });
}

/** Views that are on the home shard alone would not be found where their rows are. */
async function checkViews(home: ServerConnection, { name, kind }: TableMove): Promise<void> {
  if (kind !== 'sharded') return;
  const [view] = await column(
    home,
    `SELECT w.ev_class::pg_catalog.regclass::text FROM pg_catalog.pg_depend d
     JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid
     WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
       AND d.refobjid = ${quoteLiteral(name)}::pg_catalog.regclass LIMIT 1`,
  );
  if (view === undefined) return;
  throw new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `the kind of table ${name} cannot be changed: view ${view} reads it`,
    hint: 'Drop the view, and make it again when the table is sharded.',
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
  move: TableMove,
): Promise<readonly string[]> {
  const gone: string[] = [];
  let count = 0;
  const keySql = move.key === null ? 'NULL' : `(${quoteName(move.key)})::bigint`;
  const select = `SELECT ${keySql}, ctid, ${exactRow('t', move.name)} FROM ONLY ${move.name} t`;
  for await (const rows of batches(home, select)) {
    count += rows.length;
    if (count > MOVED_ROWS_MAX) throw tooManyRows(move.name);
    const parts = new Map<ServerConnection, string[]>(others.map((other) => [other, []]));
    for (const [key, ctid, row] of rows) {
      if (move.kind === 'reference') for (const part of parts.values()) part.push(row!);
      else {
        const target = move.connections[shardOf(key ?? null, move)]!;
        if (target === home) continue;
        parts.get(target)!.push(row!);
        gone.push(`"${ctid!}"`);
      }
    }
    for (const [other, part] of parts) await insertRows(other, move, part);
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
  { name, table }: TableMove,
  rows: readonly string[],
): Promise<void> {
  if (rows.length === 0) return;
  const columns = table.columns
    .filter(({ generated }) => !generated)
    .map((each) => quoteName(each.name));
  const array = `ARRAY[${rows.map(quoteLiteral).join(',')}]::text[]`;
  await query(
    connection,
    `INSERT INTO ${name} (${columns.join(', ')}) OVERRIDING SYSTEM VALUE ` +
      `SELECT ${columns.map((each) => `(made.made).${each}`).join(', ')} ` +
      `FROM (SELECT unnest(${array})::${name} AS made OFFSET 0) AS made`,
  );
}

/** Ids go on behind the last that the home shard gave, each shard with its own. */
async function strideSequences({ connections, name }: TableMove): Promise<void> {
  const [home] = connections;
  for (const sequence of await ownedSequences(home!, name)) {
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

const ownedSequences = (home: ServerConnection, table: string): Promise<string[]> =>
  column(
    home,
    `SELECT objid::regclass::text FROM pg_catalog.pg_depend
      WHERE refobjid = ${quoteLiteral(table)}::regclass AND deptype IN ('a', 'i')
        AND objid IN (SELECT seqrelid FROM pg_catalog.pg_sequence)`,
  );

/** Of a table that was sharded: the home shard alone counts on, in the steps that were written. */
async function narrowSequences({ connections, name }: TableMove): Promise<void> {
  const [home] = connections;
  for (const sequence of await ownedSequences(home!, name)) {
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
  let count = 0;
  for (const other of move.table.kind === 'sharded' ? others : []) {
    for await (const rows of batches(
      other,
      `SELECT ${exactRow('t', move.name)} FROM ONLY ${move.name} t`,
    )) {
      count += rows.length;
      if (count > MOVED_ROWS_MAX) throw tooManyRows(move.name);
      await query(home, `ALTER TABLE ${move.name} DISABLE TRIGGER USER`);
      await insertRows(
        home,
        move,
        rows.map(([row]) => row!),
      );
      await query(home, `ALTER TABLE ${move.name} ENABLE TRIGGER USER`);
    }
  }
  if (move.table.kind === 'sharded') await narrowSequences(move);
  for (const other of others) await query(other, `DROP TABLE ${move.name}`);
  await rememberKind(move, [home]);
}

async function rememberKind(
  { name, kind, key }: TableMove,
  connections: readonly ServerConnection[],
): Promise<void> {
  const column = key === null ? 'NULL' : quoteLiteral(key);
  for (const connection of connections) {
    await queryAsLogin(
      connection,
      `SELECT drive.set_table_kind(${quoteLiteral(name)}::regclass, '${kind}', ${column})`,
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
