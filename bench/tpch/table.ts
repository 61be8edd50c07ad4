// The table of a TPC-H run, as Markdown.

import { availableParallelism } from 'node:os';
import type { Compared } from './answer.ts';

export function tableText(
  results: readonly Compared[],
  { scale, shards }: { readonly scale: number; readonly shards: number },
): string {
  const equal = results.filter(({ isEqual }) => isEqual).length;
  const sum = (of: (each: Compared) => number) =>
    results.reduce((total, each) => total + of(each), 0);
  const ms = (value: number) => value.toFixed(value < 10 ? 1 : 0);
  const rows = results.map(
    ({ query, rows: count, isEqual, plainMs, proxyMs }) =>
      `| ${query} | ${count} | ${isEqual ? 'equal' : 'different'} | ${ms(plainMs)} | ${ms(proxyMs)} |`,
  );
  return [
    '# TPC-H over shards',
    '',
    "Printed by `npm run tpch -- --docs`: the 22 queries over generated data (the benchmark's shapes and",
    'sizes, not its very rows), once on one PostgreSQL and once through the proxy. `lineitem` and `orders`',
    "are sharded by the order's key, `customer` by the customer's, `part` and `partsupp` by the part's;",
    '`supplier`, `nation` and `region` are reference tables. Queries that join customers to orders or lines',
    'to parts leave the shards, so shard 0 computes them over copies: that is what their times show.',
    '',
    `Scale ${scale}, ${shards} shards, all servers and the proxy on one machine of`,
    `${availableParallelism()} cores; the fastest of the rounds, in milliseconds. ${equal} of ${results.length} equal.`,
    '',
    '| query | rows | result | one PostgreSQL | proxy |',
    '|---:|---:|---|---:|---:|',
    ...rows,
    `| all | | ${equal} equal | ${ms(sum((each) => each.plainMs))} | ${ms(sum((each) => each.proxyMs))} |`,
    '',
  ].join('\n');
}
