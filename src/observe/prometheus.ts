// The project's one door to prom-client: counters and gauges whose values are read when asked for.

import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { LATENCY_BOUNDS_MS, type Latency } from '../base/latency.ts';

/** One number and what it belongs to. */
export interface Reading {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Something that is measured; a counter only grows. */
export interface Metric {
  readonly type: 'counter' | 'gauge';
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  read(): readonly Reading[];
}

/** Durations in fixed buckets. */
export interface LatencyMetric {
  readonly name: string;
  readonly help: string;
  read(): readonly { readonly labels: Reading['labels']; readonly latency: Latency }[];
}

/** What Prometheus is told. */
export class Exposition {
  #registry = new Registry();
  #latencies: readonly LatencyMetric[];

  /** With the process's own metrics (memory, event loop) besides. */
  constructor(metrics: readonly Metric[], latencies: readonly LatencyMetric[]) {
    for (const metric of metrics) register(metric, this.#registry);
    this.#latencies = latencies;
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async text(): Promise<string> {
    const histograms = this.#latencies.map(histogramText);
    return `${(await this.#registry.metrics()).trimEnd()}\n${histograms.join('')}`;
  }
}

function register({ type, name, help, labels, read }: Metric, registry: Registry): void {
  const options = { name, help, labelNames: labels, registers: [registry] };
  if (type === 'gauge') {
    new Gauge({
      ...options,
      collect() {
        this.reset();
        for (const each of read()) this.set(each.labels, each.value);
      },
    });
    return;
  }
  new Counter({
    ...options,
    collect() {
      this.reset();
      for (const each of read()) this.inc(each.labels, each.value);
    },
  });
}

/** prom-client's histograms count observations one by one; ours are counted already. */
function histogramText({ name, help, read }: LatencyMetric): string {
  const lines = read().flatMap(({ labels, latency }) => {
    let below = 0;
    const buckets = [...LATENCY_BOUNDS_MS, Number.POSITIVE_INFINITY].map((boundMs, i) => {
      below += latency.buckets[i]!;
      const le = boundMs === Number.POSITIVE_INFINITY ? '+Inf' : String(boundMs / 1000);
      return `${name}_bucket${labelText({ ...labels, le })} ${below}`;
    });
    const own = labelText(labels);
    return [
      ...buckets,
      `${name}_sum${own} ${latency.sumMs / 1000}`,
      `${name}_count${own} ${latency.count}`,
    ];
  });
  return [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`, ...lines, ''].join('\n');
}

function labelText(labels: Reading['labels']): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** Source: the text exposition format of Prometheus. */
function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
