// Outage: a shard that cannot be reached is left alone for a while, each time longer.

import { SqlError } from '../base/errors.ts';
import { SHARD_RETRY_MS, SHARD_RETRY_MS_MAX } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { Shard } from '../topology/shard.ts';
import type { ErrorFields } from '../wire/error-response.ts';

/** Times are of the pool's clock. */
export class Outage {
  #random: () => number;
  #error: SqlError | null = null;
  #failures = 0;
  #untilMs = 0;

  /** `random`: from 0 to 1, as Math.random; many proxies must not knock at the same time. */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** Why the last attempt has failed; null while the shard is up. */
  get error(): SqlError | null {
    return this.#error;
  }

  /**
   * What a borrower is told; null: it may wait for a connection. A server that has no room for more
   * connections still serves by those that are `inUse`.
   */
  refusal(inUse: boolean): SqlError | null {
    const rejects = this.#error?.code === SQLSTATE.sqlserverRejectedEstablishmentOfSqlconnection;
    return rejects && inUse ? null : this.#error;
  }

  /** An attempt to connect has failed. Those that failed together count as one. */
  begin(error: SqlError, nowMs: number): void {
    this.#error = error;
    if (nowMs < this.#untilMs) return;
    const delayMs = Math.min(SHARD_RETRY_MS * 2 ** this.#failures, SHARD_RETRY_MS_MAX);
    this.#failures += 1;
    this.#untilMs = nowMs + delayMs * (0.5 + this.#random() / 2);
  }

  /** A connection was opened, or an operator says that it is worth trying. */
  end(): void {
    this.#error = null;
    this.#failures = 0;
    this.#untilMs = 0;
  }

  /** The shard is down and the next attempt due: it is the pool's own, so that no client waits. */
  isDue(nowMs: number): boolean {
    return this.#error !== null && nowMs >= this.#untilMs;
  }
}

/** 08006, of a connection that was open. */
export function connectionLost({ id, host, port }: Shard, reason: string): SqlError {
  return new SqlError({
    code: SQLSTATE.connectionFailure,
    message: `lost the connection to shard ${id} (${host}:${port}): ${reason}`,
  });
}

/** The same of one that the server has ended, saying so; a time that the session has set keeps its own code. */
export function endedBy(shard: Shard, { code, message }: ErrorFields): SqlError {
  const isTime =
    code === SQLSTATE.idleInTransactionSessionTimeout || code === SQLSTATE.transactionTimeout;
  return isTime ? new SqlError({ code, message }) : connectionLost(shard, message);
}
