// Primary: starts the workers of a proxy, puts new ones in the place of lost ones, ends them.

import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { BoundSocket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { SqlError } from '../base/errors.ts';
import {
  CHANNEL_DEADLINE_MS,
  WORKER_RETRY_MS,
  WORKER_RETRY_MS_MAX,
  WORKER_START_MS,
  WORKER_STEADY_MS,
} from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { changedSettings, readAgain, seatRules, waitingSettings } from '../commands/settings.ts';
import type { Config } from '../control/config.ts';
import { poolOf, reloaded } from '../control/reload.ts';
import { Seats } from '../session/seats.ts';
import { Gathering } from './gathering.ts';
import type { PrimaryAnswers } from './messages.ts';
import { WorkerProcess } from './worker-process.ts';

/** What the primary asks of the process it runs in. */
export interface PrimaryHost {
  /** The configuration as it is now. Throws ConfigError. */
  readConfig(): Config;
  /** How many workers a configuration wants. */
  workersOf(config: Config): number;
  /** Begins to end the process. */
  shutdown(): void;
  /** Called whenever workers have come or gone. */
  onWorkers(): void;
}

/** What old and new workers must agree on while both serve. */
const FIXED =
  /^(shards\[\d+\]\.(host|port|database)|sharding\..*|proxy\.(host|port|database)|metrics\b.*)$/;

/** What no worker goes by. */
const NOT_OF_WORKERS = /^(api\b.*|log\.pretty)$/;

export class Primary {
  /** Of the port that all workers listen on. */
  readonly port: number;
  #config: Config;
  #log: Logger;
  #host: PrimaryHost;
  /** Never read from here: it holds the port and its queue while workers come and go. */
  #socket: BoundSocket;
  #workers: readonly WorkerProcess[] = [];
  #seats: Seats;
  #gathering: Gathering;
  readonly #runName = randomBytes(6).toString('hex');
  #started = 0;
  /** Workers lost one after the other, soon after their start. */
  #quickLosses = 0;
  #isKeepingUp = false;
  #isRestarting = false;
  #isStopping = false;

  private constructor(config: Config, address: string, log: Logger, host: PrimaryHost) {
    this.#config = config;
    this.#log = log;
    this.#host = host;
    this.#socket = new BoundSocket({ host: address, port: config.proxy.port });
    this.port = this.#socket.address().port;
    this.#seats = new Seats(seatRules(config));
    this.#gathering = new Gathering(() => this.#workers, log);
  }

  /**
   * Resolves when all workers take clients. Rejects with the first one's error, or the system's when
   * the port is taken.
   */
  static async start(config: Config, log: Logger, host: PrimaryHost): Promise<Primary> {
    const { address } = await lookup(config.proxy.host);
    const primary = new Primary(config, address, log, host);
    try {
      await primary.#launchAll(config);
    } catch (error) {
      await primary.close();
      throw error;
    }
    return primary;
  }

  get count(): number {
    return wantedWorkers(this.#config, this.#host);
  }

  /** "worker 0" → its process id. */
  processes(): Readonly<Record<string, number>> {
    const up = this.#workers.filter((worker) => worker.isUp);
    return Object.fromEntries(up.map(({ number, pid }) => [`worker ${number}`, pid]));
  }

  /** /metrics of all workers together. */
  measure(): Promise<string> {
    return this.#gathering.measure(this.#started);
  }

  /** As the console's RELOAD: resolves with what needs a new start. Rejects with SqlError. */
  async reload(): Promise<readonly string[]> {
    const next = readAgain(() => this.#host.readConfig());
    const waiting = waitingSettings(this.#config, next);
    const [first, ...others] = this.#workers;
    // What one refuses, a certificate that cannot be read, the others are spared.
    await first?.channel.ask('apply', next, WORKER_START_MS);
    this.#config = reloaded(this.#config, next);
    this.#seats.rules = seatRules(next);
    if (this.#log.level !== next.log.level) this.#log.level = next.log.level;
    await Promise.all(
      others.map(async (worker) => {
        try {
          await worker.channel.ask('apply', next, WORKER_START_MS);
        } catch (error) {
          this.#giveUp(worker, 'it does not take the configuration', error);
        }
      }),
    );
    return waiting;
  }

  /**
   * New workers, from the program and the configuration of now, take the clients to come; the old
   * ones keep theirs for proxy.drainTimeoutMs at most. Rejects with SqlError: the old ones go on.
   */
  async restart(): Promise<readonly string[]> {
    if (this.#isRestarting || this.#isStopping) throw notNow();
    this.#isRestarting = true;
    try {
      const next = readAgain(() => this.#host.readConfig());
      const changed = changedSettings(this.#config, next);
      const fixed = changed.filter((key) => FIXED.test(key));
      if (fixed.length > 0) throw needsStop(fixed);
      const old = this.#workers.filter((worker) => worker.isActive);
      await this.#launchAll(next);
      this.#config = next;
      this.#seats.rules = seatRules(next);
      this.#log.level = next.log.level;
      await Promise.all(old.map((worker) => this.#drain(worker)));
      this.#log.info({ workers: this.count }, 'new workers have taken over');
      const waiting = changed.filter((key) => NOT_OF_WORKERS.test(key));
      return waiting.map((key) => `${key} takes effect when the program is started anew`);
    } finally {
      this.#isRestarting = false;
      void this.#keepUp();
    }
  }

  /** Ends all workers gracefully. */
  async close(): Promise<void> {
    if (!this.#isStopping) {
      this.#isStopping = true;
      // First, or clients would wait in its queue for nobody.
      this.#socket.close();
    }
    await Promise.all(this.#workers.map((worker) => worker.end()));
  }

  /** Without waiting. */
  kill(): void {
    for (const worker of this.#workers) worker.kill();
  }

  /** All or none. */
  async #launchAll(config: Config): Promise<void> {
    const count = wantedWorkers(config, this.#host);
    if (count < this.#host.workersOf(config)) {
      this.#log.warn({ workers: count }, 'fewer workers than asked for: each needs a connection');
    }
    const before = this.#workers;
    const launches = Array.from({ length: count }, () => this.#launch(config));
    const outcomes = await Promise.allSettled(launches);
    const failed = outcomes.find(({ status }) => status === 'rejected');
    if (failed?.status !== 'rejected') return;
    for (const worker of this.#workers) if (!before.includes(worker)) void worker.end();
    throw failed.reason;
  }

  async #launch(config: Config): Promise<void> {
    const taken = new Set(this.#workers.map(({ number }) => number));
    let number = 0;
    while (taken.has(number)) number += 1;
    this.#started += 1;
    const name = `${this.#runName}w${number}x${this.#started}`;
    const worker = new WorkerProcess(number, name, this.#socket.fd(), (each) =>
      this.#answersFor(each),
    );
    this.#setWorkers([...this.#workers, worker]);
    void worker.ended.then((how) => this.#lost(worker, how));
    const { orders } = this.#gathering;
    const share = this.#shareOf(worker);
    try {
      await worker.channel.ask('start', { config, number, name, share, orders }, WORKER_START_MS);
    } catch (error) {
      worker.kill();
      throw error;
    }
    if (worker.state === 'starting') worker.state = 'serving';
    this.#host.onWorkers();
  }

  #lost(worker: WorkerProcess, how: string): void {
    const { number, pid, state, startedMs } = worker;
    worker.channel.lose();
    this.#gathering.retire(worker);
    this.#setWorkers(this.#workers.filter((each) => each !== worker));
    for (const place of worker.seats.values()) this.#seats.leave(place);
    worker.seats.clear();
    this.#host.onWorkers();
    if (this.#isStopping) return;
    if (state !== 'serving') {
      this.#log.info({ worker: number, pid, how }, 'a worker has ended');
    } else {
      const isQuick = performance.now() - startedMs < WORKER_STEADY_MS;
      this.#quickLosses = isQuick ? this.#quickLosses + 1 : 0;
      this.#log.error({ worker: number, pid, how }, 'a worker is lost, its clients with it');
    }
    void this.#keepUp();
  }

  /** Starts workers until there are as many as there should be, later and later if they fail. */
  async #keepUp(): Promise<void> {
    if (this.#isKeepingUp) return;
    this.#isKeepingUp = true;
    while (this.#isMissingOne()) {
      await sleep(retryMs(this.#quickLosses));
      if (!this.#isMissingOne()) break;
      try {
        await this.#launch(this.#config);
      } catch (error) {
        this.#quickLosses += 1;
        this.#log.error({ err: error }, 'a worker could not be started');
      }
    }
    this.#isKeepingUp = false;
  }

  #isMissingOne(): boolean {
    if (this.#isStopping || this.#isRestarting) return false;
    return this.#workers.filter((worker) => worker.isActive).length < this.count;
  }

  async #drain(worker: WorkerProcess): Promise<void> {
    worker.state = 'draining';
    const timer = setTimeout(() => void worker.end(), this.#config.proxy.drainTimeoutMs);
    void worker.ended.then(() => clearTimeout(timer));
    try {
      await worker.channel.ask('drain', null, CHANNEL_DEADLINE_MS);
    } catch (error) {
      this.#giveUp(worker, 'it does not stop taking clients', error);
    }
  }

  /** A worker that does not do as it is told must not serve. */
  #giveUp(worker: WorkerProcess, why: string, error: unknown): void {
    this.#log.error({ worker: worker.number, err: error }, `a worker is ended: ${why}`);
    worker.kill();
  }

  #setWorkers(workers: readonly WorkerProcess[]): void {
    this.#workers = workers;
    for (const worker of workers) worker.channel.tell('resize', this.#shareOf(worker));
  }

  /** While a restart is under way twice as many share. */
  #shareOf(worker: WorkerProcess) {
    return {
      index: this.#workers.indexOf(worker),
      of: Math.max(this.#workers.length, this.count),
    };
  }

  #answersFor(worker: WorkerProcess): PrimaryAnswers {
    const gathering = this.#gathering;
    return {
      takeSeat: ({ seat, isConsole }) => {
        worker.seats.set(seat, this.#seats.take(isConsole));
      },
      claimSeat: ({ seat, user }) => {
        const place = worker.seats.get(seat);
        if (place !== undefined) this.#seats.claim(place, user);
      },
      leaveSeat: (seat) => {
        const place = worker.seats.get(seat);
        if (place === undefined) return;
        worker.seats.delete(seat);
        this.#seats.leave(place);
      },
      cancel: (key) => gathering.cancel(key),
      signal: (signal) => gathering.signal(signal),
      schemaChanged: () =>
        gathering.schemaChanged(worker, (each, error) =>
          this.#giveUp(each, 'it does not learn of a schema change', error),
        ),
      living: () => this.#workers.map(({ name }) => name),
      run: (order) => gathering.run(order),
      reload: () => this.reload(),
      restart: () => this.restart(),
      shutdown: () => this.#host.shutdown(),
      leaving: () => {
        if (worker.isActive) void this.#drain(worker);
        void this.#keepUp();
      },
    };
  }
}

/** As many as asked for, but each has a connection of its own to every shard. */
function wantedWorkers(config: Config, host: PrimaryHost): number {
  const sizes = config.shards.map(({ id }) => poolOf(config, id).size);
  // None is for a process without a primary, which this is not any more.
  return Math.max(1, Math.min(host.workersOf(config), ...sizes));
}

function retryMs(losses: number): number {
  return losses < 2 ? 0 : Math.min(WORKER_RETRY_MS * 2 ** (losses - 2), WORKER_RETRY_MS_MAX);
}

function notNow(): SqlError {
  return new SqlError({
    code: SQLSTATE.objectNotInPrerequisiteState,
    message: 'the proxy is being restarted or stopped already',
  });
}

function needsStop(keys: readonly string[]): SqlError {
  return new SqlError({
    code: SQLSTATE.objectNotInPrerequisiteState,
    message: `old and new workers would disagree on ${keys.join(', ')}`,
    hint: 'Stop the proxy and start it anew.',
  });
}
