// WITH: surveys the queries of a WITH clause.

import type { SelectStatement, With, WritingStatement } from '../sql/statement.ts';
import { CommonTables, type InSight } from './common-tables.ts';
import type { Level, Scope } from './scope.ts';
import type { Survey } from './survey.ts';
import type { WrittenRows } from './written-rows.ts';

type Visit = (select: SelectStatement, scope: Scope | null, tables: CommonTables) => Level;

/**
 * A query that writes is surveyed here. One that reads is at each use: two uses are two tables whose
 * keys need not be equal. Those never used are left for `surveyUnused`.
 */
export function surveyWith(
  clause: With,
  survey: Survey,
  parent: Scope | null,
  outer: CommonTables,
  visit: Visit,
): CommonTables {
  let tables = new CommonTables(outer);
  if (clause.recursive) for (const { name } of clause.tables) tables.add(name, 'itself');
  for (const table of clause.tables) {
    const { statement } = table;
    const written = statement.kind === 'select' ? null : surveyPart(statement, survey, tables);
    // In a recursive clause a query may use a later one, whose keys are not known yet.
    if (survey.writesInWith && clause.recursive) survey.onlyOneShard('writingWith');
    const inSight: InSight = { table, scope: parent, tables, written };
    if (statement.kind === 'select') {
      const own = tables;
      survey.unused.set(inSight, () => visit(statement, parent, own));
    }
    // The next query sees this one; this one does not see itself unless RECURSIVE.
    tables = new CommonTables(tables);
    tables.add(table.name, inSight);
  }
  return tables;
}

/** Several shards may run the statement as it is if each of them can do its part of this query. */
function surveyPart(
  statement: WritingStatement,
  survey: Survey,
  tables: CommonTables,
): WrittenRows | null {
  survey.writesInWith = true;
  const { rows, byShard } = survey.part(() => survey.surveyWriting(statement, survey, tables));
  if (!byShard || rows === null) survey.onlyOneShard('writingWith');
  return rows;
}

/** PostgreSQL checks a WITH query whether it is used or not, so all its tables must be at hand. */
export function surveyUnused(survey: Survey): void {
  // A visit may use a query that was not used before it, or declare more of them.
  for (;;) {
    const [next] = survey.unused;
    if (next === undefined) return;
    survey.unused.delete(next[0]);
    next[1]();
  }
}
