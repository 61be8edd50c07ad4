// PoolGate: whether an operator lets borrowers into a pool, and what those refused are told.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';

/** Paused: borrowers wait. Disabled: they are refused. Disabling wins where both are asked for. */
export class PoolGate {
  /** What borrowers are refused with; null: the shard is enabled. */
  disabled: SqlError | null = null;
  /** Resolves whoever waits for the pool to be empty; null: not paused. */
  #paused: PromiseWithResolvers<void> | null = null;

  get state(): 'open' | 'paused' | 'disabled' {
    if (this.disabled !== null) return 'disabled';
    return this.#paused === null ? 'open' : 'paused';
  }

  get isPaused(): boolean {
    return this.#paused !== null;
  }

  get isOpen(): boolean {
    return this.disabled === null && this.#paused === null;
  }

  pause(): Promise<void> {
    this.#paused ??= Promise.withResolvers<void>();
    return this.#paused.promise;
  }

  resume(): void {
    this.#paused?.resolve();
    this.#paused = null;
  }

  /** `total`: connections that are open or being opened. */
  checkEmpty(total: number): void {
    if (total === 0) this.#paused?.resolve();
  }
}

export function disabledShard(shard: number): SqlError {
  return new SqlError({
    code: SQLSTATE.cannotConnectNow,
    message: `shard ${shard} is disabled by the operator`,
    hint: 'ENABLE on the console lets statements reach it again.',
  });
}

export function shuttingDown(): SqlError {
  return new SqlError({
    code: SQLSTATE.adminShutdown,
    message: 'the proxy is shutting down',
    severity: 'FATAL',
  });
}

/** 53300; `why` follows a colon. */
export function noneFree(shard: number, why: string): SqlError {
  return new SqlError({
    code: SQLSTATE.tooManyConnections,
    message: `no connection to shard ${shard} is free: ${why}`,
    hint: 'Make pool.size larger, or transactions shorter.',
  });
}
