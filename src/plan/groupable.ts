// Groupable statements: those that may be committed together with statements of other clients.

import type { Expression, TypeReference } from '../sql/expression.ts';
import type { InsertStatement, Statement, Target } from '../sql/statement.ts';
import type { RoutedPlan } from './plan.ts';

/**
 * An INSERT of one row whose values are written or given: its transaction can be that of others, for
 * it neither reads nor changes what theirs would see of it: no setting, no lock but those of its row,
 * no code of users that might, which a statement that servers can keep does not run (see keepingOf).
 */
export function isGroupable(statement: Statement, plan: RoutedPlan): boolean {
  if (statement.kind !== 'insert' || plan.effect !== 'write') return false;
  if (plan.action !== null || plan.pins.length > 0 || plan.unknownTables.length > 0) return false;
  if (statement.with !== null || statement.conflict !== null) return false;
  if (plan.keeping === 'never') return false;
  return statement.returning.every(isColumn) && hasPlainValues(statement);
}

function hasPlainValues({ source }: InsertStatement): boolean {
  if (source === null) return true;
  const { body, limit, offset, order } = source;
  if (body.kind !== 'values' || body.rows.length !== 1) return false;
  return limit === null && offset === null && order.length === 0 && body.rows[0]!.every(isPlain);
}

const isColumn = ({ expression }: Target): boolean =>
  expression.kind === 'column' || expression.kind === 'star';

/** Types whose input function is PostgreSQL's own, beside those of the grammar. */
const TYPES = new Set(['text', 'json', 'jsonb', 'uuid', 'bytea', 'date', 'timestamptz']);

const isBuiltIn = ({ schema, name }: TypeReference): boolean =>
  schema === 'pg_catalog' || (schema === null && TYPES.has(name));

function isPlain(value: Expression): boolean {
  switch (value.kind) {
    case 'constant':
    case 'parameter':
    case 'default':
      return true;
    case 'cast':
      return isBuiltIn(value.type) && isPlain(value.arg);
    case 'call':
      return value.name === 'now' && value.schema === null && value.args.length === 0;
    default:
      return false;
  }
}
