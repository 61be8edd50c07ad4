// The benchmark's pieces: options, cases, pgbench's report, medians, verdicts, tables, the chart.

import { describe, expect, it } from 'vitest';
import { CASES, type Case, selectCases } from '../../bench/cases.ts';
import { chart } from '../../bench/chart.ts';
import { median, summarise } from '../../bench/measurement.ts';
import { readOptions } from '../../bench/options.ts';
import { withResults } from '../../bench/output.ts';
import { pgbenchArguments, readReport } from '../../bench/pgbench.ts';
import { keepsPrepared } from '../../bench/pgbouncer.ts';
import { topFunctions } from '../../bench/profile.ts';
import { reportText, table } from '../../bench/report.ts';
import type { CaseResult } from '../../bench/runner.ts';
import { judge, type Summaries } from '../../bench/verdict.ts';

function tpsOf(values: { direct?: number; pgbouncer?: number; proxy?: number }): Summaries {
  const entries = Object.entries(values).map(([target, tps]) => [target, summarise([{ tps }])]);
  return Object.fromEntries(entries) as Summaries;
}

const named = (name: string): Case => CASES.find((each) => each.name === name) as Case;

describe('The command line', () => {
  it('chooses cases, rounds and seconds', () => {
    const args = ['--cases', 'read64,write64', '--rounds', '3', '--seconds', '7'];
    const { cases, rounds, seconds, isQuick } = readOptions(args);
    expect([cases, rounds, seconds, isQuick]).toEqual([['read64', 'write64'], 3, 7, false]);
  });

  it('has a quick form whose cases exist', () => {
    const { cases, rounds, transferBytes } = readOptions(['--quick']);
    expect(selectCases(cases).map(({ name }) => name)).toHaveLength(cases?.length ?? 0);
    expect([rounds, transferBytes]).toEqual([1, 100e6]);
  });

  it('refuses what it does not understand', () => {
    expect(() => readOptions(['--rounds', '0'])).toThrow('--rounds takes whole numbers');
    expect(() => readOptions(['--speed'])).toThrow('--speed');
    expect(() => selectCases(['read65'])).toThrow('no case is called read65; there are: read1');
  });
});

describe('Cases', () => {
  it('have names of their own', () => {
    expect(new Set(CASES.map(({ name }) => name)).size).toBe(CASES.length);
  });

  it('have aims about targets that they run', () => {
    const wrong = CASES.flatMap(({ name, aims, targets }) =>
      aims
        .flatMap((aim) => (aim.kind === 'ratio' ? aim.over : []))
        .filter((target) => !targets.includes(target))
        .map((target) => `${name}: ${target}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe('pgbench', () => {
  it('is told the script, the protocol, the clients and the keys', () => {
    const login = { host: 'h', port: 1, database: 'd', user: 'u', password: 'p' };
    const load = {
      kind: 'pgbench',
      script: 'read',
      mode: 'extended',
      clients: 16,
      reconnect: true,
    };
    const run = { load, login, seconds: 3, users: 10, spread: true, directory: '/tmp' } as const;
    const text = pgbenchArguments(run as Parameters<typeof pgbenchArguments>[0]).join(' ');
    expect(text).toMatch(/-M extended -c 16 -j 2 -T 4 -f \S+read\.sql -D users=10 -D spread=1 -C$/);
  });

  it('tells transactions per second', () => {
    const text = `number of transactions actually processed: 46437
number of failed transactions: 0 (0.000%)
tps = 23217.959 (without initial connection time)
`;
    expect(readReport(text)).toEqual({ tps: 23217.959, transactions: 46437 });
    expect(() => readReport(text.replace(': 0 (', ': 3 ('))).toThrow('3 transactions');
    expect(() => readReport('pgbench: error')).toThrow('no transaction');
  });
});

describe('Summaries', () => {
  it('are medians with their spread, metric by metric', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
    expect(() => median([])).toThrow(RangeError);
    expect(summarise([{ tps: 1 }, { tps: 5, peakMegabytes: 9 }, { tps: 2 }])).toEqual({
      tps: { median: 2, min: 1, max: 5, rounds: 3 },
      peakMegabytes: { median: 9, min: 9, max: 9, rounds: 1 },
    });
  });
});

describe('Verdicts', () => {
  it('compare medians with the aims', () => {
    const verdicts = judge(named('read64'), tpsOf({ direct: 100, pgbouncer: 100, proxy: 145 }));
    expect(verdicts.map(({ what, value, isMet }) => [what, value, isMet])).toEqual([
      ['proxy / pgbouncer', 1.45, false],
      ['proxy / direct', 1.45, true],
    ]);
  });

  it('are open where one side was not measured', () => {
    const [verdict] = judge(named('read64'), tpsOf({ direct: 100, proxy: 145 }));
    expect([verdict?.value, verdict?.isMet]).toEqual([null, null]);
  });

  it('compare with a direct connection where pgbouncer has no prepared statements', () => {
    const [verdict] = judge(named('prepared16'), tpsOf({ direct: 100, proxy: 145 }));
    expect([verdict?.what, verdict?.value, verdict?.isMet]).toEqual(['proxy / direct', 1.45, true]);
  });

  it('compare what is added to a direct connection', () => {
    const of = (latencyMs: number) => summarise([{ latencyMs }]);
    const [verdict] = judge(named('read1'), { direct: of(1), pgbouncer: of(2), proxy: of(3) });
    expect([verdict?.value, verdict?.isMet]).toEqual([2, false]);
  });

  it('take the slower shard where both answer', () => {
    const of = (latencyMs: number) => summarise([{ latencyMs }]);
    const [verdict] = judge(named('scatter-count'), {
      direct: of(1),
      'shard 1': of(2),
      proxy: of(2),
    });
    expect([verdict?.value, verdict?.isMet]).toEqual([1, true]);
  });
});

describe('Results', () => {
  const summaries = tpsOf({ direct: 1000, pgbouncer: 2000, proxy: 4000 });
  const each = named('read64');
  const result: CaseResult = {
    ...{ name: each.name, about: each.about, poolSize: 8, summaries },
    verdicts: judge(each, summaries),
    failures: { 'shard 1': 'gone\naway' },
  };

  it('are a table with the aims and what could not run', () => {
    const machine = {
      ...{ processor: 'P', cores: 2, memoryGigabytes: 4, kernel: '6', node: 'v26', postgres: 'PG' },
      ...{ pgbench: 'PB', pgbouncer: null, loadBefore: 0.5, date: '2026-01-01' },
    };
    const report = { machine, rounds: 1, seconds: 2, durationSeconds: 3, results: [result] };
    const text = reportText(report, CASES);
    expect(text).toContain('no pgbouncer');
    expect(text).toMatch(/\| read64 \| tps {2}\| 1,000 +\| +\| 2,000 \(8\) +\| 4,000 +\| proxy/);
    expect(text).toContain('proxy / direct 4.00, aim ≥ 1.4: met');
    expect(text).toContain('- read64, shard 1: gone away');
  });

  it('are a chart with a bar per target, the fastest the longest', () => {
    const svg = chart([result]);
    const widths = [...svg.matchAll(/width="(\d+)" height="12" fill="#\w+"><title>/g)].map(widthOf);
    expect(widths).toEqual([130, 260, 520]);
    expect(svg).toContain('>4,000</text>');
  });

  it('stand between the marks of a page', () => {
    const page = 'a\n<!-- results -->\nold\n<!-- end of results -->\nb\n';
    expect(withResults(page, 'new\n')).toBe(
      'a\n<!-- results -->\n\nnew\n\n<!-- end of results -->\nb\n',
    );
    expect(() => withResults('a', 'new')).toThrow('the page has no');
  });

  it('line up as columns', () => {
    expect(table(['a', 'bb'], [['ccc', 'd']])).toBe('| a   | bb |\n| --- | -- |\n| ccc | d  |');
  });
});

const widthOf = (match: RegExpExecArray): number => Number(match[1]);

it('A profile names the functions by the time they took while not idle', () => {
  const frame = (functionName: string) => ({ functionName, url: '', lineNumber: 0 });
  const nodes = ['(idle)', 'f', 'g'].map((name, id) => ({ id, callFrame: frame(name) }));
  const profile = { nodes, samples: [0, 1, 2, 1], timeDeltas: [90, 2, 1, 1] };
  expect(topFunctions(profile)).toEqual([
    { name: 'f', percent: 75 },
    { name: 'g', percent: 25 },
  ]);
});

it('pgbouncer keeps prepared statements from 1.21 on', () => {
  const versions = ['PgBouncer 1.18.0', 'PgBouncer 1.21.0', 'PgBouncer 2.0.0', 'none'];
  expect(versions.map(keepsPrepared)).toEqual([false, true, true, false]);
});
