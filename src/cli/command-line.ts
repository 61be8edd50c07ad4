// The command line `drive …`: its commands and flags; the project's one door to commander.

import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { SHARDS_MAX, WORKERS_MAX } from '../base/limits.ts';
import { VERSION } from '../base/version.ts';
import { type DoctorOptions, doctor } from './doctor.ts';
import { type ExplainOptions, explain } from './explain.ts';
import { describeFailure } from './failure.ts';
import { install } from './install.ts';
import { serveApi, serveProxy } from './serve.ts';
import { status, stop } from './status.ts';
import { TABLE_KINDS, type TableKind, type TableOptions, table } from './table.ts';
import { type UpOptions, up } from './up.ts';

/** What a command gives back: the exit code of the process. */
type Action<T> = (options: T) => Promise<number>;

/** Runs the command of `args` (without node and script); resolves with the exit code. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  // A reader that has seen enough (`drive status | head`) is no failure of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  let exitCode = 0;
  const program = commands((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    // commander has printed its message already; help and version come here with 0.
    if (error instanceof CommanderError) return error.exitCode;
    process.stderr.write(`drive: ${describeFailure(error)}\n`);
    return 1;
  }
}

function commands(done: (exitCode: number) => void): Command {
  const program = new Command('drive')
    .description('A sharding proxy for PostgreSQL, with an API and an embedded cluster to try it.')
    .version(`drive ${VERSION}`, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error:/, 'drive:')) })
    .addHelpText(
      'after',
      '\nEvery setting of the config file also has an environment variable: docs/config.md',
    );
  const add = <T>(name: string, about: string, options: Option[], action: Action<T>): void => {
    const command = program.command(name).description(about);
    for (const option of options) command.addOption(option);
    command.action(async (given: T) => done(await action(given)));
  };
  add<UpOptions>(
    'up',
    'embedded PostgreSQL shards, the proxy and the API, until Ctrl-C',
    [shards(), shardPort(), proxyPort(), apiPort(), workers(), data(), config()],
    up,
  );
  add(
    'proxy',
    'the proxy, in front of the configured shards',
    [proxyPort(), workers(), config()],
    serveProxy,
  );
  add('api', 'the API, behind it a proxy that runs elsewhere', [apiPort(), config()], serveApi);
  add('install', 'put the schema of sql/ on the configured shards', [config()], install);
  add<DoctorOptions>(
    'doctor',
    'compare the schemas of the configured shards',
    [config(), repair(), rows()],
    doctor,
  );
  const explaining = program
    .command('explain')
    .description('how the running proxy would answer a statement: class, shards, their plans')
    .argument('<sql>', 'the statement');
  for (const option of [analyze(), format(), proxyPort(), config()]) explaining.addOption(option);
  explaining.action(async (sql: string, given: ExplainOptions) => done(await explain(sql, given)));
  const tables = program
    .command('table')
    .description('the kinds of tables in the running proxy, and a table of another kind')
    .argument('[name]', 'the table; all without one')
    .addArgument(new Argument('[kind]', 'what it is to become').choices(TABLE_KINDS));
  for (const option of [key(), proxyPort(), config()]) tables.addOption(option);
  tables.action(async (name?: string, kind?: TableKind, given: TableOptions = {}) =>
    done(await table(name, kind, given)),
  );
  add('status', 'what `drive up` runs in the data directory', [data()], status);
  add('stop', 'stop what `drive up` runs in the data directory', [data()], stop);
  return program;
}

const shards = () =>
  new Option('--shards <n>', 'number of embedded shards')
    .env('DRIVE_SHARDS')
    .default(2)
    .argParser(wholeNumber(1, SHARDS_MAX));

const shardPort = () =>
  new Option('--shard-port <port>', 'port of shard 0, the others follow; 0: any free ports')
    .env('DRIVE_SHARD_PORT')
    .default(5432)
    .argParser(wholeNumber(0, 65_535));

const proxyPort = () =>
  new Option('--proxy-port <port>', 'port of the proxy (6432); 0: any free port')
    .env('DRIVE_PROXY_PORT')
    .argParser(wholeNumber(0, 65_535));

const apiPort = () =>
  new Option('--api-port <port>', 'port of the API (8000); 0: any free port')
    .env('DRIVE_API_PORT')
    .argParser(wholeNumber(0, 65_535));

const workers = () =>
  new Option(
    '--workers <n>',
    'worker processes of the proxy (proxy: one per core; up: 0, it is one process)',
  )
    .env('DRIVE_WORKERS')
    .argParser(wholeNumber(0, WORKERS_MAX));

const data = () =>
  new Option('--data <directory>', 'where the embedded shards keep their data')
    .env('DRIVE_DATA')
    .default('.drive');

const analyze = () => new Option('--analyze', 'run the statement, with all that it changes');

const format = () =>
  new Option('--format <format>', 'of the plan').choices(['text', 'json', 'yaml', 'xml']);

const key = () => new Option('--key <column>', 'what a sharded table is sharded by');

const repair = () => new Option('--repair', 'make what is missing where that is safe');
const rows = () =>
  new Option('--rows', 'look through all rows of sharded tables for some on a wrong shard');

const config = () => new Option('--config <file>', 'config file, YAML or JSON').env('DRIVE_CONFIG');

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
  };
}
