// Runs a case: warms every target up, then measures them in turn, round after round.

import type { Case } from './cases.ts';
import type { Target } from './endpoint.ts';
import { type LoadContext, runLoad } from './load.ts';
import { type Measurement, summarise } from './measurement.ts';
import type { OpenEndpoint, Stand } from './stand.ts';
import { judge, type Summaries, type Verdict } from './verdict.ts';

export interface RunnerOptions {
  readonly rounds: number;
  readonly context: LoadContext;
  readonly poolSizes: readonly number[];
  /** Says whether a target can run a case. */
  readonly canRun: (target: Target, each: Case) => boolean;
  readonly say: (line: string) => void;
}

export interface CaseResult {
  readonly name: string;
  readonly about: string;
  /** Of pgbouncer, the fastest of those tried; null without pgbouncer. */
  readonly poolSize: number | null;
  readonly summaries: Summaries;
  readonly verdicts: readonly Verdict[];
  /** Why there is nothing of a target that should have run. */
  readonly failures: Readonly<Partial<Record<Target, string>>>;
}

/** Warming up takes this long at most: code is compiled and connections are open by then. */
const WARM_UP_SECONDS = 2;

export async function runCase(
  each: Case,
  stand: Stand,
  options: RunnerOptions,
): Promise<CaseResult> {
  const run = new CaseRun(each, stand, options);
  try {
    await run.warmUp();
    for (let round = 0; round < options.rounds; round++) await run.round();
  } finally {
    await run.close();
  }
  return run.result();
}

class CaseRun {
  readonly #case: Case;
  readonly #stand: Stand;
  readonly #options: RunnerOptions;
  readonly #targets: readonly Target[];
  readonly #open = new Map<Target, OpenEndpoint>();
  readonly #measurements = new Map<Target, Measurement[]>();
  readonly #failures: Partial<Record<Target, string>> = {};
  #poolSize: number;

  constructor(each: Case, stand: Stand, options: RunnerOptions) {
    this.#case = each;
    this.#stand = stand;
    this.#options = options;
    this.#poolSize = Math.max(...options.poolSizes);
    this.#targets = each.targets.filter((target) => options.canRun(target, each));
  }

  async warmUp(): Promise<void> {
    for (const target of this.#targets) {
      await this.#attempt(target, async () => {
        if (target === 'pgbouncer') await this.#choosePoolSize();
        else if (this.#case.fresh !== true) await this.#warm(await this.#endpoint(target));
      });
    }
  }

  async round(): Promise<void> {
    for (const target of this.#targets) {
      await this.#attempt(target, async () => {
        const endpoint = await this.#endpoint(target);
        const measurement = await runLoad(this.#case.load, endpoint, this.#options.context);
        const soFar = this.#measurements.get(target) ?? [];
        this.#measurements.set(target, [...soFar, measurement]);
        const value = measurement[this.#case.main]?.toFixed(3);
        this.#options.say(`${this.#case.name} ${target}: ${value}`);
        if (this.#case.fresh === true) await this.#closeOne(target);
        await this.#stand.tidy();
      });
    }
  }

  async close(): Promise<void> {
    for (const target of [...this.#open.keys()]) await this.#closeOne(target);
  }

  result(): CaseResult {
    const { name, about } = this.#case;
    const entries = [...this.#measurements].map(([target, all]) => [target, summarise(all)]);
    const summaries = Object.fromEntries(entries) as Summaries;
    const poolSize = summaries.pgbouncer === undefined ? null : this.#poolSize;
    const verdicts = judge(this.#case, summaries);
    return { name, about, poolSize, summaries, verdicts, failures: this.#failures };
  }

  /** A target that fails once is left out from then on, and the result says why. */
  async #attempt(target: Target, work: () => Promise<void>): Promise<void> {
    if (this.#failures[target] !== undefined) return;
    try {
      await work();
    } catch (error) {
      const words = this.#open.get(target)?.lastWords();
      const reason = words ?? (error instanceof Error ? error.message : String(error));
      this.#failures[target] = reason;
      this.#options.say(`${this.#case.name} ${target} failed: ${reason}`);
    }
  }

  async #endpoint(target: Target): Promise<OpenEndpoint> {
    const open = this.#open.get(target);
    if (open !== undefined) return open;
    const endpoint = await this.#stand.open(target, this.#case, this.#poolSize);
    this.#open.set(target, endpoint);
    return endpoint;
  }

  async #closeOne(target: Target): Promise<void> {
    const endpoint = this.#open.get(target);
    this.#open.delete(target);
    await endpoint?.close();
  }

  async #warm(endpoint: OpenEndpoint): Promise<Measurement> {
    const { context } = this.#options;
    const seconds = Math.min(WARM_UP_SECONDS, context.seconds);
    return runLoad(this.#case.load, endpoint, { ...context, seconds });
  }

  /** Leaves the fastest pgbouncer open; one client has no use for a choice. */
  async #choosePoolSize(): Promise<void> {
    const { load, fresh } = this.#case;
    if (fresh === true || load.kind !== 'pgbench') return;
    const sizes = load.clients === 1 ? [this.#poolSize] : this.#options.poolSizes;
    let best = { size: this.#poolSize, tps: -1 };
    for (const size of sizes) {
      this.#poolSize = size;
      await this.#closeOne('pgbouncer');
      const { tps = 0 } = await this.#warm(await this.#endpoint('pgbouncer'));
      if (tps > best.tps) best = { size, tps };
    }
    if (best.size === this.#poolSize) return;
    this.#poolSize = best.size;
    await this.#closeOne('pgbouncer');
    await this.#warm(await this.#endpoint('pgbouncer'));
  }
}
