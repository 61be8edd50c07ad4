// Explain run: asks the servers of a statement for their plans and answers with all of them.

import { SqlError } from '../base/errors.ts';
import type { Description } from '../execute/describe.ts';
import {
  type ExplainedPart,
  type Explanation,
  explainOn,
  writeExplanation,
} from '../execute/explain.ts';
import { shardTextOf } from '../execute/gather.ts';
import { insertText } from '../execute/write.ts';
import { explainPlan } from '../plan/explain.ts';
import type { ExplainMerge, RoutedPlan } from '../plan/plan.ts';
import { targetsOf } from '../plan/route.ts';
import { severalShards } from '../plan/unsupported.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { encodeCommandComplete } from '../wire/query.ts';
import { encodeDataRow, encodeRowDescription } from '../wire/row.ts';
import type { SessionContext } from './context.ts';
import { explainEngine } from './engine-run.ts';
import type { Execution, RunnerDependencies } from './execution.ts';

export interface ExplainRun {
  readonly execution: Execution;
  readonly merge: ExplainMerge;
  /** Of the EXPLAIN itself. */
  readonly description: Description;
  readonly targets: readonly number[];
  readonly described: boolean;
  /** One connection a target, owing nothing. */
  connections(): Promise<{ connections: ServerConnection[]; release: () => void }>;
}

/** Answers with everything but ReadyForQuery. What ANALYZE changes is changed on all or none. */
export async function runExplain(
  { state, context, client }: RunnerDependencies,
  run: ExplainRun,
): Promise<void> {
  const { merge, targets, description, described } = run;
  const { inner, analyzes } = merge;
  const writes = analyzes && inner.effect !== 'read';
  const own = writes && state.transaction === null ? state.begin('BEGIN', true) : null;
  if (writes) for (const shard of targets) state.transaction!.writers.add(shard);
  const parts =
    targets.length > 1 && inner.merge?.how === 'engine'
      ? await explainEngine(inner.merge, merge, run.execution, description, state, context)
      : await explainShards(run, context);
  if (own !== null) await state.endTransaction('commit');
  const lines = writeExplanation(explanationOf(run, parts), merge.format);
  if (described) client.write(encodeRowDescription([...(description.fields ?? [])]));
  for (const line of lines) client.write(encodeDataRow([Buffer.from(line)]));
  client.write(encodeCommandComplete('EXPLAIN'));
}

function explanationOf(
  { merge: { inner }, targets }: ExplainRun,
  parts: readonly ExplainedPart[],
): Explanation {
  const all = explainPlan(inner).split('\n');
  const isOne = targets.length === 1;
  return {
    planClass: isOne ? 0 : classOf(inner),
    shards: targets,
    // One shard gets the statement as it is, whatever several would have been asked.
    steps: isOne ? all.slice(0, 1) : all,
    parts,
  };
}

function classOf({ merge }: RoutedPlan): number | null {
  if (merge?.how === 'engine') return 3;
  if (merge?.how === 'aggregate') return 2;
  return merge?.how === 'concat' ? (merge.distinct ? 2 : 1) : null;
}

/** One shard after the other, so that none slows another down while it is measured. */
async function explainShards(
  run: ExplainRun,
  context: SessionContext,
): Promise<readonly ExplainedPart[]> {
  const { execution, merge, description } = run;
  const parameters = { ...execution.parameters, types: description.parameterTypes };
  const { connections, release } = await run.connections();
  try {
    const parts: ExplainedPart[] = [];
    for (const connection of connections) {
      const shard = connection.shard.id;
      const sql = merge.prefix + textFor(shard, run, context);
      const lines = await explainOn(connection, sql, parameters);
      parts.push({ title: 'Statement', shard, lines });
    }
    return parts;
  } finally {
    release();
  }
}

/** What the shard is sent when the statement is run. */
function textFor(
  shard: number,
  { merge: { inner, sql }, targets, execution, description }: ExplainRun,
  context: SessionContext,
): string {
  if (targets.length === 1) return sql;
  switch (inner.merge?.how) {
    case 'concat':
    case 'aggregate': {
      const parameters = { ...execution.parameters, types: description.parameterTypes };
      return shardTextOf(inner.merge, parameters);
    }
    case 'write':
    case 'reference':
      return sql;
    case 'insert': {
      const { keys } = inner.merge;
      const shards = keys.map((key) => {
        const route = { kind: 'keys', keys: [key] } as const;
        return targetsOf(route, execution.values, context.topology())[0]!;
      });
      return insertText(inner.merge, shards, shard);
    }
    default:
      throw new SqlError(inner.refusal ?? severalShards('text'));
  }
}
