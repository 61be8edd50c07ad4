// The exposition: what is read becomes text in the format of Prometheus.

import { expect, it } from 'vitest';
import { ErrorCounts } from '../../src/base/error-counts.ts';
import { LATENCY_BOUNDS_MS, Latency } from '../../src/base/latency.ts';
import { ERROR_CODES_COUNTED_MAX } from '../../src/base/limits.ts';
import { Exposition, type Metric } from '../../src/observe/prometheus.ts';

/** The lines about `name`, its help and type among them. */
async function linesOf(exposition: Exposition, name: string): Promise<string[]> {
  const lines = (await exposition.text()).split('\n');
  return lines.filter((line) => line.split(/[ {]/).some((word) => word.startsWith(name)));
}

it('Counters and gauges are read anew each time', async () => {
  let value = 1;
  const metric = (type: Metric['type']): Metric => ({
    type,
    name: `test_${type}`,
    help: 'Of a test.',
    labels: ['what'],
    read: () => [{ labels: { what: 'a "quoted" one' }, value }],
  });
  const exposition = new Exposition([metric('counter'), metric('gauge')], []);
  expect(await linesOf(exposition, 'test_counter')).toEqual([
    '# HELP test_counter Of a test.',
    '# TYPE test_counter counter',
    'test_counter{what="a \\"quoted\\" one"} 1',
  ]);
  value = 5;
  expect((await linesOf(exposition, 'test_counter')).at(-1)).toMatch(/ 5$/);
  expect((await linesOf(exposition, 'test_gauge')).at(-1)).toMatch(/ 5$/);
});

it('A latency becomes a histogram in seconds with cumulative buckets', async () => {
  const latency = new Latency();
  for (const ms of [0.1, 0.25, 0.3, 70_000]) latency.observe(ms);
  const read = () => [{ labels: { shard: '0' }, latency }];
  const exposition = new Exposition([], [{ name: 'test_seconds', help: 'Of a test.', read }]);
  const lines = await linesOf(exposition, 'test_seconds');
  expect(lines.slice(0, 4)).toEqual([
    '# HELP test_seconds Of a test.',
    '# TYPE test_seconds histogram',
    'test_seconds_bucket{shard="0",le="0.00025"} 2',
    'test_seconds_bucket{shard="0",le="0.0005"} 3',
  ]);
  expect(lines.slice(-4)).toEqual([
    'test_seconds_bucket{shard="0",le="60"} 3',
    'test_seconds_bucket{shard="0",le="+Inf"} 4',
    'test_seconds_sum{shard="0"} 70.00065',
    'test_seconds_count{shard="0"} 4',
  ]);
  expect(lines.length).toBe(2 + LATENCY_BOUNDS_MS.length + 1 + 2);
});

it('Error counts are bounded however many SQLSTATEs there are', () => {
  const counts = new ErrorCounts();
  for (let i = 0; i < ERROR_CODES_COUNTED_MAX + 10; i++) counts.add(String(i));
  counts.add('0');
  expect(counts.byCode.size).toBe(ERROR_CODES_COUNTED_MAX + 1);
  expect([counts.byCode.get('0'), counts.byCode.get('other')]).toEqual([2, 10]);
  expect(counts.total).toBe(ERROR_CODES_COUNTED_MAX + 11);
});
