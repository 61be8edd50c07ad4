// WorkerProcess: one worker as the primary sees it.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { WORKER_END_MS } from '../base/limits.ts';
import type { Place } from '../session/seats.ts';
import { Channel } from './channel.ts';
import type { PrimaryAnswers, WorkerAnswers } from './messages.ts';

const ENTRY = fileURLToPath(new URL('../worker.ts', import.meta.url));

/** serving: takes clients. draining: keeps those it has. ending: ends them. */
export type WorkerState = 'starting' | 'serving' | 'draining' | 'ending';

export class WorkerProcess {
  readonly number: number;
  readonly name: string;
  readonly startedMs = performance.now();
  /** The places of its clients. */
  readonly seats = new Map<number, Place>();
  readonly channel: Channel<PrimaryAnswers, WorkerAnswers>;
  /** How it has ended: `exit code 1`, `signal SIGKILL`. */
  readonly ended: Promise<string>;
  state: WorkerState = 'starting';
  #child: ChildProcess;

  /** `fd`: the bound socket. `answers`: what the primary does for this worker. */
  constructor(
    number: number,
    name: string,
    fd: number,
    answers: (worker: WorkerProcess) => PrimaryAnswers,
  ) {
    this.number = number;
    this.name = name;
    this.#child = spawn(process.execPath, [...process.execArgv, ENTRY], {
      // What is listed last becomes LISTENING_FD.
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', fd],
      serialization: 'advanced',
    });
    this.ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(error.message));
      this.#child.once('exit', (code, signal) =>
        resolve(signal === null ? `exit code ${code}` : `signal ${signal}`),
      );
    });
    this.channel = new Channel(this.#child, answers(this));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** It takes clients, or is about to. */
  get isActive(): boolean {
    return this.state === 'starting' || this.state === 'serving';
  }

  /** It can be asked what it knows of its clients. */
  get isUp(): boolean {
    return this.state !== 'starting';
  }

  /** Ends it gracefully, by force after WORKER_END_MS. Resolves when it is gone. */
  async end(): Promise<void> {
    if (this.state === 'starting') this.kill();
    this.state = 'ending';
    this.channel.tell('close', null);
    const timer = setTimeout(() => this.kill(), WORKER_END_MS);
    await this.ended;
    clearTimeout(timer);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
