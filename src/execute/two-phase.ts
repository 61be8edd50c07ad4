// Two-phase commit: one transaction on several shards is committed on all of them or on none.

import { setTimeout as sleep } from 'node:timers/promises';
import { SqlError } from '../base/errors.ts';
import { PART_BUSY_MS, PART_BUSY_TRIES } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { quoteLiteral } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { query, queryToEnd, ServerError } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { NO_SETTINGS, type Settings } from '../pool/settings.ts';
import { FIELD } from '../wire/error-response.ts';
import { BECOME_LOGIN, queryAsLogin } from './as-login.ts';
import { applySettings, atOnce, type Cluster } from './cluster.ts';
import type { Hold } from './hold.ts';

export interface TwoPhase {
  readonly cluster: Cluster;
  readonly gids: Gids;
  /** Nothing is decided meanwhile. */
  readonly decisions: Hold;
  /** Nobody has a ticket meanwhile. */
  readonly tickets: Hold;
  readonly log: Logger;
}

/** Every gid begins so; the number behind it is the decider's shard. */
const GID_PREFIX = 'drive_';

/** Whether the transaction there has an id; without one its commit changes nothing. */
export async function hasWritten(connection: ServerConnection): Promise<boolean> {
  const sql = 'SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL';
  const { rows } = await query(connection, sql);
  return rows[0]?.[0] === 't';
}

/** The global identifiers of one process, unique over all: `drive_<decider>_<name>_<counter>`. */
export class Gids {
  /** Digits and small letters. */
  readonly name: string;
  #counter = 0;
  #open = new Set<string>();

  constructor(name: string) {
    this.name = name;
  }

  /** A new one whose decider is `shard`; it is open until `done`. */
  next(shard: number): string {
    this.#counter += 1;
    const gid = `${GID_PREFIX}${shard}_${this.name}_${this.#counter}`;
    this.#open.add(gid);
    return gid;
  }

  /** Its commit is over, finished or left to recovery. */
  done(gid: string): void {
    this.#open.delete(gid);
  }

  /** Whether its commit is under way in this process. */
  isOpen(gid: string): boolean {
    return this.#open.has(gid);
  }
}

/** What a shard prepares its part under: two shards may be databases of one server. */
const partOf = (gid: string, { shard }: ServerConnection): string => `${gid}_${shard.id}`;

/** What the name of a part of ours says: its transaction's gid and more; null for anybody else's. */
export function readPart(
  part: string,
): { readonly gid: string; readonly decider: number; readonly name: string } | null {
  const match = /^(drive_(\d+)_([0-9a-z]+)_\d+)_\d+$/.exec(part);
  return match === null ? null : { gid: match[1]!, decider: Number(match[2]), name: match[3]! };
}

/** One transaction that is to be committed. */
export interface Commit {
  /** Of the writers. */
  readonly connections: readonly ServerConnection[];
  /** The session's from here on, which every connection has that is not in the transaction any more. */
  readonly settings: Settings;
  /** The session may have become somebody else, who may have no rights to anything of the proxy's. */
  readonly asLogin: boolean;
  /** It may be READ ONLY by now, or what the session begins may be. */
  readonly mayBeReadOnly: boolean;
  /** The connection has prepared its part, and is in no transaction any more. */
  prepared(connection: ServerConnection): void;
}

/**
 * The first connection is the decider. The others prepare; then the decider writes the gid to its
 * drive.txlog within its own transaction and commits: that one commit is the decision, durable and
 * atomic with the decider's data. Then the others commit what they prepared. On an error before the
 * decision everything prepared is rolled back and the error thrown; the decider's own transaction
 * is the caller's to roll back. 08007 when the decision cannot be learnt: recovery finishes it.
 *
 * A transaction that has become READ ONLY takes no row in, nor can it go back behind its first query. The
 * decider then prepares its part as the others do, and the decision is a transaction of its own there.
 */
export async function commitTwoPhase(
  twoPhase: TwoPhase,
  commit: Commit,
): Promise<readonly UnfinishedPart[]> {
  const gid = twoPhase.gids.next(commit.connections[0]!.shard.id);
  try {
    return await commitAs(gid, twoPhase, commit);
  } finally {
    twoPhase.gids.done(gid);
  }
}

async function commitAs(
  gid: string,
  twoPhase: TwoPhase,
  commit: Commit,
): Promise<readonly UnfinishedPart[]> {
  const [decider, ...others] = commit.connections as [ServerConnection, ...ServerConnection[]];
  const { asLogin } = commit;
  const prepared: ServerConnection[] = [];
  try {
    const decidesApart = commit.mayBeReadOnly && (await isReadOnly(decider));
    for (const connection of decidesApart ? commit.connections : others) {
      await prepare(connection, partOf(gid, connection), asLogin);
      connection.settings = commit.settings;
      prepared.push(connection);
      commit.prepared(connection);
    }
    if (decidesApart) await decideApart(twoPhase, decider, gid, commit);
    else await decide(twoPhase, decider, gid, asLogin);
  } catch (error) {
    if (!(error instanceof SqlError && error.code === SQLSTATE.transactionResolutionUnknown)) {
      await finish(twoPhase, prepared, gid, 'ROLLBACK PREPARED', asLogin);
    }
    throw error;
  }
  const unfinished = await finish(twoPhase, prepared, gid, 'COMMIT PREPARED', asLogin);
  // While a prepared part is left, the row is what recovery decides by.
  if (unfinished.length === 0) await forget(twoPhase, decider, gid, commit);
  return unfinished;
}

/**
 * What one user has prepared no other may finish, so the login prepares it. What is deferred to the
 * commit is done before that, by the user whose it is.
 */
async function prepare(
  connection: ServerConnection,
  part: string,
  asLogin: boolean,
): Promise<void> {
  const before = asLogin ? `SET CONSTRAINTS ALL IMMEDIATE; ${BECOME_LOGIN}; ` : '';
  const sql = `${before}PREPARE TRANSACTION ${quoteLiteral(part)}`;
  const { tag } = await queryToEnd(connection, sql, 'PREPARE TRANSACTION').catch(unprepared);
  if (tag !== 'PREPARE TRANSACTION') throw rolledBack(connection);
}

/** Of a server that refuses it for what the transaction has done; not of what a deferred trigger raises. */
function unprepared(error: unknown): never {
  const isRefused =
    error instanceof ServerError &&
    error.fields.code === SQLSTATE.featureNotSupported &&
    /Prepare/.test(error.fields.all.get(FIELD.routine) ?? '');
  if (!isRefused) throw error;
  throw new SqlError({
    code: SQLSTATE.featureNotSupported,
    message:
      'not supported over several shards: a transaction that a server cannot prepare, as where a trigger or a function on rows notifies',
    detail: error.fields.message,
    hint: 'Let it write one shard. NOTIFY and SELECT pg_notify(…) by themselves may be in any.',
  });
}

/** A part that is decided and still prepared, because its shard did not answer. */
export interface UnfinishedPart {
  readonly shard: number;
  /** Its name there. */
  readonly name: string;
}

/** Commits such a part, unless somebody else has; `connection` is in no transaction. */
export async function finishPart(
  connection: ServerConnection,
  { name }: Pick<UnfinishedPart, 'name'>,
): Promise<void> {
  for (let left = PART_BUSY_TRIES; ; left--) {
    try {
      await endPart(connection, 'COMMIT PREPARED', name);
      return;
    } catch (error) {
      const code = error instanceof ServerError ? error.fields.code : '';
      if (code === UNDEFINED_OBJECT) return;
      // Somebody else, or the server process whose connection was lost, is at it.
      if (code !== SQLSTATE.objectNotInPrerequisiteState || left === 0) throw error;
      await sleep(PART_BUSY_MS);
    }
  }
}

const UNDEFINED_OBJECT = '42704';

type PartEnd = 'COMMIT PREPARED' | 'ROLLBACK PREPARED';

async function endPart(connection: ServerConnection, how: PartEnd, name: string): Promise<void> {
  await queryToEnd(connection, `${how} ${quoteLiteral(name)}`, how);
}

async function isReadOnly(connection: ServerConnection): Promise<boolean> {
  const { rows } = await query(connection, 'SHOW transaction_read_only');
  return rows[0]?.[0] === 'on';
}

const decisionSql = (gid: string): string =>
  `INSERT INTO drive.txlog (gid, state) VALUES (${quoteLiteral(gid)}, 'commit')`;

async function decide(
  twoPhase: TwoPhase,
  decider: ServerConnection,
  gid: string,
  asLogin: boolean,
): Promise<void> {
  const run = asLogin ? queryAsLogin : query;
  await run(decider, decisionSql(gid)).catch((error: unknown) => {
    throw hasBeenGivenUp(error) ? givenUp() : error;
  });
  let tag = 'COMMIT';
  try {
    ({ tag } = await queryToEnd(decider, 'COMMIT', 'COMMIT'));
  } catch (error) {
    if (error instanceof ServerError) throw error;
    await learnDecision(twoPhase, decider, gid, error);
  }
  if (tag !== 'COMMIT') throw rolledBack(decider);
}

/** The decider has prepared its part: it is in no transaction. */
async function decideApart(
  twoPhase: TwoPhase,
  decider: ServerConnection,
  gid: string,
  commit: Commit,
): Promise<void> {
  try {
    await writeLog(decider, decisionSql(gid), commit);
  } catch (error) {
    if (hasBeenGivenUp(error)) throw givenUp();
    // Also where a server has told an error: that may have come behind its commit.
    await learnDecision(twoPhase, decider, gid, error);
  }
}

/** Whether the decision was made, which has ended in `error`: throws that where it was not. */
async function learnDecision(
  { cluster }: TwoPhase,
  decider: ServerConnection,
  gid: string,
  error: unknown,
): Promise<void> {
  const decision = await settleDecision(cluster, decider.shard.id, gid).catch((cause: unknown) => {
    throw unknownOutcome(cause);
  });
  if (decision !== 'commit') throw error;
}

/** Of what writes the decision: another proxy has written that there is to be none. */
const hasBeenGivenUp = (error: unknown): boolean =>
  error instanceof ServerError && error.fields.code === SQLSTATE.uniqueViolation;

function givenUp(): SqlError {
  return new SqlError({
    code: SQLSTATE.serializationFailure,
    message: 'another proxy has rolled the transaction back, whose COMMIT took too long',
    hint: 'Run the transaction again.',
  });
}

/** In a transaction of its own. */
function writeLog(
  connection: ServerConnection,
  sql: string,
  { asLogin, mayBeReadOnly }: Commit,
): Promise<unknown> {
  // Several statements of one string are a transaction, which takes modes.
  const modes = mayBeReadOnly ? ['SET TRANSACTION READ WRITE'] : [];
  if (asLogin) return queryAsLogin(connection, sql, modes);
  return query(connection, [...modes, sql].join('; '));
}

/**
 * The decision on `gid`, made 'abort' if there is none yet. The insert waits for a decision in
 * flight and a late committer then meets the duplicate key, so there is no race.
 */
export async function settleDecision(
  cluster: Cluster,
  shard: number,
  gid: string,
): Promise<'commit' | 'abort'> {
  // Those who have all of the pool may wait for rows that the decision sets free.
  return atOnce(cluster, shard, async (connection) => {
    const name = quoteLiteral(gid);
    await query(
      connection,
      `INSERT INTO drive.txlog (gid, state) VALUES (${name}, 'abort') ON CONFLICT DO NOTHING`,
    );
    const { rows } = await query(connection, `SELECT state FROM drive.txlog WHERE gid = ${name}`);
    const [row] = rows;
    // Whoever has made the decision has seen it carried out everywhere.
    if (row === undefined) throw new Error(`the decision on ${gid} is not kept any more`);
    return row[0] === 'commit' ? 'commit' : 'abort';
  });
}

/** The parts that could not be finished: left to recovery, and logged. */
async function finish(
  twoPhase: TwoPhase,
  prepared: readonly ServerConnection[],
  gid: string,
  verb: PartEnd,
  asLogin: boolean,
): Promise<readonly UnfinishedPart[]> {
  const unfinished: UnfinishedPart[] = [];
  const ends = prepared.map(async (connection) => {
    const name = partOf(gid, connection);
    try {
      if (asLogin) await applySettings(connection, NO_SETTINGS);
      if (verb === 'COMMIT PREPARED') await finishPart(connection, { name });
      else await endPart(connection, verb, name);
    } catch (error) {
      twoPhase.log.warn({ gid, verb, err: error }, 'left to recovery: a shard did not answer');
      unfinished.push({ shard: connection.shard.id, name });
    }
  });
  await Promise.all(ends);
  return unfinished;
}

async function forget(
  twoPhase: TwoPhase,
  decider: ServerConnection,
  gid: string,
  commit: Commit,
): Promise<void> {
  try {
    await writeLog(decider, `DELETE FROM drive.txlog WHERE gid = ${quoteLiteral(gid)}`, commit);
  } catch (error) {
    twoPhase.log.warn({ gid, err: error }, 'a finished transaction stays in drive.txlog');
  }
}

/** A server that is lost rolls back by itself. */
export async function rollBack(connection: ServerConnection): Promise<void> {
  try {
    await query(connection, 'ROLLBACK');
  } catch (error) {
    if (error instanceof ServerError) connection.tainted = true;
  }
}

/** COMMIT and PREPARE TRANSACTION of a failed transaction answer ROLLBACK instead of an error. */
export function rolledBack(connection: ServerConnection): SqlError {
  return new SqlError({
    code: SQLSTATE.inFailedSqlTransaction,
    message: `shard ${connection.shard.id} rolled the transaction back instead of committing it`,
  });
}

/** 08007: the connection was lost while COMMIT was under way. */
export function unknownOutcome(cause: unknown): SqlError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SqlError(
    {
      code: SQLSTATE.transactionResolutionUnknown,
      message: `the outcome of COMMIT is unknown: ${reason}`,
      hint: 'Look whether the changes are there before trying again.',
    },
    { cause },
  );
}
