// Shadowing: new tables with the name of one that lives on every shard.

import type { DdlFacts } from '../sql/ddl.ts';
import type { RelationName, RowStatement, SelectStatement } from '../sql/statement.ts';
import { isReplaced } from './cluster-question.ts';
import { isSystem, type PlanContext } from './context.ts';

/** True for a table that is on every shard: sharded, reference, or a view of sharded ones. */
export function isOnEveryShard(relation: RelationName, context: PlanContext): boolean {
  const kind = context.table(relation)?.kind;
  return kind === 'sharded' || kind === 'reference' || kind === 'shardedView';
}

/** The schema that names a session's temporary tables, whatever TEMPORARY says. */
const TEMPORARY = 'pg_temp';

/** True where the new relation would be found instead of one that is on every shard. */
export function hidesTable(relation: RelationName, context: PlanContext): boolean {
  const { schema } = relation;
  return isOnEveryShard(schema === TEMPORARY ? { ...relation, schema: null } : relation, context);
}

/** The same of a temporary one; it may also hide a sequence, or a relation of the catalogs for which another stands. */
export function hidesAsTemporary(relation: RelationName, context: PlanContext): boolean {
  const { schema, name } = relation;
  if (hidesTable(relation, context)) return true;
  if (schema !== null && schema !== TEMPORARY) return false;
  return context.sequence({ ...relation, schema: null }) !== null || isReplaced(name);
}

/** The same of a temporary table that gets another name. */
export function hidesRenamed(
  relation: RelationName,
  { renamed }: DdlFacts,
  context: PlanContext,
): boolean {
  if (renamed === null || renamed.name === null) return false;
  const table = context.table(relation);
  const isKnown = table !== null && !context.mayBeHidden(relation, table);
  const hasTemporary = context.input.searchPath?.includes(TEMPORARY) === true;
  if (isKnown || !hasTemporary) return false;
  return isOnEveryShard({ ...relation, schema: null, name: renamed.name }, context);
}

/** The rows of one reference table: through a view of them, if it is on one shard, its copy would be written. */
export function showsReference(query: RowStatement, context: PlanContext): boolean {
  if (query.kind !== 'select' || query.body.kind !== 'simple') return false;
  const [only, ...others] = query.body.from;
  if (only?.kind !== 'table' || others.length > 0) return false;
  return context.table(only.relation)?.kind === 'reference';
}

/**
 * The same of a view that may be temporary without saying so, as one that reads a temporary table is.
 * `read`: all that its query names. Source: DefineView (view.c).
 */
export const mayShowCopy = (
  query: SelectStatement,
  read: readonly RelationName[],
  context: PlanContext,
): boolean =>
  showsReference(query, context) &&
  read.some((each) => context.table(each) === null && !isKnownElsewhere(each, context));

const isKnownElsewhere = (relation: RelationName, context: PlanContext): boolean =>
  isSystem(relation) || context.sequence(relation) !== null;
