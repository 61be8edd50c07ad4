// With run: runs the parts of a WITH that writes, one after the other, each with the rows of others.

import { SqlError } from '../base/errors.ts';
import { quoteName } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import {
  type CarriedColumn,
  carriedArrays,
  carriedColumns,
  carriedSql,
  collationsOf,
} from '../execute/carried.ts';
import type { Description } from '../execute/describe.ts';
import { withArrays } from '../execute/parameters.ts';
import { carriedFormats } from '../execute/row-set.ts';
import { reactsTo } from '../execute/with-watch.ts';
import type { WriteResult } from '../execute/write.ts';
import { standIn } from '../plan/queries-apart.ts';
import type { WithPart, WithWritesMerge } from '../plan/staged.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { FieldDescription } from '../wire/row.ts';
import { withConnectionOf } from './everywhere.ts';
import { readRows, type Source, type StagedRun, sourceOf } from './row-source.ts';

/** Runs one that writes several shards by its plan. */
export type WriteSeveral = (
  run: StagedRun,
  source: Source,
  targets: readonly number[],
) => Promise<WriteResult>;

interface Part {
  readonly rows: readonly Buffer[];
  readonly fields: readonly FieldDescription[];
  readonly tag: string;
}

/** What the rows of a part are carried by. */
interface Carried {
  readonly columns: readonly CarriedColumn[];
  readonly collations: readonly (string | null)[];
  readonly names: readonly string[];
  readonly rows: readonly Buffer[];
}

/** In the session's transaction, or in one of its own. Rejects with SqlError or ServerError. */
export function runWithWrites(
  run: StagedRun,
  merge: WithWritesMerge,
  writeSeveral: WriteSeveral,
): Promise<WriteResult> {
  return run.d.state.inTransaction(async () => {
    const { parts, main, counted, collated } = await unwatched(run, merge);
    const carried: Carried[] = [];
    const answers: WriteResult[] = [];
    for (const [i, part] of parts.entries()) {
      const isMain = i === main;
      const own = withRows(run, part, carried);
      const done = await runPart(own.run, own.sql, isMain ? 'client' : 'carried', writeSeveral);
      answers.push(done);
      carried.push(isMain ? NOTHING : await carriedOf(run, part, done, collated));
    }
    return { rows: answers[main]!.rows, tag: answers[counted]!.tag };
  });
}

const NOTHING: Carried = { columns: [], collations: [], names: [], rows: [] };

/** The parts as they are run, but without the rows of others; nothing of them is done. */
export async function* partsWithoutRows(
  run: StagedRun,
  merge: WithWritesMerge,
): AsyncGenerator<{ readonly source: Source; readonly description: Description }> {
  const carried: Carried[] = [];
  for (const part of merge.parts) {
    const own = withRows(run, part, carried);
    const source = await sourceOf(own.run, own.sql);
    const { plan, sql, parameters } = source;
    const description = await run.runner.description(plan, sql, parameters.types);
    yield { source, description };
    const done = { rows: [], fields: description.fields ?? [], tag: '' };
    carried.push(await carriedOf(run, part, done, merge.collated));
  }
}

/** Throws 0A000 where something on the server would see a part's writes before the end of all. */
async function unwatched(run: StagedRun, merge: WithWritesMerge): Promise<WithWritesMerge> {
  const { state } = run.d;
  for (const { watch } of merge.parts) {
    if (watch === null) continue;
    const reacts = await withConnectionOf(state)(HOME_SHARD, (home) => reactsTo(home, watch));
    if (!reacts) continue;
    if (merge.readBefore !== null) return unwatched(run, merge.readBefore);
    throw reaction(watch.table);
  }
  return merge;
}

const reaction = (table: string): SqlError =>
  new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `not supported over several shards: a WITH that writes ${table} and uses other tables`,
    detail:
      'It has triggers, rules or foreign keys to do with them, or one of them is a view, or inherits from it.',
    hint: 'Send its parts as statements of their own, in one transaction.',
  });

async function carriedOf(
  { d }: StagedRun,
  { names }: WithPart,
  { fields, rows }: Part,
  collated: boolean,
): Promise<Carried> {
  const made = await withConnectionOf(d.state)(HOME_SHARD, async (home) => ({
    columns: await carriedColumns(home, fields),
    collations: collated ? await collationsOf(home, fields) : fields.map(() => null),
  }));
  return { ...made, rows, names: fields.map(({ name }, i) => names[i] ?? name) };
}

/** The part's statement, and the run with the rows that it uses as further parameters. */
function withRows(
  run: StagedRun,
  { defs, recursive, body }: WithPart,
  carried: readonly Carried[],
): { run: StagedRun; sql: string } {
  const types = [...run.description.parameterTypes];
  const arrays: Buffer[] = [];
  const texts: string[] = [];
  let rest = body;
  for (const def of defs) {
    if (typeof def === 'string') {
      texts.push(def);
      continue;
    }
    const { columns, collations, names, rows } = carried[def.part]!;
    const sql = carriedSql(columns, types.length + 1, collations);
    const carriers = carriedArrays(columns, rows);
    types.push(...carriers.map(() => 0));
    arrays.push(...carriers);
    const list = names.length === 0 ? '' : ` (${names.map(quoteName).join(', ')})`;
    const stand = `SELECT * FROM (${sql}) AS "drive.rows"${list}`;
    if (def.inPlace) rest = rest.replace(standIn(def.name), () => stand);
    else texts.push(`${def.name}${list} AS (${sql})`);
  }
  const clause =
    texts.length === 0 ? '' : `WITH ${recursive ? 'RECURSIVE ' : ''}${texts.join(', ')} `;
  const sql = `${clause}${rest}`;
  const parameters = withArrays(
    { ...run.execution.parameters, types: run.description.parameterTypes },
    arrays,
  );
  const description = { ...run.description, parameterTypes: types };
  return { run: { ...run, execution: { ...run.execution, parameters }, description }, sql };
}

/** `formats`: as the client wants its rows, or as they are carried. */
async function runPart(
  run: StagedRun,
  sql: string,
  formats: 'client' | 'carried',
  writeSeveral: WriteSeveral,
): Promise<Part> {
  const { d, runner } = run;
  const source = await sourceOf(run, sql);
  const description = await runner.description(source.plan, source.sql, source.parameters.types);
  const fields = description.fields ?? [];
  const { resultFormats: asked } = run.execution;
  const resultFormats = formats === 'client' ? asked : carriedFormats(fields);
  const execution = { ...source, resultFormats };
  const targets = runner.targets(execution, source.plan);
  const isSeveral = targets.length > 1 || source.plan.strays !== null;
  const isWrite = isSeveral && source.plan.effect === 'write' && source.plan.verb !== 'SELECT';
  if (isWrite) {
    const staged = { d, runner, execution, description };
    return { ...(await writeSeveral(staged, execution, targets)), fields };
  }
  const { set, tag } = await readRows(run, source, { formats: () => resultFormats });
  return { rows: set.rows, fields, tag };
}
