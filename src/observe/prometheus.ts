// The project's one door to prom-client: counters and gauges whose values are read when asked for.

import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
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
  /** What the readings of several workers make together; their sum if not given. */
  readonly combine?: 'sum' | 'min' | 'max';
  read(): readonly Reading[];
}

type Durations = Pick<Latency, 'buckets' | 'sumMs' | 'count'>;

/** Durations in fixed buckets. */
export interface LatencyMetric {
  readonly name: string;
  readonly help: string;
  read(): readonly { readonly labels: Reading['labels']; readonly latency: Durations }[];
}

/** Everything a process has measured so far, as plain data. */
export interface Snapshot {
  /** As prom-client has it. */
  readonly metrics: readonly object[];
  readonly latencies: readonly {
    readonly name: string;
    readonly help: string;
    readonly series: readonly { readonly labels: Reading['labels']; readonly latency: Durations }[];
  }[];
}

/** The media type of what Prometheus is told. */
export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

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

  async text(): Promise<string> {
    return textOf(await this.#registry.metrics(), this.#measured());
  }

  async snapshot(): Promise<Snapshot> {
    return { metrics: await this.#registry.getMetricsAsJSON(), latencies: this.#measured() };
  }

  #measured(): Snapshot['latencies'] {
    return this.#latencies.map(({ name, help, read }) => ({
      name,
      help,
      series: read().map(({ labels, latency: { buckets, sumMs, count } }) => ({
        labels,
        latency: { buckets: [...buckets], sumMs, count },
      })),
    }));
  }
}

/** What several processes have measured, as if one had. */
export async function combined(snapshots: readonly Snapshot[]): Promise<Snapshot> {
  const registry = AggregatorRegistry.aggregate(snapshots.map(({ metrics }) => metrics));
  const names = new Set(snapshots.flatMap(({ latencies }) => latencies.map(({ name }) => name)));
  const latencies = [...names].map((name) => {
    const same = snapshots.flatMap((each) => each.latencies.filter((one) => one.name === name));
    return { name, help: same[0]!.help, series: addUp(same.flatMap(({ series }) => series)) };
  });
  return { metrics: await registry.getMetricsAsJSON(), latencies };
}

/** What of it only grows. */
export function countsOf({ metrics, latencies }: Snapshot): Snapshot {
  return {
    metrics: metrics.filter((each) => 'type' in each && each.type === 'counter'),
    latencies,
  };
}

/** What several processes have measured, and `own`, which only one does, as one text. */
export async function combinedText(
  snapshots: readonly Snapshot[],
  own: readonly Metric[],
): Promise<string> {
  const registry = new Registry();
  for (const metric of own) register(metric, registry);
  const mine = { metrics: await registry.getMetricsAsJSON(), latencies: [] };
  const { metrics, latencies } = await combined([...snapshots, mine]);
  return textOf(await AggregatorRegistry.aggregate([metrics]).metrics(), latencies);
}

type Series = Snapshot['latencies'][number]['series'];

function addUp(series: Series): Series {
  const sums = new Map<string, Series[number]>();
  for (const { labels, latency } of series) {
    const key = labelText(labels);
    const sum = sums.get(key)?.latency;
    const buckets = latency.buckets.map((count, i) => count + (sum?.buckets[i] ?? 0));
    const sumMs = latency.sumMs + (sum?.sumMs ?? 0);
    sums.set(key, {
      labels,
      latency: { buckets, sumMs, count: latency.count + (sum?.count ?? 0) },
    });
  }
  return [...sums.values()];
}

function textOf(metrics: string, latencies: Snapshot['latencies']): string {
  return `${metrics.trimEnd()}\n${latencies.map(histogramText).join('')}`;
}

function register(metric: Metric, registry: Registry): void {
  const { type, name, help, labels, combine = 'sum', read } = metric;
  const options = { name, help, labelNames: labels, registers: [registry], aggregator: combine };
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
function histogramText({ name, help, series }: Snapshot['latencies'][number]): string {
  const lines = series.flatMap(({ labels, latency }) => {
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
