// Shard fields: refuses answers of shards whose columns differ, before any row is merged.

import { SqlError } from '../../base/errors.ts';
import { FIRST_USER_OID } from '../../base/oid.ts';
import { SQLSTATE } from '../../base/sqlstate.ts';
import { typeName } from '../../value/type-oid.ts';
import type { FieldDescription } from '../../wire/row.ts';
import type { MergeRequest, ShardRows } from './merge-request.ts';
import { aggregateColumnCount } from './shard-layout.ts';

type Fields = readonly FieldDescription[];

/** 42804 naming the shards when their rows differ in the number, the types or the order of their columns. */
export function checkShards(inputs: readonly Pick<ShardRows, 'fields' | 'shard'>[]): void {
  const first = inputs[0];
  if (first === undefined) throw internal('a merge without shards');
  for (const [i, input] of inputs.entries()) {
    const difference =
      differenceBetween(first.fields, input.fields) ?? orderBetween(first.fields, input.fields);
    if (difference === null) continue;
    const names = `shard ${first.shard ?? 0} and shard ${input.shard ?? i}`;
    throw new SqlError({
      code: SQLSTATE.datatypeMismatch,
      message: `${names} answer with different columns`,
      detail: difference,
      hint: 'Bring the definitions of the tables on all shards into line.',
    });
  }
}

function differenceBetween(a: Fields, b: Fields): string | null {
  if (a.length !== b.length) return `One has ${a.length} columns, the other ${b.length}.`;
  for (const [i, field] of a.entries()) {
    const other = b[i]!;
    if (sameType(field.typeOid, other.typeOid)) continue;
    const types = `type ${typeName(field.typeOid)}, on the other type ${typeName(other.typeOid)}`;
    return `Column ${i + 1} ("${field.name}") is on one of ${types}.`;
  }
  return null;
}

/** A column that has only another name may just have been renamed; one in another place holds other values. */
function orderBetween(a: Fields, b: Fields): string | null {
  for (const [i, { name }] of a.entries()) {
    const other = b[i]!.name;
    if (name === other || !a.some((each) => each.name === other)) continue;
    return `Column ${i + 1} is on one of them "${name}", on the other "${other}".`;
  }
  return null;
}

/** User-defined types have an oid of their own on every shard. */
function sameType(a: number, b: number): boolean {
  return a === b || (a >= FIRST_USER_OID && b >= FIRST_USER_OID);
}

/** The shards' columns must be those the plan speaks of, and what is put out those described. */
export function checkOutput(request: MergeRequest): void {
  const { merge, output } = request;
  const fields = request.inputs[0]!.fields;
  if (merge.how === 'aggregate') {
    if (fields.length !== aggregateColumnCount(merge) || output.length !== merge.output.length) {
      throw internal('the columns of an aggregation are not those of its plan');
    }
    return;
  }
  const visible = fields.slice(0, fields.length - merge.hiddenColumns);
  const difference = differenceBetween(output, visible);
  if (difference === null) return;
  throw new SqlError({
    code: SQLSTATE.datatypeMismatch,
    message: 'the shards answer with other columns than described',
    detail: difference,
    hint: 'Bring the definitions of the tables on all shards into line.',
  });
}

/** A fault of the planner, not of the client. */
export function internal(message: string): SqlError {
  return new SqlError({ code: SQLSTATE.internalError, message });
}
