// What a benchmark measures: metrics with their units, measurements, and their summary over rounds.

export interface MetricMeaning {
  readonly unit: string;
  readonly about: string;
  readonly digits: number;
}

export const METRICS = {
  tps: { unit: 'tps', about: 'transactions per second', digits: 0 },
  latencyMs: { unit: 'ms', about: 'median latency of one statement', digits: 3 },
  megabytesPerSecond: { unit: 'MB/s', about: 'payload per second, 1 MB = 10^6 bytes', digits: 0 },
  idleClientKilobytes: { unit: 'kB/client', about: 'resident memory of an idle client', digits: 1 },
  keptSpeed: { unit: '× alone', about: 'tps with idle clients over tps without', digits: 2 },
  peakMegabytes: { unit: 'MB', about: 'peak resident memory of the middle', digits: 0 },
  middleMicroseconds: { unit: 'µs', about: 'processor time of the middle per unit', digits: 1 },
  serverMicroseconds: { unit: 'µs', about: 'processor time of PostgreSQL per unit', digits: 1 },
  loadMicroseconds: {
    unit: 'µs',
    about: 'processor time of the load generator per unit',
    digits: 1,
  },
  foreignPercent: { unit: '%', about: 'share of the processors that others used', digits: 0 },
} as const satisfies Readonly<Record<string, MetricMeaning>>;

export type Metric = keyof typeof METRICS;

/** What one run of one target gave; metrics that it does not have are missing. */
export type Measurement = Readonly<Partial<Record<Metric, number>>>;

/** One metric over all rounds. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
}

/** The middle value, or the mean of the two middle ones. Throws RangeError for no values. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('no values have no median');
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1] as number;
  const lower = sorted[(sorted.length - 1) >> 1] as number;
  return (upper + lower) / 2;
}

/** Each metric that any of the measurements has, over those that have it. */
export function summarise(
  measurements: readonly Measurement[],
): Readonly<Partial<Record<Metric, Summary>>> {
  const result: Partial<Record<Metric, Summary>> = {};
  for (const metric of Object.keys(METRICS) as Metric[]) {
    const values = measurements.flatMap((each) => each[metric] ?? []);
    if (values.length === 0) continue;
    result[metric] = {
      median: median(values),
      min: Math.min(...values),
      max: Math.max(...values),
      rounds: values.length,
    };
  }
  return result;
}

/** `12,345`, `0.123`: as many decimals as the metric deserves. */
export function formatValue(metric: Metric, value: number): string {
  const { digits } = METRICS[metric];
  return value.toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
