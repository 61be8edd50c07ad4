// The life of a command that serves: parts are added as they start and closed in reverse order.

import { saveCompiled } from '../base/compile-cache.ts';
import { REPEATED_SIGNAL_MS, SHUTDOWN_PART_MS } from '../base/limits.ts';

/** Something that runs until it is closed. */
export interface Part {
  readonly name: string;
  close(): Promise<void>;
  /** Ends what would survive this process, without waiting. */
  readonly kill?: () => void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const;

/**
 * Runs `start`, then waits for a signal, then closes all parts. Resolves with the exit code; throws
 * what `start` throws, after closing what it had started. A part gets `partMs` to close.
 *
 * npm passes Ctrl-C on although the terminal has sent it to everyone: a signal right after the
 * first is the same one. A later one means it: everything is ended at once.
 */
export async function serve(
  start: (lifetime: Lifetime) => Promise<void>,
  partMs = SHUTDOWN_PART_MS,
): Promise<number> {
  const lifetime = new Lifetime(partMs);
  const onExit = (): void => lifetime.kill();
  const onSignal = (signal: NodeJS.Signals): void => lifetime.signalled(signal);
  process.on('exit', onExit);
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    await start(lifetime);
    saveCompiled();
    await lifetime.stopRequested;
    return 0;
  } catch (error) {
    // Ctrl-C while starting reaches the programs that are being run as well.
    if (lifetime.isStopping) return 0;
    throw error;
  } finally {
    await lifetime.close();
    for (const signal of SIGNALS) process.off(signal, onSignal);
    process.off('exit', onExit);
  }
}

export class Lifetime {
  readonly stopRequested: Promise<undefined>;
  readonly #partMs: number;
  readonly #stop: () => void;
  readonly #parts: Part[] = [];
  #requestedAtMs: number | null = null;
  #reload: (() => void) | null = null;
  #restart: (() => void) | null = null;

  constructor(partMs: number) {
    this.#partMs = partMs;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.stopRequested = promise;
    this.#stop = () => resolve(undefined);
  }

  get isStopping(): boolean {
    return this.#requestedAtMs !== null;
  }

  /** SIGHUP then means `reload` instead of the end, as it does for servers. */
  onHangup(reload: () => void): void {
    this.#reload = reload;
  }

  /** What SIGUSR2 means; without it, nothing. */
  onRestart(restart: () => void): void {
    this.#restart = restart;
  }

  signalled(signal: NodeJS.Signals): void {
    if (signal === 'SIGUSR2') {
      if (!this.isStopping) this.#restart?.();
    } else if (signal === 'SIGHUP' && this.#reload !== null && !this.isStopping) this.#reload();
    else this.requestStop();
  }

  add(part: Part): void {
    this.#parts.push(part);
  }

  requestStop(): void {
    const now = performance.now();
    if (this.#requestedAtMs === null) {
      this.#requestedAtMs = now;
      this.#stop();
    } else if (now - this.#requestedAtMs > REPEATED_SIGNAL_MS) {
      // Leads to kill() through the exit event.
      process.exit(1);
    }
  }

  /**
   * Last started, first closed. One that fails or hangs does not keep the others from closing; the
   * first failure is thrown at the end.
   */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (let part = this.#parts.at(-1); part !== undefined; part = this.#parts.at(-1)) {
      try {
        await this.#closeInTime(part);
      } catch (error) {
        failures.push(error);
        part.kill?.();
      }
      this.#parts.pop();
    }
    if (failures.length > 0) throw failures[0];
  }

  async #closeInTime(part: Part): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const report = (): void => reject(new Error(`${part.name} does not close`));
      timer = setTimeout(report, this.#partMs);
    });
    try {
      await Promise.race([part.close(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  kill(): void {
    for (const part of this.#parts) part.kill?.();
  }
}
