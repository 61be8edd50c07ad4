// Shadowing: new tables with the name of one that lives on every shard.

import type { RelationName } from '../sql/statement.ts';
import type { PlanContext } from './context.ts';

/** True for a table that is on every shard: sharded, reference, or a view of sharded ones. */
export function isOnEveryShard(relation: RelationName, context: PlanContext): boolean {
  const kind = context.table(relation)?.kind;
  return kind === 'sharded' || kind === 'reference' || kind === 'shardedView';
}

/** The schema that names a session's temporary tables, whatever TEMPORARY says. */
const isTemporarySchema = (schema: string | null) => schema === 'pg_temp';

/** True where the new relation would be found instead of one that is on every shard. */
export function hidesTable(relation: RelationName, context: PlanContext): boolean {
  const { schema } = relation;
  return isOnEveryShard(
    isTemporarySchema(schema) ? { ...relation, schema: null } : relation,
    context,
  );
}
