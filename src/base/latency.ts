// Latency: durations counted in fixed buckets, cheap enough to be updated for every statement.

/** Upper bounds in milliseconds; what is longer than the last is in one more bucket. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000,
];

/** Counts only grow. `observe` allocates nothing. */
export class Latency {
  /** Observations; in `buckets[i]` those of at most LATENCY_BOUNDS_MS[i] and more than the one before. */
  readonly buckets: number[] = new Array<number>(LATENCY_BOUNDS_MS.length + 1).fill(0);
  count = 0;
  sumMs = 0;

  observe(ms: number): void {
    this.count += 1;
    this.sumMs += ms;
    let i = 0;
    while (i < LATENCY_BOUNDS_MS.length && ms > LATENCY_BOUNDS_MS[i]!) i += 1;
    this.buckets[i]! += 1;
  }
}
