// Outage: how long a shard is left alone, and who is told what meanwhile.

import { describe, expect, it } from 'vitest';
import { SqlError } from '../../src/base/errors.ts';
import { SHARD_RETRY_MS, SHARD_RETRY_MS_MAX } from '../../src/base/limits.ts';
import { Outage } from '../../src/pool/outage.ts';

const unreachable = new SqlError({ code: '08001', message: 'cannot be reached' });
const full = new SqlError({ code: '08004', message: 'too many clients already' });

/** How long the shard is left alone after each of so many failures in a row. */
function delays(count: number, random: number): number[] {
  const outage = new Outage(() => random);
  let nowMs = 1_000;
  return Array.from({ length: count }, () => {
    const sinceMs = nowMs;
    outage.begin(unreachable, nowMs);
    while (!outage.isDue(nowMs)) nowMs += 1;
    return nowMs - sinceMs;
  });
}

describe('An outage', () => {
  it('doubles the time to the next attempt, up to a bound', () => {
    const [first, second, third, ...rest] = delays(12, 1);
    expect([first, second, third]).toEqual([1, 2, 4].map((times) => times * SHARD_RETRY_MS));
    expect(rest.at(-1)).toBe(SHARD_RETRY_MS_MAX);
    expect(Math.max(...rest)).toBe(SHARD_RETRY_MS_MAX);
  });

  it('shortens it by chance, to half at most', () => {
    const whole = delays(12, 1);
    expect(delays(12, 0)).toEqual(whole.map((delay) => delay / 2));
  });

  it('counts attempts that fail together as one', () => {
    const outage = new Outage(() => 1);
    for (let i = 0; i < 10; i++) outage.begin(unreachable, 0);
    expect(outage.isDue(SHARD_RETRY_MS)).toBe(true);
  });

  it('begins with the shortest time again once it has ended', () => {
    const outage = new Outage(() => 1);
    for (let nowMs = 0; nowMs < 60_000; nowMs += SHARD_RETRY_MS_MAX) {
      outage.begin(unreachable, nowMs);
    }
    outage.end();
    expect(outage.error).toBeNull();
    expect(outage.isDue(120_000)).toBe(false);
    outage.begin(unreachable, 120_000);
    expect(outage.isDue(120_000 + SHARD_RETRY_MS)).toBe(true);
  });

  it('refuses borrowers with the reason', () => {
    const outage = new Outage(() => 1);
    expect(outage.refusal(false)).toBeNull();
    outage.begin(unreachable, 0);
    expect(outage.refusal(false)).toBe(unreachable);
    expect(outage.refusal(true)).toBe(unreachable);
  });

  it('lets them wait where the server is only full and connections are in use', () => {
    const outage = new Outage(() => 1);
    outage.begin(full, 0);
    expect(outage.refusal(true)).toBeNull();
    expect(outage.refusal(false)).toBe(full);
  });
});
