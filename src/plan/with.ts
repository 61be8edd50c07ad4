// WITH: surveys the queries of a WITH clause.

import type { SelectStatement, With } from '../sql/statement.ts';
import { CommonTables, type InSight } from './common-tables.ts';
import type { Level, Scope } from './scope.ts';
import type { Survey } from './survey.ts';

type Visit = (select: SelectStatement, scope: Scope | null, tables: CommonTables) => Level;

/**
 * Each query is surveyed here, since PostgreSQL checks it whether it is used or not, and again at
 * each use: two uses are two tables whose keys need not be equal.
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
    if (statement.kind !== 'select') {
      survey.writesInWith = true;
      survey.onlyOneShard('writingWith');
      survey.surveyWriting(statement, survey, tables);
    } else {
      visit(statement, parent, tables);
    }
    const inSight: InSight = { table, scope: parent, tables };
    // The next query sees this one; this one does not see itself unless RECURSIVE.
    tables = new CommonTables(tables);
    tables.add(table.name, inSight);
  }
  return tables;
}
