// SHOW PLANS and PREPARED: what the plan cache holds, and the names servers know statements by.

import { CONSOLE_ROWS_MAX, CONSOLE_TEXT_CHARS_MAX } from '../base/limits.ts';
import type { Plan } from '../plan/plan.ts';
import { nameWithin } from '../session/prepared.ts';
import { columns, show } from './command.ts';

const PLANS = columns('statement by route merge effect pins worker:int4');
const PREPARED = columns('name statement catalog_version:int8 servers:int4 worker:int4');

function shortened(text: string): string {
  const line = text.replaceAll('\0', ' ').trim();
  return line.length > CONSOLE_TEXT_CHARS_MAX ? `${line.slice(0, CONSOLE_TEXT_CHARS_MAX)}…` : line;
}

/** Which shards: `home`, `any`, `all`, `shard 1`, `keys (2)`. */
function routeText(plan: Plan): string {
  if (plan.op !== 'routed') return plan.op;
  const { route } = plan;
  if (route.kind === 'shard') return `shard ${route.shard}`;
  return route.kind === 'keys' ? `keys (${route.keys.length})` : route.kind;
}

/** The first `count` of them. */
function* first<T>(items: Iterable<T>, count: number): Generator<T> {
  let left = count;
  for (const item of items) {
    if (left === 0) return;
    left -= 1;
    yield item;
  }
}

export const STATEMENT_COMMANDS = [
  show('PLANS', 'the plan cache, most recently used first', 'rows', PLANS, ({ planner, worker }) =>
    [...first(planner.cached(), CONSOLE_ROWS_MAX)].map(({ text, isShape, plan }) => [
      shortened(text),
      isShape ? 'shape' : 'text',
      routeText(plan),
      plan.op === 'routed' ? (plan.merge?.how ?? null) : null,
      plan.op === 'routed' ? plan.effect : null,
      plan.op === 'routed' ? plan.pins.join(', ') : '',
      worker,
    ]),
  ),
  show(
    'PREPARED',
    'prepared statements and on how many servers they are',
    'rows',
    PREPARED,
    (operations) => {
      const servers = new Map<string, number>();
      for (const pool of operations.pools) {
        for (const connection of Object.values(pool.connections()).flat()) {
          // Under several settings it may be on one of them several times.
          for (const name of new Set([...connection.statements].map(nameWithin))) {
            servers.set(name, (servers.get(name) ?? 0) + 1);
          }
        }
      }
      const names = first(operations.statementNames.entries(), CONSOLE_ROWS_MAX);
      return [...names].map(({ name, sql, version }) => [
        ...[name, shortened(sql), version, servers.get(name) ?? 0, operations.worker],
      ]);
    },
  ),
];
