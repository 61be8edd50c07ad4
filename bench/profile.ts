// Reads a processor profile that Node has written: which functions took the time.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const FUNCTIONS_MAX = 25;
const ROOT = join(import.meta.dirname, '..');

/** The functions with the most time of their own in the newest profile of `directory`. */
export function profileText(directory: string): string {
  const paths = readdirSync(directory)
    .filter((name) => name.endsWith('.cpuprofile'))
    .map((name) => join(directory, name))
    .sort((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs);
  const newest = paths.at(-1);
  if (newest === undefined) return `no profile in ${directory}`;
  const lines = topFunctions(JSON.parse(readFileSync(newest, 'utf8')) as Profile).map(
    ({ name, percent }) => `${percent.toFixed(1).padStart(5)} %  ${name}`,
  );
  return [`${newest}: time of their own, without waiting`, ...lines].join('\n');
}

/** Percent of the time in which the process was not idle. */
export function topFunctions(profile: Profile): { name: string; percent: number }[] {
  const names = new Map(profile.nodes.map((node) => [node.id, nameOf(node)]));
  const times = new Map<string, number>();
  let busy = 0;
  for (const [i, id] of profile.samples.entries()) {
    const name = names.get(id) ?? '?';
    const delta = profile.timeDeltas[i] ?? 0;
    if (name === '(idle)') continue;
    busy += delta;
    times.set(name, (times.get(name) ?? 0) + delta);
  }
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .slice(0, FUNCTIONS_MAX)
    .map(([name, time]) => ({ name, percent: (100 * time) / busy }));
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const name = functionName === '' ? 'anonymous' : functionName;
  if (url === '') return name;
  const place = url.startsWith('file:') ? relative(ROOT, new URL(url).pathname) : url;
  return `${name} ${place}:${lineNumber + 1}`;
}
