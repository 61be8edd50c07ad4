// Results as an SVG: for each case that counts transactions, bars of the targets beside each other.

import type { Target } from './endpoint.ts';
import { formatValue } from './measurement.ts';
import type { CaseResult } from './runner.ts';

/** Told apart also by those who see few colours, and in grey. */
const COLOURS: readonly (readonly [Target, string])[] = [
  ['direct', '#b8c0cc'],
  ['pgbouncer', '#5b8def'],
  ['proxy', '#e4572e'],
];

const LEFT = 120;
const BARS_WIDTH = 520;
const WIDTH = LEFT + BARS_WIDTH + 90;
const BAR = 14;
const GAP = 16;
const TOP = 64;

/** Bars are relative to the fastest of their case: the cases differ too much for one scale. */
export function chart(results: readonly CaseResult[]): string {
  const parts: string[] = [];
  let y = TOP;
  for (const { name, summaries } of results) {
    const bars = COLOURS.flatMap(([target, colour]) => {
      const tps = summaries[target]?.tps?.median;
      return tps === undefined ? [] : [{ target, colour, tps }];
    });
    if (bars.length === 0) continue;
    const most = Math.max(...bars.map(({ tps }) => tps));
    parts.push(text(LEFT - 10, y + (bars.length * BAR) / 2 + 4, escapeXml(name), 'end'));
    for (const { target, colour, tps } of bars) {
      const width = Math.max(1, Math.round((tps / most) * BARS_WIDTH));
      parts.push(
        `<rect x="${LEFT}" y="${y}" width="${width}" height="${BAR - 2}" fill="${colour}">` +
          `<title>${escapeXml(name)}, ${target}: ${formatValue('tps', tps)} tps</title></rect>`,
        text(LEFT + width + 6, y + BAR - 4, formatValue('tps', tps), 'start'),
      );
      y += BAR;
    }
    y += GAP;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" ` +
      `viewBox="0 0 ${WIDTH} ${y}" font-family="sans-serif" font-size="11" fill="#24292f">`,
    `<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>`,
    text(LEFT, 22, 'Transactions per second, medians', 'start', 'font-size="14"'),
    ...legend(),
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function legend(): string[] {
  return COLOURS.flatMap(([target, colour], i) => {
    const x = LEFT + i * 110;
    return [
      `<rect x="${x}" y="36" width="12" height="12" fill="${colour}"/>`,
      text(x + 18, 46, target, 'start'),
    ];
  });
}

function text(x: number, y: number, content: string, anchor: string, more = ''): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" ${more}>${content}</text>`;
}

function escapeXml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
