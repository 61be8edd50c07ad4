// The cases of the benchmark as data: what runs, against what, and what the proxy should reach.

import type { Target } from './endpoint.ts';
import type { Metric } from './measurement.ts';

export type Mode = 'simple' | 'extended' | 'prepared';

/** Names of files of bench/scripts. */
export type Script = 'read' | 'insert' | 'transaction' | 'count' | 'newest';

export interface PgbenchLoad {
  readonly kind: 'pgbench';
  readonly script: Script;
  readonly mode: Mode;
  readonly clients: number;
  /** A connection per transaction. */
  readonly reconnect?: boolean;
  /** The proxy's keys are of all shards; the other targets have those of shard 0. */
  readonly spread?: boolean;
}

export interface TransferLoad {
  readonly kind: 'transfer';
  /** The last two are of a sharded table: through the proxy over both shards. */
  readonly what: 'result' | 'copyOut' | 'copyIn' | 'copyOutSpread' | 'copyInSpread';
}

export interface IdleLoad {
  readonly kind: 'idle';
  /** Clients that work while the others do nothing. */
  readonly active: PgbenchLoad;
}

export type Load = PgbenchLoad | TransferLoad | IdleLoad;

/** What the proxy should reach; `bound` is a multiple unless nothing is compared. */
export type Aim =
  | {
      readonly kind: 'ratio';
      readonly metric: Metric;
      /** Of several, the one with the largest value counts. */
      readonly over: readonly Target[];
      /** What counts where `over` could not be measured. */
      readonly otherwise?: Target;
      readonly sense: 'atLeast' | 'atMost';
      readonly bound: number;
    }
  /** What the proxy adds to a direct connection, over what pgbouncer adds. */
  | { readonly kind: 'added'; readonly metric: Metric; readonly bound: number }
  | {
      readonly kind: 'value';
      readonly metric: Metric;
      readonly sense: 'atLeast' | 'atMost';
      readonly bound: number;
    };

export interface Case {
  readonly name: string;
  readonly about: string;
  readonly targets: readonly Target[];
  readonly load: Load;
  /** The metric that the table and the chart show. */
  readonly main: Metric;
  readonly aims: readonly Aim[];
  /** Clients log in without a password. */
  readonly trust?: boolean;
  /** The programs in the middle start anew for each run: their memory is what is looked at. */
  readonly fresh?: boolean;
}

const atLeast = (metric: Metric, bound: number, ...over: Target[]): Aim => {
  return { kind: 'ratio', metric, over, sense: 'atLeast', bound };
};
const atMost = (metric: Metric, bound: number, ...over: Target[]): Aim => {
  return { kind: 'ratio', metric, over, sense: 'atMost', bound };
};

const ALL: readonly Target[] = ['direct', 'pgbouncer', 'proxy'];
const SHARDS: readonly Target[] = ['direct', 'shard 1', 'proxy'];

const pgbench = (script: Script, clients: number, mode: Mode = 'simple'): PgbenchLoad => {
  return { kind: 'pgbench', script, clients, mode };
};

/** Older releases of pgbouncer have no prepared statements: then a direct connection counts. */
const orDirect = (aim: Aim): Aim => (aim.kind === 'ratio' ? { ...aim, otherwise: 'direct' } : aim);

function read(name: string, mode: Mode, clients: number, given: readonly Aim[]): Case {
  const aims = mode === 'prepared' ? given.map(orDirect) : given;
  const about = `${clients} clients read one row each, ${mode} protocol`;
  return { name, about, targets: ALL, load: pgbench('read', clients, mode), main: 'tps', aims };
}

const AIMS_16 = [atLeast('tps', 1, 'pgbouncer')];
const AIMS_64 = [atLeast('tps', 1.5, 'pgbouncer'), atLeast('tps', 1.4, 'direct')];
const AIMS_200 = [atLeast('tps', 1.7, 'pgbouncer'), atLeast('tps', 1.7, 'direct')];

function transfer(name: string, what: TransferLoad['what'], about: string, bound = 0.7): Case {
  const aims: readonly Aim[] = [
    atLeast('megabytesPerSecond', bound, 'direct'),
    { kind: 'value', metric: 'peakMegabytes', sense: 'atMost', bound: 200 },
  ];
  const load: Load = { kind: 'transfer', what };
  return { name, about, targets: ALL, load, main: 'megabytesPerSecond', aims, fresh: true };
}

export const CASES: readonly Case[] = [
  {
    name: 'read1',
    about: 'one client reads one row, again and again',
    targets: ALL,
    load: pgbench('read', 1),
    main: 'latencyMs',
    aims: [{ kind: 'added', metric: 'latencyMs', bound: 1.5 }],
  },
  read('read16', 'simple', 16, AIMS_16),
  read('read64', 'simple', 64, AIMS_64),
  read('read200', 'simple', 200, AIMS_200),
  read('extended16', 'extended', 16, AIMS_16),
  read('extended64', 'extended', 64, AIMS_64),
  read('extended200', 'extended', 200, AIMS_200),
  read('prepared16', 'prepared', 16, AIMS_16),
  read('prepared64', 'prepared', 64, AIMS_64),
  read('prepared200', 'prepared', 200, AIMS_200),
  {
    name: 'read64-both',
    about: '64 clients read one row each; through the proxy on both shards',
    targets: ['direct', 'proxy'],
    load: { ...pgbench('read', 64), spread: true },
    main: 'tps',
    aims: [],
  },
  {
    name: 'scatter-count',
    about: 'count(*) over both shards',
    targets: SHARDS,
    load: pgbench('count', 1),
    main: 'latencyMs',
    aims: [atMost('latencyMs', 1.3, 'direct', 'shard 1')],
  },
  {
    name: 'scatter-newest',
    about: 'ORDER BY created_at DESC LIMIT 10 over both shards',
    targets: SHARDS,
    load: pgbench('newest', 1),
    main: 'latencyMs',
    aims: [atMost('latencyMs', 1.3, 'direct', 'shard 1')],
  },
  {
    name: 'write64',
    about: '64 clients run INSERT … RETURNING on one shard, fsync on',
    targets: ALL,
    load: pgbench('insert', 64),
    main: 'tps',
    aims: [atLeast('tps', 1, 'direct')],
  },
  {
    name: 'transaction64',
    about: '64 clients read and change one row in a transaction of one shard, fsync on',
    targets: ALL,
    load: pgbench('transaction', 64),
    main: 'tps',
    // At most 1.1 times the time.
    aims: [atLeast('tps', 0.91, 'pgbouncer')],
  },
  transfer('result', 'result', 'a result of 1 GB in rows of 1 kB'),
  transfer('copy-out', 'copyOut', 'COPY … TO STDOUT of 1 GB'),
  transfer('copy-in', 'copyIn', 'COPY … FROM STDIN of 1 GB into an unlogged table'),
  transfer(
    'copy-out-both',
    'copyOutSpread',
    'COPY … TO STDOUT of a table; through the proxy of both shards',
  ),
  transfer(
    'copy-in-both',
    'copyInSpread',
    'COPY … FROM STDIN of rows of 55 bytes; through the proxy split by key',
    0.8,
  ),
  {
    name: 'connect',
    about: '16 clients connect, log in (SCRAM), read one row and leave',
    targets: ALL,
    load: { ...pgbench('read', 16), reconnect: true },
    main: 'tps',
    aims: [atLeast('tps', 0.8, 'pgbouncer')],
  },
  {
    name: 'connect-trust',
    about: '16 clients connect without a password, read one row and leave',
    targets: ['pgbouncer', 'proxy'],
    load: { ...pgbench('read', 16), reconnect: true },
    main: 'tps',
    aims: [atLeast('tps', 0.8, 'pgbouncer')],
    trust: true,
  },
  {
    name: 'idle',
    about: '5,000 idle clients beside 16 active ones',
    targets: ['pgbouncer', 'proxy'],
    load: { kind: 'idle', active: pgbench('read', 16) },
    main: 'idleClientKilobytes',
    aims: [
      { kind: 'value', metric: 'idleClientKilobytes', sense: 'atMost', bound: 15 },
      { kind: 'value', metric: 'keptSpeed', sense: 'atLeast', bound: 0.95 },
    ],
    fresh: true,
  },
];

/** The named cases in the order of CASES; throws an Error that lists the names there are. */
export function selectCases(names: readonly string[] | null): readonly Case[] {
  if (names === null) return CASES;
  const unknown = names.filter((name) => !CASES.some((each) => each.name === name));
  if (unknown.length === 0) return CASES.filter(({ name }) => names.includes(name));
  const known = CASES.map(({ name }) => name).join(', ');
  throw new Error(`no case is called ${unknown.join(', ')}; there are: ${known}`);
}
