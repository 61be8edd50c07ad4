// Messages: what the primary and its workers ask of each other.

import type { Answer } from '../commands/command.ts';
import type { Config } from '../control/config.ts';
import type { Share } from '../control/reload.ts';
import type { Snapshot } from '../observe/prometheus.ts';
import type { Signal } from '../session/siblings.ts';
import type { BackendKey } from '../wire/status.ts';

/** A command of the console by its name. */
export interface Order {
  readonly command: string;
  readonly argument: string;
}

/** What a worker is made of. */
export interface WorkerStart {
  readonly config: Config;
  readonly number: number;
  /** In the gids of its transactions. */
  readonly name: string;
  readonly share: Share;
  /** What operators have done to the shards so far. */
  readonly orders: readonly Order[];
}

/** What a worker does when the primary asks for it. */
export interface WorkerAnswers {
  /** Resolves when it serves clients. */
  start(start: WorkerStart): Promise<void>;
  /** One worker's part of the answer. */
  run(order: Order): Promise<Answer>;
  cancel(key: BackendKey): Promise<void>;
  signal(signal: Signal): Promise<true | null>;
  loadSchema(argument: null): Promise<void>;
  /** A new configuration; gives what needs a new start. */
  apply(config: Config): readonly string[] | Promise<readonly string[]>;
  resize(share: Share): void | Promise<void>;
  measure(argument: null): Promise<Snapshot>;
  /** Takes no more clients; ends once the last has gone. Resolves at once. */
  drain(argument: null): void | Promise<void>;
  /** Ends gracefully. Resolves at once. */
  close(argument: null): void;
}

/** A client's place, as its worker knows it. */
export interface SeatOf {
  readonly seat: number;
  readonly isConsole: boolean;
}

/** What the primary does when a worker asks for it. */
export interface PrimaryAnswers {
  takeSeat(seat: SeatOf): void;
  claimSeat(claim: { readonly seat: number; readonly user: string }): void;
  leaveSeat(seat: number): void;
  /** For a client of another worker; resolves when its servers have been told. */
  cancel(key: BackendKey): Promise<void>;
  /** The same for pg_cancel_backend and pg_terminate_backend; null: nobody has this process id. */
  signal(signal: Signal): Promise<true | null>;
  /** Resolves when all other workers know the schema of now. */
  schemaChanged(argument: null): Promise<void>;
  /** The names of the workers that are alive. */
  living(argument: null): readonly string[];
  /** A command over all workers. */
  run(order: Order): Promise<Answer>;
  reload(argument: null): Promise<readonly string[]>;
  restart(argument: null): Promise<readonly string[]>;
  shutdown(argument: null): void;
  /** This worker got SIGTERM: it is to drain, and another to take its place. */
  leaving(argument: null): void;
}
