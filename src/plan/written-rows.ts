// Written rows: what a query that writes within WITH gives to the others, as rows of a sharded table.

import type { WritingStatement } from '../sql/statement.ts';
import { KeyClass } from './key-class.ts';
import { outputColumns } from './output-columns.ts';
import type { Level, Scope } from './scope.ts';
import type { Survey } from './survey.ts';

/** RETURNING, and the class of the table that is written. */
export interface WrittenRows {
  readonly level: Level;
  readonly key: KeyClass;
}

/** `scope`: of RETURNING, the written table first. null: that table is not sharded. */
export function writtenRows(statement: WritingStatement, scope: Scope): WrittenRows | null {
  const [target] = scope.leaves;
  const [key] = target?.keys.values() ?? [];
  if (target === undefined || key === undefined) return null;
  const { anchored, sharded } = target;
  // A MERGE shows its source's columns before the table's, and NULLs for rows that have none.
  const columns = statement.kind === 'merge' ? null : outputColumns(statement.returning, scope);
  return { level: { scope, columns, anchored, sharded }, key };
}

/**
 * The rows as one use of the query sees them. Rows of two uses meet whatever their keys are, and a
 * condition on rows that are used does not say which are written: each use has a class of its own.
 */
export function useRows({ level, key }: WrittenRows, survey: Survey): Level {
  const own = new KeyClass();
  survey.classes.push(own);
  if (key.keys !== null) own.restrict(key.keys);
  const columns = level.columns?.map((column) => ({
    ...column,
    key: column.key?.isSame(key) === true ? own : null,
  }));
  return { ...level, columns: columns ?? null };
}
