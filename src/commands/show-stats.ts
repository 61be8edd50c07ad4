// SHOW STATS and its kin: totals and averages, in pgbouncer's columns.

import { type Column, columns, show } from './command.ts';
import { TOTAL_NAMES, type Totals } from './statistics.ts';

/** pgbouncer leaves `bytes_` out of two names where it puts total_ or avg_ before them. */
const shortName = (name: string): string => name.replace('bytes_', '');
const averageName = (name: string): string => shortName(name).replace('received', 'recv');

const DATABASE = columns('database');

const totalColumns = (name: (total: string) => string): readonly Column[] =>
  TOTAL_NAMES.map((total) => ({ name: name(total), type: 'int8', combine: 'sum' }));

/** The means of a query and of a transaction weigh as much as there were of them. */
const averageColumns = (name: (total: string) => string): readonly Column[] =>
  TOTAL_NAMES.map((total) => {
    const counted = /^(query|xact)_time$/.exec(total)?.[1];
    const combine = counted === undefined ? 'sum' : { weightedBy: name(`${counted}_count`) };
    return { name: name(total), type: 'int8', combine };
  });

const TOTALS = totalColumns((name) => `total_${shortName(name)}`);
const AVERAGES = averageColumns((name) => `avg_${averageName(name)}`);

const valuesOf = (totals: Totals): number[] => TOTAL_NAMES.map((name) => totals[name]);

export const STATS_COMMANDS = [
  show(
    'STATS',
    'totals since the start and averages, for the whole and for each shard',
    'combined',
    [...DATABASE, ...TOTALS, ...AVERAGES],
    ({ statistics }) => {
      const averages = statistics.averages();
      return [...statistics.totals()].map(([name, totals]) => [
        name,
        ...valuesOf(totals),
        ...valuesOf(averages.get(name)!),
      ]);
    },
  ),
  show(
    'STATS_TOTALS',
    'the totals of SHOW STATS',
    'combined',
    [...DATABASE, ...totalColumns((name) => name)],
    ({ statistics }) =>
      [...statistics.totals()].map(([name, totals]) => [name, ...valuesOf(totals)]),
  ),
  show(
    'STATS_AVERAGES',
    'the averages of SHOW STATS',
    'combined',
    [...DATABASE, ...averageColumns((name) => averageName(name))],
    ({ statistics }) =>
      [...statistics.averages()].map(([name, averages]) => [name, ...valuesOf(averages)]),
  ),
];
