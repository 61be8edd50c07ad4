// Last ids: which sequence currval() tells of, and which ids an INSERT takes.

import { quoteName } from '../base/quote.ts';
import type { Call } from '../sql/expression.ts';
import type { InsertStatement } from '../sql/statement.ts';
import type { Column, Table } from '../topology/table.ts';
import { argumentSource } from './argument.ts';
import { type PlanContext, Refusal } from './context.ts';
import type { TakenIds } from './plan.ts';
import type { Survey } from './survey.ts';
import { refused } from './unsupported.ts';

/** A call of currval() or lastval(). Throws Refusal where the sequence is not known before the statement is run. */
export function noteLastId({ name, args: [first] }: Call, context: PlanContext): void {
  const sequence = first === undefined ? null : argumentSource(first);
  if (!context.mayTellLastIds || (name === 'currval' && sequence === null)) {
    throw new Refusal(refused('sequenceMemory'));
  }
  context.dependsOnValue = true;
  context.lastIds.push(sequence);
}

/** Of rows that are given, as it is with no other that they are there. */
export function takesIdsOf(
  { source, columns, with: clause }: InsertStatement,
  table: Table | null,
  survey: Survey,
): TakenIds | null {
  if (table === null || table.view !== undefined || clause !== null) return null;
  if (table.kind !== 'sharded' && table.kind !== 'home') return null;
  const body = source?.body ?? null;
  if (body !== null && body.kind !== 'values') return null;
  const names = columns ?? table.columns.map(({ name }) => name);
  const isTaken = ({ name, sequenceDefault }: Column) => {
    if (sequenceDefault !== true) return false;
    const index = names.indexOf(name);
    const values = body?.rows.map((row) => row[index]) ?? [undefined];
    return values.some((value) => value === undefined || value.kind === 'default');
  };
  const taken = table.columns.filter(isTaken).map(({ name }) => name);
  const noOthers = table.runsCode === false && !survey.callsUnknown && !survey.callsSequence;
  const ids = {
    table: `${quoteName(table.schema)}.${quoteName(table.name)}`,
    columns: taken,
    noOthers,
  };
  if (!taken.includes(table.keyColumn ?? '')) {
    return taken.length > 0 || noOthers ? { when: 'there', ...ids } : null;
  }
  // What else the shard takes may be before it or behind it.
  return taken.length === 1 && noOthers ? { when: 'before', ...ids } : null;
}
