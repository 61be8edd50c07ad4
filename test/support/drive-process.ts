// `drive …` as a process of its own, as a person at a terminal runs it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');

export interface Outcome {
  /** Null after a signal. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export class DriveProcess {
  readonly child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #out = '';
  #err = '';

  /** `env` is added to this process's environment, from which DRIVE_… and DB_… are removed. */
  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const kept = Object.entries(process.env).filter(([name]) => !/^(DRIVE|DB)_/.test(name));
    this.child = spawn(process.execPath, [MAIN, ...args], {
      env: { ...Object.fromEntries(kept), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#closed = once(this.child, 'close');
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#out += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#err += text;
    });
  }

  /** Resolves with the output so far when it matches; throws if the process ends before. */
  untilOutput(pattern: RegExp): Promise<string> {
    return this.#until('stdout', () => this.#out, pattern);
  }

  /** The same for standard error. */
  untilError(pattern: RegExp): Promise<string> {
    return this.#until('stderr', () => this.#err, pattern);
  }

  async #until(stream: 'stdout' | 'stderr', text: () => string, pattern: RegExp): Promise<string> {
    const ended = this.#closed.then(() => 'ended');
    while (!pattern.test(text())) {
      const more = once(this.child[stream] as NonNullable<ChildProcess['stdout']>, 'data');
      if ((await Promise.race([more, ended])) === 'ended' && !pattern.test(text())) {
        throw new Error(`drive ended before ${pattern}:\n${this.#out}${this.#err}`);
      }
    }
    return text();
  }

  async ended(): Promise<Outcome> {
    await this.#closed;
    return { code: this.child.exitCode, out: this.#out, err: this.#err };
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** Runs a command to its end. */
export function runDrive(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  return new DriveProcess(args, env).ended();
}
