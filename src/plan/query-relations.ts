// Query relations: the tables and views that a query names, at any depth.

import type { RelationName, SelectStatement } from '../sql/statement.ts';

/** Without those of its WITH queries' names. */
export function relationsIn(query: SelectStatement): RelationName[] {
  const relations: RelationName[] = [];
  const common = new Set<string>();
  const open: unknown[] = [query];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const { kind, relation, statement, name } = next as { [field: string]: unknown };
    if (kind === 'table') relations.push(relation as RelationName);
    if (statement !== undefined && typeof name === 'string') common.add(name);
    open.push(...Object.values(next).filter((part) => part !== null && part !== undefined));
  }
  return relations.filter(({ schema, name }) => schema !== null || !common.has(name));
}
