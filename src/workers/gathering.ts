// Gathering: what the primary asks of all workers, and what it makes of their answers.

import { setTimeout as sleep } from 'node:timers/promises';
import { SqlError } from '../base/errors.ts';
import { CANCEL_PASS_MS, CHANNEL_DEADLINE_MS, SCHEMA_TOLD_MS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { Answer } from '../commands/command.ts';
import { commandNamed } from '../commands/commands.ts';
import { combineAnswers } from '../commands/over-workers.ts';
import {
  combined,
  combinedText,
  countsOf,
  type Metric,
  type Snapshot,
} from '../observe/prometheus.ts';
import { type Signal, workerOf } from '../session/siblings.ts';
import type { BackendKey } from '../wire/status.ts';
import type { Order } from './messages.ts';
import { withOrder } from './orders.ts';
import type { WorkerProcess } from './worker-process.ts';

/** A worker that was asked for its schema, and could not be, is asked again after this long. */
const ASK_AGAIN_MS = 100;

export class Gathering {
  /** What operators have done to the shards. */
  orders: readonly Order[] = [];
  #workers: () => readonly WorkerProcess[];
  #log: Logger;
  /** What each worker said last, so that counters do not fall when it is gone. */
  #last = new Map<WorkerProcess, Snapshot>();
  #retired: Promise<readonly Snapshot[]> = Promise.resolve([]);

  constructor(workers: () => readonly WorkerProcess[], log: Logger) {
    this.#workers = workers;
    this.#log = log;
  }

  /** A command in all workers. Rejects with SqlError. */
  async run(order: Order): Promise<Answer> {
    const command = commandNamed(order.command);
    if (command === undefined) throw new Error(`there is no command ${order.command}`);
    if (command.role === 'reads') {
      const up = this.#workers().filter((worker) => worker.isUp);
      const outcomes = await Promise.all(up.map((worker) => this.#read(worker, order)));
      const answer = combineAnswers(command, outcomes.filter(isHeard));
      const silent = up.filter((_, i) => !isHeard(outcomes[i]!));
      const notices = silent.map(({ number }) => `worker ${number} does not answer`);
      return { ...answer, notices: [...answer.notices, ...notices] };
    }
    const before = this.orders;
    const during = withOrder(before, order);
    this.orders = during;
    const outcomes = await Promise.all(
      this.#workers().map((worker) => worker.channel.ask('run', order, null).catch(asError)),
    );
    try {
      // A worker that has gone meanwhile has nothing left to do.
      return combineAnswers(command, outcomes.filter(isHeard));
    } catch (error) {
      if (this.orders === during) this.orders = before;
      throw error;
    }
  }

  #read(worker: WorkerProcess, order: Order): Promise<Answer | SqlError> {
    return worker.channel.ask('run', order, CHANNEL_DEADLINE_MS).catch(asError);
  }

  /** Resolves when the servers of the client have been told, or it is nobody's. */
  async cancel(key: BackendKey): Promise<void> {
    const worker = this.#ofClient(key.processId);
    try {
      await worker?.channel.ask('cancel', key, CANCEL_PASS_MS);
    } catch (error) {
      const { number } = worker!;
      this.#log.debug({ worker: number, err: error }, 'a cancel request was not passed on');
    }
  }

  /** null: nobody has this process id. Rejects with SqlError. */
  async signal(signal: Signal): Promise<true | null> {
    const worker = this.#ofClient(signal.processId);
    return worker === undefined ? null : worker.channel.ask('signal', signal, CANCEL_PASS_MS);
  }

  #ofClient(processId: number): WorkerProcess | undefined {
    const number = workerOf(processId);
    return this.#workers().find((worker) => worker.number === number);
  }

  /**
   * Resolves when all but `source` know the schema of now, or are being ended: `giveUp` ends one that
   * cannot learn it, as its plans would be of a schema that is no more.
   */
  async schemaChanged(
    source: WorkerProcess,
    giveUp: (worker: WorkerProcess, error: unknown) => void,
  ): Promise<void> {
    const others = this.#workers().filter((worker) => worker !== source);
    const untilMs = performance.now() + SCHEMA_TOLD_MS;
    await Promise.all(
      others.map(async (worker) => {
        for (;;) {
          const leftMs = untilMs - performance.now();
          try {
            await worker.channel.ask('loadSchema', null, Math.max(leftMs, 1));
            return;
          } catch (error) {
            if (!this.#workers().includes(worker)) return;
            if (performance.now() < untilMs) await sleep(ASK_AGAIN_MS);
            else {
              giveUp(worker, error);
              await worker.ended;
              return;
            }
          }
        }
      }),
    );
  }

  /** What all workers have measured, as Prometheus reads it. `started`: workers so far. */
  async measure(started: number): Promise<string> {
    const workers = this.#workers();
    await Promise.all(
      workers.map(async (worker) => {
        if (!worker.isUp) return;
        try {
          const snapshot = await worker.channel.ask('measure', null, CHANNEL_DEADLINE_MS);
          if (this.#workers().includes(worker)) this.#last.set(worker, snapshot);
        } catch (error) {
          this.#log.warn({ worker: worker.number, err: error }, 'a worker was not measured');
        }
      }),
    );
    const snapshots = [...this.#last.values(), ...(await this.#retired)];
    return combinedText(snapshots, workerMetrics(workers, started));
  }

  /** The worker has gone: its counts stay, as of the last time it was asked. */
  retire(worker: WorkerProcess): void {
    const last = this.#last.get(worker);
    this.#last.delete(worker);
    if (last === undefined) return;
    this.#retired = this.#retired.then(async (all) => [await combined([...all, countsOf(last)])]);
  }
}

function asError(error: unknown): SqlError {
  if (error instanceof SqlError) return error;
  throw error;
}

/** False for a worker that has gone, or does not answer in time. */
function isHeard(outcome: Answer | SqlError): boolean {
  if (!(outcome instanceof SqlError)) return true;
  return outcome.code !== SQLSTATE.adminShutdown && outcome.code !== SQLSTATE.queryCanceled;
}

function workerMetrics(workers: readonly WorkerProcess[], started: number): Metric[] {
  const states = { starting: 0, serving: 0, draining: 0, ending: 0 };
  for (const { state } of workers) states[state] += 1;
  return [
    {
      type: 'gauge',
      name: 'drive_workers',
      help: 'Processes that serve clients, by what they are doing.',
      labels: ['state'],
      read: () => Object.entries(states).map(([state, value]) => ({ labels: { state }, value })),
    },
    {
      type: 'counter',
      name: 'drive_workers_started_total',
      help: 'Workers started, those in the place of others included.',
      labels: [],
      read: () => [{ labels: {}, value: started }],
    },
  ];
}
