// One PostgreSQL server as a child process: started, watched and stopped.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SERVER_POLL_MS, SERVER_START_MS, SERVER_STOP_MS } from '../base/limits.ts';
import type { Account } from './account.ts';
import type { Binaries } from './binaries.ts';
import { signalProcess } from './data-directory.ts';
import { LocalError } from './local-error.ts';
import { LOOPBACK } from './port.ts';
import { readPostmasterFile } from './process-table.ts';
import { programEnvironment } from './program.ts';

export interface ServerOptions {
  /** What messages call it: "shard 0". */
  readonly name: string;
  /** An initialised data directory that no server uses. */
  readonly directory: string;
  readonly port: number;
  readonly binaries: Binaries;
  readonly account: Account;
  /** Server parameters beyond the ones that every local server has. */
  readonly settings: Readonly<Record<string, string>>;
}

/** What sharding needs of a server: row moves decode the WAL, two-phase commit prepares. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: LOOPBACK,
  unix_socket_directories: '',
  wal_level: 'logical',
  max_connections: '200',
  // One for each connection that may prepare at the same time.
  max_prepared_transactions: '200',
  password_encryption: 'scram-sha-256',
};

/** The file in the data directory that the server's messages go to; emptied at each start. */
const LOG_FILE = 'server.log';

export class LocalServer {
  readonly name: string;
  readonly port: number;
  readonly #options: ServerOptions;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #spawnError: Error | null = null;
  #stopping = false;

  private constructor(options: ServerOptions, child: ChildProcess) {
    this.name = options.name;
    this.port = options.port;
    this.#options = options;
    this.#child = child;
    this.#exited = new Promise((resolve) => child.once('exit', resolve));
    child.once('error', (error) => {
      this.#spawnError = error;
    });
  }

  /** Resolves when the server takes connections; throws a LocalError with the server's reason. */
  static async start(options: ServerOptions): Promise<LocalServer> {
    const server = new LocalServer(options, spawnServer(options));
    await server.#untilReady();
    return server;
  }

  /** The postmaster's pid. */
  get pid(): number {
    return this.#child.pid as number;
  }

  /** Calls `listener` once if the server ends without stop(). */
  onUnexpectedExit(listener: (reason: string) => void): void {
    this.#child.once('exit', () => {
      if (!this.#stopping) listener(this.#lastWords());
    });
  }

  /**
   * Resolves when the server is gone. Transactions in progress are rolled back; `immediate` does
   * not wait for a checkpoint, the next start recovers from the log.
   */
  async stop(how: 'fast' | 'immediate' = 'fast'): Promise<void> {
    this.#stopping = true;
    if (!this.#isRunning()) return;
    signalProcess(this.pid, how === 'fast' ? 'SIGINT' : 'SIGQUIT');
    const timer = setTimeout(() => this.kill(), SERVER_STOP_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  /** Asks for an immediate end without waiting for it: for the last moments of a process. */
  kill(): void {
    this.#stopping = true;
    if (this.#isRunning()) signalProcess(this.pid, 'SIGQUIT');
  }

  #isRunning(): boolean {
    const { pid, exitCode, signalCode } = this.#child;
    return pid !== undefined && exitCode === null && signalCode === null;
  }

  /** As pg_ctl does: postmaster.pid tells the state. */
  async #untilReady(): Promise<void> {
    const deadline = Date.now() + SERVER_START_MS;
    while (this.#isRunning()) {
      const file = readPostmasterFile(this.#options.directory);
      if (file !== null && file.pid === this.pid && file.status === 'ready') return;
      if (Date.now() > deadline) {
        await this.stop('immediate');
        throw new LocalError(`${this.name} did not start in ${SERVER_START_MS / 1000} s`);
      }
      await sleep(SERVER_POLL_MS);
    }
    // A program that cannot be run says so in an event of its own, on the next tick.
    await sleep(0);
    const reason = this.#spawnError?.message ?? this.#lastWords();
    throw new LocalError(`${this.name} did not start: ${reason}`);
  }

  /** The last complaint in the server's log. */
  #lastWords(): string {
    const path = join(this.#options.directory, LOG_FILE);
    // The data directory may have been removed under the server's feet.
    if (!existsSync(path)) return `${this.#options.directory} is gone`;
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    const last = lines.findLast((line) => /FATAL|PANIC/.test(line)) ?? lines.at(-1) ?? '';
    return `${last.replace(/^.*?(FATAL|PANIC): +/, '')} (see ${path})`;
  }
}

/**
 * A session of its own, so that Ctrl-C at the terminal reaches only us and the parts end in order;
 * its output goes to a file, so that it does not depend on us to read it.
 */
function spawnServer({
  binaries,
  directory,
  port,
  account,
  settings,
}: ServerOptions): ChildProcess {
  const parameters = Object.entries({ ...SETTINGS, ...settings, port: String(port) });
  const args = parameters.flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const log = openSync(join(directory, LOG_FILE), 'w', 0o600);
  try {
    return spawn(binaries.postgres, ['-D', directory, ...args], {
      ...account,
      cwd: '/',
      env: programEnvironment(),
      detached: true,
      stdio: ['ignore', log, log],
    });
  } finally {
    closeSync(log);
  }
}
