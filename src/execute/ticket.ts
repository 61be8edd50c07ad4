// Tickets: put serializable transactions over several shards into one order on all of them.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE, type SqlState } from '../base/sqlstate.ts';
import { type QueryResult, query, ServerError } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Shard } from '../topology/shard.ts';
import { type ConnectBeside, Hold } from './hold.ts';

/** Waits until nobody has the ticket, and takes no snapshot: what they have done will be seen. */
const LOCK_TICKET = 'LOCK TABLE drive.ticket IN EXCLUSIVE MODE';

const LOCK_AT_ONCE = `${LOCK_TICKET} NOWAIT`;

/** Waits as that does, and then has it not: whoever may not write can do so, too. */
const AWAIT_TICKET = `SAVEPOINT "drive.ticket"; LOCK TABLE drive.ticket IN ROW SHARE MODE;
  ROLLBACK TO "drive.ticket"; RELEASE "drive.ticket"`;

/** 40001 where somebody has taken it since the snapshot. */
const TAKE_TICKET = 'UPDATE drive.ticket SET is_only = true';

/** What they need to know of their transaction. */
export interface TicketHolder {
  readonly participants: ReadonlyMap<number, ServerConnection>;
  /** How many savepoints it has had so far. */
  readonly savepoints: number;
  /** 'none': none of its statements has been answered yet by a snapshot. */
  readonly snapshot: 'none' | 'perShard' | 'ofAllShards';
  /** It must be as if all such transactions were run one behind the other, over several shards, too. */
  isSerializable(): boolean;
}

/**
 * Of one transaction. A server sees which of its own transactions depend on each other, and fails one of
 * a circle. A circle over several shards goes, on each of them, from one transaction that is on several
 * to another. Each of these has the ticket of each of its shards, from its snapshot to its end: so one of the two
 * has ended before the other's snapshot, and is the first of them on every shard; for none ends anywhere
 * before it has all of its snapshots. A way back from the second to the first is then a circle on one
 * shard, whose server sees it. Source: Georgakopoulos, Rusinkiewicz, Sheth, "On Serializability of
 * Multidatabase Transactions Through Forced Local Conflicts" (1991).
 */
export class Tickets {
  #holder: TicketHolder;
  /** 'none' as long as it is on one shard; 'spared': it needs none. */
  #state: 'none' | 'taken' | 'spared' = 'none';
  /** Of the holder, when the last was taken: who goes back to one of them loses it. */
  #savepoints = 0;

  constructor(holder: TicketHolder) {
    this.#holder = holder;
  }

  /** Who joins now may do so with its first statement. */
  get isFree(): boolean {
    return this.#state === 'spared' || (this.#state === 'none' && !this.#isSecond);
  }

  get #isSecond(): boolean {
    const { participants, snapshot } = this.#holder;
    return participants.size > 0 && snapshot !== 'none' && this.#holder.isSerializable();
  }

  /** It needs none: nobody depends on it, or it takes them by other means. */
  spare(): void {
    this.#state = 'spared';
  }

  /** It will be on several shards: the first joins as the others do. */
  expectSeveral(): void {
    if (this.#holder.isSerializable()) this.#state = 'taken';
  }

  /** Those that its participants have taken under way with their snapshots. */
  taken(): void {
    this.#state = 'taken';
    this.#savepoints = this.#holder.savepoints;
  }

  /** Before another joins. Rejects with ServerError and SqlError. */
  async beforeJoining(): Promise<void> {
    if (this.#state !== 'none' || !this.#isSecond) return;
    try {
      await this.#takeAll();
      this.#state = 'taken';
    } catch (error) {
      throw isServerError(error, SQLSTATE.readOnlySqlTransaction) ? becameReadOnly() : error;
    }
  }

  /** Before its first statement is sent. Rejects like beforeJoining. */
  async joined(participant: ServerConnection): Promise<void> {
    if (this.#state !== 'taken') return;
    this.#savepoints = this.#holder.savepoints;
    const shards = [...this.#holder.participants.keys()];
    // In shard order nobody waits for each other.
    const waits = shards.every((shard) => shard <= participant.shard.id);
    await take(participant, waits ? LOCK_TICKET : LOCK_AT_ONCE);
  }

  /** Behind ROLLBACK TO the holder's savepoint `serial`. Rejects like beforeJoining. */
  async rolledBackTo(serial: number): Promise<void> {
    if (this.#state === 'taken' && serial <= this.#savepoints) await this.#takeAll();
  }

  /** They have their snapshots: whoever has a ticket now has not ended before these. */
  async #takeAll(): Promise<void> {
    this.#savepoints = this.#holder.savepoints;
    for (const participant of this.#holder.participants.values()) {
      await take(participant, LOCK_AT_ONCE);
    }
  }
}

/** Of those who take their snapshots in one moment, which is yet to come: one after the other, in shard order. */
export async function lockTickets(participants: readonly ServerConnection[]): Promise<void> {
  for (const participant of participants) await asked(participant, LOCK_TICKET);
}

/**
 * Before a ticketHold, in which all of a process wait for each other: who has a ticket for long is waited for here,
 * by each as long as its own client lets it.
 */
export async function awaitTickets(participants: readonly ServerConnection[]): Promise<void> {
  for (const participant of participants) await asked(participant, AWAIT_TICKET);
}

/** What `sql` answers to one who has locked the ticket. Rejects like beforeJoining. */
export async function askTakingTicket(
  participant: ServerConnection,
  sql: string,
): Promise<QueryResult> {
  const result = await query(participant, `${sql}; ${TAKE_TICKET}`);
  checkTaken(participant, result);
  return result;
}

/**
 * While it is held nobody has a ticket of any shard, and everybody who has a snapshot of one shard only,
 * from before, fails to get it. Who takes snapshots meanwhile needs no tickets as long as it only reads: it is
 * behind all that have ended, and before all others.
 */
export const ticketHold = (shards: readonly Shard[], connect: ConnectBeside): Hold =>
  new Hold(shards, connect, async (holders) => {
    const inOrder = holders.toSorted((a, b) => a.shard.id - b.shard.id);
    for (const holder of inOrder) await take(holder, LOCK_TICKET);
  });

async function take(connection: ServerConnection, lock: string): Promise<void> {
  checkTaken(connection, await asked(connection, `${lock}; ${TAKE_TICKET}`));
}

/** Where the row is missing nobody is in anybody's way. */
function checkTaken({ shard }: ServerConnection, { tag }: QueryResult): void {
  if (tag !== 'UPDATE 1') throw notInstalled(shard.id);
}

async function asked(connection: ServerConnection, sql: string): Promise<QueryResult> {
  try {
    return await query(connection, sql);
  } catch (error) {
    if (isServerError(error, SQLSTATE.undefinedTable)) throw notInstalled(connection.shard.id);
    if (sql.startsWith(LOCK_AT_ONCE) && isServerError(error, SQLSTATE.lockNotAvailable)) {
      throw isTaken(connection.shard.id);
    }
    throw error;
  }
}

const isServerError = (error: unknown, code: SqlState): boolean =>
  error instanceof ServerError && error.fields.code === code;

function isTaken(shard: number): SqlError {
  return new SqlError({
    code: SQLSTATE.serializationFailure,
    message: `could not serialize access to several shards: another transaction over several has begun on shard ${shard}`,
    hint: 'The transaction might succeed if retried.',
  });
}

/** Behind a ROLLBACK TO. */
export function notTakenAgain(cause: unknown): SqlError {
  return new SqlError(
    {
      code: SQLSTATE.serializationFailure,
      message:
        'could not serialize access to several shards: another transaction over several has begun',
      detail: 'It had to wait for what has been undone by ROLLBACK TO.',
      hint: 'The transaction might succeed if retried.',
    },
    { cause },
  );
}

function becameReadOnly(): SqlError {
  return new SqlError({
    code: SQLSTATE.featureNotSupported,
    message:
      'not supported: a further shard in a SERIALIZABLE transaction that has become READ ONLY on another',
    hint: 'Begin it with BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY.',
  });
}

function notInstalled(shard: number): SqlError {
  return new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `not supported: SERIALIZABLE over several shards, as shard ${shard} has no ticket in table drive.ticket`,
    hint: 'Run `drive install`, which brings the schema drive of every shard up to date.',
  });
}
