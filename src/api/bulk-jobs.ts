// The bulks that run and those that ended lately: bounded in number, watched and cancelled by id.

import { randomUUID } from 'node:crypto';
import type { Logger } from '../base/log.ts';
import { BulkCancelled, type BulkTally, OutcomeUnknown, writeBulk } from './bulk.ts';
import type { Database } from './database.ts';
import { databaseFailure } from './database-failure.ts';
import { ApiFailure } from './failure.ts';
import { BULKS_REMEMBERED_MAX } from './limits.ts';
import { logError } from './log-error.ts';
import type { BulkState } from './schema.ts';
import { shardStates } from './shards.ts';

type State = 'running' | 'done' | 'cancelled' | 'failed' | 'unknown';

/** One bulk. `ended` settles when it is over and never rejects; `failure` then says how it went. */
export interface BulkJob {
  readonly id: string;
  readonly ended: Promise<void>;
  /** null while it runs and when all is written. */
  failure(): ApiFailure | null;
  progress(): BulkState;
  /** Rolls the bulk back unless its COMMIT is already under way. */
  cancel(): void;
}

function stateOf(failure: ApiFailure): State {
  if (failure instanceof BulkCancelled) return 'cancelled';
  return failure instanceof OutcomeUnknown ? 'unknown' : 'failed';
}

/** Whatever ended a bulk before its COMMIT is told together with what that means. */
function failureOf(error: unknown): ApiFailure {
  if (error instanceof OutcomeUnknown || error instanceof BulkCancelled) return error;
  const { status, detail, headers, cause } = databaseFailure(error);
  const what = String(detail).replace(/\.?$/, '.');
  return new ApiFailure(status, `${what} Nothing is written.`, { cause, headers });
}

/** Records per shard with every shard's number as text, in its order. */
function distributionOf(tally: BulkTally): Record<string, number> {
  return Object.fromEntries([...tally.perShard].sort(([a], [b]) => a - b));
}

class Job implements BulkJob {
  readonly id = randomUUID();
  readonly ended: Promise<void>;
  readonly #total: number;
  readonly #tally: BulkTally = { inserted: 0, perShard: new Map() };
  readonly #abort = new AbortController();
  readonly #started = performance.now();
  #state: State = 'running';
  #endedAt: number | null = null;
  #failure: ApiFailure | null = null;

  constructor(database: Database, total: number) {
    this.#total = total;
    this.ended = this.#run(database);
  }

  async #run(database: Database): Promise<void> {
    try {
      for (const { id } of await shardStates(database)) this.#tally.perShard.set(id, 0);
      await writeBulk(database, this.#total, this.#tally, this.#abort.signal);
      this.#state = 'done';
    } catch (error) {
      const failure = failureOf(error);
      this.#failure = failure;
      this.#state = stateOf(failure);
    }
    this.#endedAt = performance.now();
  }

  failure(): ApiFailure | null {
    return this.#failure;
  }

  cancel(): void {
    this.#abort.abort();
  }

  progress(): BulkState {
    const detail = this.#failure?.detail;
    return {
      job: this.id,
      state: this.#state,
      total: this.#total,
      inserted: this.#tally.inserted,
      distribution: distributionOf(this.#tally),
      elapsed_ms: Math.round((this.#endedAt ?? performance.now()) - this.#started),
      ...(typeof detail === 'string' ? { detail } : {}),
    };
  }
}

/** Starts bulks, a few at a time, and remembers how the last ones ended. */
export class BulkJobs {
  readonly #database: Database;
  readonly #log: Logger;
  readonly #runningMax: number;
  readonly #running = new Map<string, BulkJob>();
  readonly #ended = new Map<string, BulkJob>();
  #closing = false;

  constructor(database: Database, log: Logger, runningMax: number) {
    this.#database = database;
    this.#log = log;
    this.#runningMax = runningMax;
  }

  /** @throws ApiFailure 429 when as many run as may, 503 when the API is closing. */
  start(total: number): BulkJob {
    if (this.#closing) throw new ApiFailure(503, 'The API is shutting down.');
    if (this.#running.size >= this.#runningMax) {
      const detail = `No more than ${this.#runningMax} bulks run at once. Try again later.`;
      throw new ApiFailure(429, detail, { headers: { 'retry-after': '5' } });
    }
    const job = new Job(this.#database, total);
    this.#running.set(job.id, job);
    void job.ended.then(() => this.#end(job));
    return job;
  }

  #end(job: BulkJob): void {
    this.#running.delete(job.id);
    this.#ended.set(job.id, job);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > BULKS_REMEMBERED_MAX && oldest !== undefined) this.#ended.delete(oldest);
    const bulk = job.progress();
    const failure = job.failure();
    if (bulk.state === 'done' || bulk.state === 'cancelled') this.#log.info({ bulk }, 'bulk ended');
    else this.#log.error({ bulk, error: logError(failure?.cause ?? failure) }, 'bulk failed');
  }

  /** @throws ApiFailure 404 when no bulk of that id runs or ended lately. */
  find(id: string): BulkJob {
    const job = this.#running.get(id) ?? this.#ended.get(id);
    if (job === undefined) throw new ApiFailure(404, 'No such bulk.');
    return job;
  }

  /** Cancels what runs, starts no more, and waits until all has ended. */
  async close(): Promise<void> {
    this.#closing = true;
    const running = [...this.#running.values()];
    for (const job of running) job.cancel();
    await Promise.all(running.map((job) => job.ended));
  }
}
