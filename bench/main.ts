// `npm run bench`: measures direct connections, pgbouncer and the proxy side by side.

import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { serverAccount } from '../src/local/account.ts';
import { findBinaries } from '../src/local/binaries.ts';
import { type Case, selectCases } from './cases.ts';
import type { Target } from './endpoint.ts';
import type { LoadContext } from './load.ts';
import { describeMachine, findProgram, type Machine } from './machine.ts';
import { type BenchOptions, readOptions, USAGE } from './options.ts';
import { writeResults } from './output.ts';
import { keepsPrepared } from './pgbouncer.ts';
import { profileText } from './profile.ts';
import { caseList, type Report, reportText, verdictsText } from './report.ts';
import { type CaseResult, runCase } from './runner.ts';
import { Stand } from './stand.ts';

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

/** Idle clients and some more. */
const CLIENTS_MAX = 6_000;

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  const cases = selectCases(options.cases);
  if (options.list) {
    process.stdout.write(caseList(cases));
    return 0;
  }
  const pgbench = findProgram('pgbench');
  if (pgbench === null) {
    say('pgbench is not on the PATH, so only transfers run (Debian: postgresql-contrib)');
  }
  const pgbouncer = findProgram('pgbouncer');
  if (pgbouncer === null) say('pgbouncer is not there: going on without it');
  const { postgres } = findBinaries(serverAccount());
  const machine = describeMachine({ postgres, pgbench, pgbouncer });
  const runnable = cases.filter(({ load }) => pgbench !== null || load.kind === 'transfer');
  const begun = performance.now();
  const results = await runAll(runnable, options, machine, { pgbench: pgbench ?? '', pgbouncer });
  const durationSeconds = (performance.now() - begun) / 1000;
  const { rounds, seconds } = options;
  const report: Report = { machine, rounds, seconds, durationSeconds, results };
  process.stdout.write(`\n${reportText(report, cases)}`);
  for (const path of writeResults(report, cases, options)) say(`written: ${path}`);
  return results.some(({ failures }) => Object.keys(failures).length > 0) ? 1 : 0;
}

async function runAll(
  cases: readonly Case[],
  options: BenchOptions,
  machine: Machine,
  programs: { readonly pgbench: string; readonly pgbouncer: string | null },
): Promise<CaseResult[]> {
  const { rounds, seconds, rowsPerShard, transferBytes, idleClients, poolSizes } = options;
  const profileDirectory = options.profile ? resolve('.drive/bench/profile') : null;
  if (profileDirectory !== null) mkdirSync(profileDirectory, { recursive: true });
  const { pgbench, pgbouncer } = programs;
  const clientsMax = CLIENTS_MAX;
  const stand = await Stand.start({ rowsPerShard, pgbouncer, clientsMax, profileDirectory });
  const { directory, servers } = stand;
  const context: LoadContext = {
    ...{ pgbench, seconds, transferBytes, idleClients, directory, servers },
    users: rowsPerShard,
  };
  const canRun = (target: Target, each: Case): boolean =>
    target !== 'pgbouncer' || pgbouncerCan(each, machine);
  const results: CaseResult[] = [];
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void stand.abort().finally(() => process.exit(130)));
  }
  try {
    for (const each of cases) {
      const result = await runCase(each, stand, { rounds, context, poolSizes, canRun, say });
      results.push(result);
      if (result.verdicts.length > 0) say(`${each.name}: ${verdictsText(result.verdicts)}`);
      if (profileDirectory !== null) say(profileText(profileDirectory));
    }
    return results;
  } finally {
    await stand.close();
  }
}

function pgbouncerCan({ load }: Case, { pgbouncer }: Machine): boolean {
  if (pgbouncer === null) return false;
  return load.kind !== 'pgbench' || load.mode !== 'prepared' || keepsPrepared(pgbouncer);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  say(`bench: ${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  process.exitCode = 2;
}
