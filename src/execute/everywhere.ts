// Everywhere: one statement on every shard, answered once: DDL and maintenance.

import { SqlError } from '../base/errors.ts';
import { quoteLiteral } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { AlteredTable, EverywhereMerge, NewTable } from '../plan/plan.ts';
import { refused } from '../plan/unsupported.ts';
import type { OnNotice } from '../pool/notice-passage.ts';
import { type QueryResult, query, ServerError } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { FIELD } from '../wire/error-response.ts';
import { queryAsLogin } from './as-login.ts';
import { attemptPieces, isMissing } from './attempt.ts';
import { onEach } from './hold.ts';
import { relationSql } from './relation-sql.ts';
import { timedAnew } from './timed-domains.ts';
import type { Transaction } from './transaction.ts';

export interface EverywhereRequest {
  readonly sql: string;
  /** Another statement behind it, in the same transaction. */
  readonly behind: string | null;
  readonly merge: EverywhereMerge;
  /** The transaction's, in which it runs. */
  readonly time: () => Promise<string>;
  /** In shard order; the home shard is the first. */
  readonly shards: readonly number[];
  /** Is told the notices of the home shard, which speaks for all. */
  readonly onNotice: OnNotice | null;
}

/**
 * Runs the statement on all shards within `transaction` and gives the home shard's answer. An
 * object may be on the home shard alone or on every shard; what some shards have and others have not
 * is an error.
 */
export async function runInTransaction(
  transaction: Transaction,
  request: EverywhereRequest,
): Promise<QueryResult> {
  const { merge, shards } = request;
  if (merge.mode === 'block') return lock(transaction, request);
  const home = await transaction.enlist(HOME_SHARD);
  const looseBefore = await looseKeys(home, merge.alters);
  const before = await sequencesOf(home);
  let answer: QueryResult | null = null;
  const tags: string[] = [];
  const missing: ServerError[] = [];
  const done: ServerConnection[] = [];
  for (const shard of shards) {
    const connection = await transaction.enlist(shard);
    const lenient = merge.homeMayBeAlone && shard !== HOME_SHARD;
    const sql = sqlFor(shard, request);
    const asked = lenient
      ? attemptPieces(connection, sql, merge.pieces)
      : query(connection, sql, shard === HOME_SHARD ? request.onNotice : null);
    const outcome = await asked.catch((error: unknown) => {
      throw shard !== HOME_SHARD && isMissing(error) ? onlyOnHome(error, shard) : error;
    });
    if (outcome instanceof ServerError) missing.push(outcome);
    else {
      transaction.writers.add(shard);
      done.push(connection);
      tags.push(outcome.tag);
      if (shard === HOME_SHARD) answer = outcome;
    }
  }
  const isAlone = missing.length > 0 && done.length === 1;
  if (isAlone) return answer!;
  if (missing.length > 0) throw missing[0];
  if (merge.onlyAtHome !== null) throw new SqlError(merge.onlyAtHome);
  const loose = await looseKeys(home, merge.alters);
  if (loose.some((name) => !looseBefore.includes(name))) throw new SqlError(refused('unique'));
  if (await isFilledApart(home, merge.alters)) throw new SqlError(refused('referenceColumn'));
  const after = await sequencesOf(home);
  const alike = await madeAlike(done[1], before, after);
  const narrow = after.narrow.filter((name) => isNew(name, before, after));
  const ofOneShard = await sequencesOfOneShard(home, merge.creates);
  const spread = [...narrow, ...alike].filter((name) => !ofOneShard.has(name));
  const numbering = await numberedAnew(home, spread, merge.alters);
  const filled = [...numbering, ...(await timedAnew(home, merge.alters, request.time))];
  const behind = request.behind === null ? filled : [...filled, request.behind];
  // At once where what is changed is this transaction's own: no order of locks is to be kept.
  await onEach(done, async (each) => {
    for (const sequence of spread) await query(each, spreadSql(sequence));
    for (const sql of behind) await query(each, sql);
  });
  if (merge.restarts) for (const each of done) await queryAsLogin(each, ALIGN_SQL);
  // Shard by shard: those of tables that are gone are forgotten, too, which others may do at the same time.
  for (const made of merge.creates) {
    for (const each of made.kind === 'home' ? [home] : done) await rememberKind(each, made);
  }
  const isCopied = merge.creates.some(({ kind }) => kind === 'reference');
  return { ...answer!, tag: isCopied ? answer!.tag : tagOf(tags) };
}

const sqlFor = (shard: number, { sql, merge }: EverywhereRequest): string =>
  shard === HOME_SHARD ? sql : (merge.elsewhere ?? sql);

/** The home shard has done it: what the statement names is there, and on no other shard. */
function onlyOnHome({ fields }: ServerError, shard: number): SqlError {
  return new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: 'not supported: a statement for every shard that names what shard 0 alone has',
    detail: `Shard ${shard}: ${fields.message}`,
    hint: 'Name what is on every shard: a home table, and its type, is on shard 0.',
  });
}

/**
 * LOCK: it writes nothing, and the snapshot that a transaction keeps is taken behind it, so nothing is
 * asked of a server but this.
 */
async function lock(transaction: Transaction, request: EverywhereRequest): Promise<QueryResult> {
  const { sql, shards, onNotice } = request;
  const home = await query(await transaction.enlist(HOME_SHARD), sql, onNotice);
  for (const shard of shards) {
    if (shard === HOME_SHARD) continue;
    await query(await transaction.enlist(shard), sqlFor(shard, request));
  }
  return home;
}

/** Rows of a materialized view are counted, of any other object there are none to count. */
function tagOf(tags: readonly string[]): string {
  const counts = tags.map((tag) => /^SELECT (\d+)$/.exec(tag)?.[1]);
  if (!counts.every((count) => count !== undefined)) return tags[0]!;
  return `SELECT ${counts.reduce((sum, count) => sum + BigInt(count), 0n)}`;
}

interface Sequences {
  readonly narrow: readonly string[];
  /** Those that count in steps of 1024 or a multiple, with where they start. */
  readonly wide: ReadonlyMap<string, string>;
  /** Of all, by name: names change, with those of schemas, too. */
  readonly oids: ReadonlyMap<string, string>;
  readonly known: ReadonlySet<string>;
}

async function sequencesOf(connection: ServerConnection): Promise<Sequences> {
  const { rows } = await query(
    connection,
    // Whoever changes the schema may have no right to that of another sequence, so no name is looked up.
    `SELECT each.name, each.start, c.oid FROM (
        SELECT name, NULL AS start FROM drive.narrow_sequences() AS name
        UNION ALL SELECT named, start FROM drive.wide_sequences()) AS each
      JOIN (pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace)
        ON c.relkind = 'S' AND pg_catalog.format('%I.%I', n.nspname, c.relname) = each.name`,
  );
  return {
    narrow: rows.flatMap(([name, start]) => (start === null ? [name!] : [])),
    wide: new Map(rows.flatMap(([name, start]) => (start == null ? [] : [[name!, start]]))),
    oids: new Map(rows.map(([name, , oid]) => [name!, oid!])),
    known: new Set(rows.map(([, , oid]) => oid!)),
  };
}

const isNew = (name: string, before: Sequences, after: Sequences): boolean =>
  !before.known.has(after.oids.get(name)!);

/** New ones that have wide steps by their own definition: the same START on every shard. */
async function madeAlike(
  other: ServerConnection | undefined,
  before: Sequences,
  after: Sequences,
): Promise<readonly string[]> {
  const made = [...after.wide].filter(([name]) => isNew(name, before, after));
  if (made.length === 0 || other === undefined) return [];
  const there = (await sequencesOf(other)).wide;
  return made.flatMap(([name, start]) => (there.get(name) === start ? [name] : []));
}

/** Those of tables that get their ids on the home shard alone. */
async function sequencesOfOneShard(
  home: ServerConnection,
  created: readonly NewTable[],
): Promise<ReadonlySet<string>> {
  const tables = created.filter(({ kind }) => kind !== 'sharded');
  if (tables.length === 0) return new Set();
  const oids = tables.map(
    (table) => `pg_catalog.to_regclass(${quoteLiteral(relationSql(table.relation))})`,
  );
  const { rows } = await query(
    home,
    `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
      FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'S'
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.refclassid = d.classid AND d.deptype IN ('a', 'i')
        AND d.refobjid IN (${oids.join(', ')})`,
  );
  return new Set(rows.map(([name]) => name!));
}

/**
 * Rows that were there when a column with a sequence of its own was added have got its numbers before it
 * was spread, on every shard the same. No trigger fires when they get others, once it is.
 */
async function numberedAnew(
  home: ServerConnection,
  spread: readonly string[],
  alters: readonly AlteredTable[],
): Promise<readonly string[]> {
  const added = alters.flatMap((table) => table.added);
  if (spread.length === 0 || added.length === 0) return [];
  const list = (values: readonly string[]) => `ARRAY[${values.map(quoteLiteral).join(', ')}]`;
  const { rows } = await query(
    home,
    `SELECT pg_catalog.format('ALTER TABLE %s %s', a.attrelid::pg_catalog.regclass,
        pg_catalog.string_agg(pg_catalog.format(
          'ALTER COLUMN %I TYPE %s USING pg_catalog.nextval(%L)', a.attname,
          pg_catalog.format_type(a.atttypid, a.atttypmod), d.objid::pg_catalog.regclass), ', '))
      FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.refclassid = d.classid AND d.deptype IN ('a', 'i')
        AND d.objid = ANY (${list(spread)}::pg_catalog.regclass[])
        AND a.attname = ANY (${list(added)})
      GROUP BY a.attrelid`,
  );
  return rows.map(([sql]) => sql!);
}

const spreadSql = (sequence: string) =>
  `SELECT drive.spread_sequence(${quoteLiteral(sequence)}::regclass)`;

const ALIGN_SQL =
  'SELECT drive.align_sequence(seqrelid) FROM pg_catalog.pg_sequence ' +
  'WHERE seqincrement % 1024 = 0';

/**
 * Unique indexes that each shard would keep for its own rows only: the sharding key is not among their
 * columns, and nothing gives their one column values of its own. As of DROP DEFAULT, or LIKE.
 */
async function looseKeys(
  home: ServerConnection,
  tables: readonly AlteredTable[],
): Promise<readonly string[]> {
  const names: string[] = [];
  for (const table of tables) names.push(...(await looseKeysOf(home, table)));
  return names;
}

async function looseKeysOf(
  home: ServerConnection,
  table: AlteredTable,
): Promise<readonly string[]> {
  if (table.keyColumn === null) return [];
  const { rows } = await query(
    home,
    `SELECT i.indexrelid::pg_catalog.text FROM pg_catalog.pg_index i
      WHERE i.indrelid = pg_catalog.to_regclass(${quoteLiteral(relationSql(table.relation))})
        AND (i.indisunique OR i.indisexclusion)
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid
          AND a.attname = ${quoteLiteral(table.keyColumn)}
          AND a.attnum = ANY ((i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1]))
        AND NOT (i.indnkeyatts = 1 AND EXISTS (SELECT FROM pg_catalog.pg_attribute a
          LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
          WHERE a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND (a.attidentity <> ''
            OR pg_catalog.pg_get_expr(d.adbin, d.adrelid) ~
              '^(nextval|gen_random_uuid|uuidv[47]|([^ ]+\\.)?uuid_generate_v4)\\(')))`,
  );
  return rows.map(([name]) => name!);
}

/** Each shard gives its copy of the rows a default of its own, which the type of an added column has. */
async function isFilledApart(
  home: ServerConnection,
  tables: readonly AlteredTable[],
): Promise<boolean> {
  for (const { relation, keyColumn, added } of tables) {
    if (keyColumn !== null || added.length === 0) continue;
    const { rows } = await query(
      home,
      `SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = pg_catalog.to_regclass(${quoteLiteral(relationSql(relation))})
          AND a.attname IN (${added.map(quoteLiteral).join(', ')})
          AND NOT a.atthasdef AND t.typdefaultbin::pg_catalog.text !~ '^{CONST '`,
    );
    if (rows.length > 0) return true;
  }
  return false;
}

/** Of a relation that the session's search path finds, which depends on who it is. */
export async function rememberKind(
  connection: ServerConnection,
  { relation, kind, keyColumn }: NewTable,
): Promise<void> {
  const found = `SELECT ${quoteLiteral(relationSql(relation))}::pg_catalog.regclass::pg_catalog.oid`;
  const [[oid]] = (await query(connection, found)).rows as [[string]];
  const key = keyColumn === null ? 'NULL' : quoteLiteral(keyColumn);
  await queryAsLogin(connection, `SELECT drive.set_table_kind(${oid}, '${kind}', ${key})`);
}

/** Lends a connection that is in no transaction, for one statement. */
export type WithConnection = <T>(
  shard: number,
  use: (connection: ServerConnection) => Promise<T>,
) => Promise<T>;

/**
 * Runs the statement shard by shard, each by itself. The first failure ends it; the error then says
 * on which shards it is done already, because nothing takes that back.
 */
export async function runShardByShard(
  withConnection: WithConnection,
  request: EverywhereRequest,
): Promise<QueryResult> {
  const { merge, shards, onNotice } = request;
  let answer: QueryResult | null = null;
  const done: number[] = [];
  let missing: unknown = null;
  for (const shard of shards) {
    try {
      const told = done.length === 0 ? onNotice : null;
      const sql = sqlFor(shard, request);
      const own = await withConnection(shard, (connection) => query(connection, sql, told));
      answer ??= own;
      done.push(shard);
    } catch (error) {
      const isAloneSoFar = done.length === 1 && done[0] === HOME_SHARD;
      if (!merge.homeMayBeAlone || !isAloneSoFar || !isMissing(error)) {
        throw partly(error, shard, done, shards);
      }
      missing = error;
      continue;
    }
    if (missing !== null) throw partly(missing, shard, done, shards);
  }
  return answer!;
}

function partly(
  error: unknown,
  failed: number,
  done: readonly number[],
  shards: readonly number[],
): unknown {
  if (done.length === 0) return error;
  const rest = shards.filter((shard) => shard > failed);
  const detail =
    `It failed on shard ${failed} and is done on shard ${done.join(', ')}` +
    (rest.length === 0 ? '.' : `; it was not tried on shard ${rest.join(', ')}.`);
  const hint =
    'Each shard runs this by itself. Remove the cause, then repeat it with IF [NOT] EXISTS or, ' +
    'with SET drive.shard = n, where it is missing.';
  if (error instanceof ServerError) {
    const all = new Map(error.fields.all).set(FIELD.detail, detail).set(FIELD.hint, hint);
    return new ServerError({ ...error.fields, all });
  }
  if (!(error instanceof SqlError)) return error;
  return new SqlError({ code: error.code, message: error.message, detail, hint }, { cause: error });
}

/** Shards that were installed before sql/ could do this. */
export function notInstalled(): SqlError {
  return new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: 'the shards lack the functions for DDL over all of them',
    hint: 'Run the files of sql/ on every shard; they can be run again.',
  });
}
