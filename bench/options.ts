// The command line of the benchmark: which cases, how many rounds, how long, where results go.

import { parseArgs } from 'node:util';

export interface BenchOptions {
  /** Names of cases; null: all of them. */
  readonly cases: readonly string[] | null;
  readonly rounds: number;
  /** Of one run of one target of a case that has a duration. */
  readonly seconds: number;
  /** Payload of one bulk transfer. */
  readonly transferBytes: number;
  readonly idleClients: number;
  /** Rows per shard of the table that is read. */
  readonly rowsPerShard: number;
  /** pgbouncer's pool sizes that are tried before a case; the fastest one is measured. */
  readonly poolSizes: readonly number[];
  readonly isQuick: boolean;
  /** A folder for results; null: not written. */
  readonly out: string | null;
  /** Writes results into docs/ instead. */
  readonly intoDocs: boolean;
  /** Records a processor profile of the proxy; the numbers of such a run are not comparable. */
  readonly profile: boolean;
  readonly list: boolean;
}

export const USAGE = `npm run bench -- [options]

  --quick            a short look: few cases, one short round each, small data
  --cases a,b        only these cases (--list names them)
  --rounds n         rounds per case; medians are taken over them (5)
  --seconds n        length of one run (5)
  --pool-sizes a,b   pgbouncer's pool sizes to choose the best from (4,8,16,32)
  --out folder       where results.json and results.svg go (.drive/bench)
  --docs             put the results into docs/performance.*
  --profile          record where the proxy spends its time; prints the top functions
  --list             print the cases and their aims
`;

const FULL = { rounds: '5', seconds: '5', 'pool-sizes': '4,8,16,32' };
const QUICK = { rounds: '1', seconds: '1', 'pool-sizes': '8' };

/** Cases of the quick form, which must end within 90 seconds. */
const QUICK_CASES = ['read1', 'read64', 'write64', 'scatter-count', 'result'] as const;

/** Throws an Error whose message tells what is wrong with the command line. */
export function readOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      cases: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'pool-sizes': { type: 'string' },
      out: { type: 'string' },
      docs: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
    },
  });
  const { quick, docs } = values;
  const given = { ...(quick ? QUICK : FULL), ...defined(values) };
  const named = values.cases?.split(',') ?? null;
  return {
    cases: named ?? (quick ? QUICK_CASES : null),
    rounds: wholeNumber('--rounds', given.rounds),
    seconds: wholeNumber('--seconds', given.seconds),
    transferBytes: quick ? 100e6 : 1e9,
    idleClients: quick ? 500 : 5_000,
    rowsPerShard: quick ? 20_000 : 100_000,
    poolSizes: given['pool-sizes'].split(',').map((size) => wholeNumber('--pool-sizes', size)),
    isQuick: quick,
    out: docs ? null : (values.out ?? '.drive/bench'),
    intoDocs: docs,
    profile: values.profile,
    list: values.list,
  };
}

function defined<T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const kept = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as { [K in keyof T]?: NonNullable<T[K]> };
}

function wholeNumber(flag: string, text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= 100_000) return value;
  throw new Error(`${flag} takes whole numbers from 1 on, not "${text}"`);
}
