// Query relations: the tables and views that a query reads, without its WITH queries.

import type { RelationName, With } from '../sql/statement.ts';

/** Those that are read, at any depth. A WITH query that is not recursive may read a table of its own name. */
export function relationsIn(tree: object): RelationName[] {
  const relations: RelationName[] = [];
  collect(tree, new Set(), relations);
  return relations;
}

/** `common`: the names of WITH queries that are in sight. */
function collect(tree: unknown, common: ReadonlySet<string>, relations: RelationName[]): void {
  if (typeof tree !== 'object' || tree === null) return;
  const { kind, relation, with: clause } = tree as { [field: string]: unknown };
  if (kind === 'table') {
    const { schema, name } = relation as RelationName;
    if (schema !== null || !common.has(name)) relations.push(relation as RelationName);
  }
  const inSight = isWith(clause) ? withNames(clause, common, relations) : common;
  for (const [field, part] of Object.entries(tree)) {
    if (field !== 'with' || !isWith(part)) collect(part, inSight, relations);
  }
}

const isWith = (part: unknown): part is With =>
  typeof part === 'object' && part !== null && 'recursive' in part && 'tables' in part;

/** What the statement that has the clause sees. */
function withNames(
  { recursive, tables }: With,
  common: ReadonlySet<string>,
  relations: RelationName[],
): ReadonlySet<string> {
  const inSight = new Set(common);
  if (recursive) for (const { name } of tables) inSight.add(name);
  for (const { name, statement } of tables) {
    collect(statement, inSight, relations);
    inSight.add(name);
  }
  return inSight;
}
