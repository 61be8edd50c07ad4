// Siblings: what one process of the proxy asks of the others, and what it does without any.

import { randomInt } from 'node:crypto';
import { PROCESS_ID_MAX, WORKER_NUMBERS } from '../base/limits.ts';
import type { BackendKey } from '../wire/status.ts';
import type { Seating } from './seats.ts';

/** pg_cancel_backend and pg_terminate_backend, asked for by `user`. */
export interface Signal {
  readonly processId: number;
  readonly how: 'cancel' | 'terminate';
  readonly user: string;
}

export interface Siblings extends Seating {
  /** This process among them, 0 to WORKER_NUMBERS - 1. */
  readonly number: number;
  /** Passes on the cancel request of another's client; resolves when its servers have been told. */
  cancel(key: BackendKey): Promise<void>;
  /** Signals another's client; null: there is none. Rejects with 42501 when it is another user's. */
  signal(signal: Signal): Promise<true | null>;
  /** Resolves when all others plan with the schema of now. Never rejects: the change is committed. */
  schemaChanged(): Promise<void>;
  /** The names of all that are alive, this process's own among them: parts of their gids. */
  living(): Promise<readonly string[]>;
}

/** A process that is all of the proxy. `seating`: its own. */
export function noSiblings(name: string, seating: Seating): Siblings {
  return {
    number: 0,
    take: (isConsole) => seating.take(isConsole),
    cancel: async () => undefined,
    signal: async () => null,
    schemaChanged: async () => undefined,
    living: async () => [name],
  };
}

/** A process id for a client: positive int4, as a real backend's, that names its worker. */
export function drawProcessId(worker: number): number {
  return randomInt(1, Math.floor(PROCESS_ID_MAX / WORKER_NUMBERS)) * WORKER_NUMBERS + worker;
}

/** The worker whose client has this process id. */
export const workerOf = (processId: number): number => processId % WORKER_NUMBERS;
