// Relation SQL: the name of a relation as it is written in a statement.

import { quoteName } from '../base/quote.ts';
import type { NewTable } from '../plan/plan.ts';

export function relationSql({ schema, name }: NewTable['relation']): string {
  const parts = schema === null ? [name] : [schema, name];
  return parts.map(quoteName).join('.');
}
