// Aims compared with what was measured.

import type { Aim, Case } from './cases.ts';
import type { Target } from './endpoint.ts';
import { METRICS, type Metric, type Summary } from './measurement.ts';

/** By target; a target that was not measured is missing. */
export type Summaries = Readonly<
  Partial<Record<Target, Readonly<Partial<Record<Metric, Summary>>>>>
>;

export interface Verdict {
  /** `proxy / pgbouncer`, `peak MB`. */
  readonly what: string;
  /** `≥ 1.5`. */
  readonly aim: string;
  /** Null: one side was not measured. */
  readonly value: number | null;
  readonly isMet: boolean | null;
}

export function judge(each: Case, summaries: Summaries): readonly Verdict[] {
  return each.aims.map((given) => {
    const aim = applicable(given, summaries);
    const value = measured(aim, summaries);
    const sense = aim.kind === 'added' ? 'atMost' : aim.sense;
    const { bound } = aim;
    const isMet = value === null ? null : sense === 'atLeast' ? value >= bound : value <= bound;
    return { what: nameOf(aim), aim: `${sense === 'atLeast' ? '≥' : '≤'} ${bound}`, value, isMet };
  });
}

function applicable(aim: Aim, summaries: Summaries): Aim {
  if (aim.kind !== 'ratio' || aim.otherwise === undefined) return aim;
  const isThere = aim.over.every((target) => summaries[target] !== undefined);
  return isThere ? aim : { ...aim, over: [aim.otherwise] };
}

/** What is compared: `proxy / pgbouncer`, or the unit of a value that stands for itself. */
export function nameOf(aim: Aim): string {
  if (aim.kind === 'added') return 'added by the proxy / by pgbouncer';
  if (aim.kind === 'value') return METRICS[aim.metric].unit;
  return `proxy / ${aim.over.length > 1 ? 'slower shard' : aim.over[0]}`;
}

function measured(aim: Aim, summaries: Summaries): number | null {
  const medianOf = (target: Target): number | null =>
    summaries[target]?.[aim.metric]?.median ?? null;
  const proxy = medianOf('proxy');
  if (proxy === null || aim.kind === 'value') return proxy;
  if (aim.kind === 'added') {
    const [direct, pgbouncer] = [medianOf('direct'), medianOf('pgbouncer')];
    // Where pgbouncer adds nothing that can be measured, there is nothing to compare with.
    if (direct === null || pgbouncer === null || pgbouncer <= direct) return null;
    return (proxy - direct) / (pgbouncer - direct);
  }
  const others = aim.over.map(medianOf);
  if (others.some((other) => other === null)) return null;
  return proxy / Math.max(...(others as number[]));
}
