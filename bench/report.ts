// Results as Markdown: one table of medians and aims, one of where processor time goes.

import type { Case } from './cases.ts';
import { TARGETS, type Target } from './endpoint.ts';
import type { Machine } from './machine.ts';
import { formatValue, METRICS, type Metric, type Summary } from './measurement.ts';
import type { CaseResult } from './runner.ts';
import { nameOf, type Verdict } from './verdict.ts';

export interface Report {
  readonly machine: Machine;
  readonly rounds: number;
  readonly seconds: number;
  readonly durationSeconds: number;
  readonly results: readonly CaseResult[];
}

export function reportText(report: Report, cases: readonly Case[]): string {
  const blocks = [
    machineText(report),
    resultTable(report.results, cases),
    `Processor time, µs per transaction (per MB for transfers), medians; \`middle\` is the proxy or
pgbouncer, \`load\` the load generator; \`others\`: share of the machine that none of them used.`,
    costTable(report.results),
    failureText(report.results),
  ];
  return `${blocks.filter((block) => block !== '').join('\n\n')}\n`;
}

function machineText({ machine, rounds, seconds, durationSeconds }: Report): string {
  const { processor, cores, memoryGigabytes, kernel, node, postgres, pgbench, pgbouncer } = machine;
  return `${machine.date}: ${cores} cores of ${processor}, ${memoryGigabytes} GB, Linux ${kernel}.
Node ${node}; ${postgres}; ${pgbench ?? 'no pgbench'}; ${pgbouncer ?? 'no pgbouncer'}.
${rounds} rounds of ${seconds} s, ${Math.round(durationSeconds)} s in all; load before: ${machine.loadBefore.toFixed(2)}.`;
}

function resultTable(results: readonly CaseResult[], cases: readonly Case[]): string {
  const rows = results.map((result) => {
    const main = cases.find(({ name }) => name === result.name)?.main ?? 'tps';
    const cells = TARGETS.map((target) => summaryText(main, result.summaries[target]?.[main]));
    const pool = result.poolSize === null ? '' : ` (${result.poolSize})`;
    cells[2] += cells[2] === '' ? '' : pool;
    return [result.name, METRICS[main].unit, ...cells, verdictsText(result.verdicts)];
  });
  return table(['case', 'unit', 'direct', 'shard 1', 'pgbouncer (pool)', 'proxy', 'aims'], rows);
}

/** `12,345 (12,000–12,500)`. */
function summaryText(metric: Metric, summary: Summary | undefined): string {
  if (summary === undefined) return '';
  const [median, min, max] = [summary.median, summary.min, summary.max].map((value) =>
    formatValue(metric, value),
  );
  return summary.rounds === 1 ? `${median}` : `${median} (${min}–${max})`;
}

export function verdictsText(verdicts: readonly Verdict[]): string {
  const texts = verdicts.map(({ what, aim, value, isMet }) => {
    if (value === null) return `${what} not measured, aim ${aim}`;
    return `${what} ${value.toFixed(2)}, aim ${aim}: ${isMet ? 'met' : 'missed'}`;
  });
  return texts.join('; ');
}

function costTable(results: readonly CaseResult[]): string {
  const rows = results.flatMap((result) =>
    TARGETS.flatMap((target) => {
      const all = result.summaries[target];
      if (all === undefined) return [];
      const metrics: readonly Metric[] = [
        'middleMicroseconds',
        'serverMicroseconds',
        'loadMicroseconds',
        'foreignPercent',
        'peakMegabytes',
      ];
      const cells = metrics.map((metric) => {
        const value = all[metric]?.median;
        return value === undefined ? '' : formatValue(metric, value);
      });
      return [[result.name, target, ...cells]];
    }),
  );
  const head = ['case', 'target', 'middle', 'PostgreSQL', 'load', 'others, %', 'peak MB'];
  return table(head, rows);
}

function failureText(results: readonly CaseResult[]): string {
  const lines = results.flatMap(({ name, failures }) =>
    (Object.entries(failures) as [Target, string][]).map(
      ([target, reason]) =>
        `- ${name}, ${target}: ${reason.trim().split('\n').slice(0, 3).join(' ')}`,
    ),
  );
  return lines.length === 0 ? '' : `Could not run:\n\n${lines.join('\n')}`;
}

/** A Markdown table whose source reads as a table, too. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  const rule = line(widths.map((width) => '-'.repeat(width)));
  return [line(head), rule, ...rows.map(line)].join('\n');
}

/** The cases with their aims, for `--list`. */
export function caseList(cases: readonly Case[]): string {
  const rows = cases.map(({ name, about, aims }) => {
    const texts = aims.map((aim) => {
      const isMost = aim.kind === 'added' || aim.sense === 'atMost';
      return `${nameOf(aim)} ${isMost ? '≤' : '≥'} ${aim.bound}`;
    });
    return [name, about, texts.join('; ')];
  });
  return `${table(['case', 'what', 'aims'], rows)}\n`;
}
