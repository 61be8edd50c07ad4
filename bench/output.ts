// Where results go: JSON and SVG in a folder, or into the documentation.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from './cases.ts';
import { chart } from './chart.ts';
import type { BenchOptions } from './options.ts';
import { type Report, reportText } from './report.ts';

const DOCS = join(import.meta.dirname, '..', 'docs');
const BEGIN = '<!-- results -->';
const END = '<!-- end of results -->';

/** Gives the paths of what was written. Throws an Error when the page has no place for results. */
export function writeResults(
  report: Report,
  cases: readonly Case[],
  { out, intoDocs }: Pick<BenchOptions, 'out' | 'intoDocs'>,
): string[] {
  const folder = intoDocs ? DOCS : out;
  if (folder === null) return [];
  mkdirSync(folder, { recursive: true });
  const name = intoDocs ? 'performance' : 'results';
  const [json, svg] = [join(folder, `${name}.json`), join(folder, `${name}.svg`)] as const;
  writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(svg, chart(report.results));
  if (!intoDocs) return [json, svg];
  const page = join(DOCS, 'performance.md');
  writeFileSync(page, withResults(readFileSync(page, 'utf8'), reportText(report, cases)));
  return [json, svg, page];
}

/** `page` with `results` between its two marks. Throws an Error when it does not have both. */
export function withResults(page: string, results: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`the page has no ${BEGIN} … ${END}`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${results}\n${page.slice(end)}`;
}
