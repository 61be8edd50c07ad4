// Seats: how many clients there may be at once, in all and of one user, and who is counted.

import { SqlError } from '../base/errors.ts';
import { CONSOLE_CLIENTS_RESERVED } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';

export interface SeatRules {
  /** Clients at most, authenticated or not. */
  readonly clientsMax: number;
  /** Clients of one user at most; who is not in it has no bound of its own. */
  readonly clientsMaxOf: ReadonlyMap<string, number>;
}

/** One client's place. */
export interface Seat {
  /** The client has proved to be `user`. Rejects with 53300, FATAL, when that user has too many. */
  claim(user: string): Promise<void>;
  /** Gives it back; the second time nothing happens. */
  leave(): void;
}

/** Where a client gets its place once it has said what it wants. */
export interface Seating {
  /** Rejects with SqlError 53300, FATAL. */
  take(isConsole: boolean): Promise<Seat>;
}

/** A place that is taken. */
export interface Place {
  readonly isConsole: boolean;
  user: string | null;
}

/** Counts exactly: by the process alone, or by the primary for all of its workers. */
export class Seats {
  /** Rules for those to come. */
  rules: SeatRules;
  #clients = 0;
  #consoles = 0;
  #byUser = new Map<string, number>();

  constructor(rules: SeatRules) {
    this.rules = rules;
  }

  /** Throws SqlError 53300, FATAL. An overload is when the operator must get in. */
  take(isConsole: boolean): Place {
    const { clientsMax } = this.rules;
    const isFull = isConsole
      ? this.#clients + this.#consoles >= clientsMax + CONSOLE_CLIENTS_RESERVED
      : this.#clients >= clientsMax;
    if (isFull) throw tooManyClients(clientsMax);
    if (isConsole) this.#consoles += 1;
    else this.#clients += 1;
    return { isConsole, user: null };
  }

  /** Throws SqlError 53300, FATAL: then the place is still to be given back. */
  claim(place: Place, user: string): void {
    if (place.isConsole) return;
    const max = this.rules.clientsMaxOf.get(user);
    const count = this.#byUser.get(user) ?? 0;
    if (max !== undefined && count >= max) throw tooManyOfUser(user, max);
    place.user = user;
    this.#byUser.set(user, count + 1);
  }

  leave({ isConsole, user }: Place): void {
    if (isConsole) this.#consoles -= 1;
    else this.#clients -= 1;
    if (user === null) return;
    const left = this.#byUser.get(user)! - 1;
    if (left === 0) this.#byUser.delete(user);
    else this.#byUser.set(user, left);
  }

  /** For the clients of this process alone. */
  async seat(isConsole: boolean): Promise<Seat> {
    const place = this.take(isConsole);
    let isTaken = true;
    return {
      claim: async (user) => this.claim(place, user),
      leave: () => {
        if (isTaken) this.leave(place);
        isTaken = false;
      },
    };
  }
}

function tooManyClients(clientsMax: number): SqlError {
  return new SqlError({
    code: SQLSTATE.tooManyConnections,
    message: 'sorry, too many clients already',
    hint: `The proxy takes ${clientsMax} clients: make proxy.clientsMax larger.`,
    severity: 'FATAL',
  });
}

function tooManyOfUser(user: string, max: number): SqlError {
  return new SqlError({
    code: SQLSTATE.tooManyConnections,
    message: `too many connections for role "${user}"`,
    hint: `Its bound is ${max}: make clientsMax of the user larger.`,
    severity: 'FATAL',
  });
}
