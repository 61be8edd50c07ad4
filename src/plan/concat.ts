// Concatenation: a SELECT whose rows each come from one shard, in order where it asks for one.

import type { ClauseName, SelectClauses } from '../sql/clause.ts';
import { sortsByBytes } from './collation.ts';
import type { ConcatMerge, Merge, ShardSql, SortKey } from './plan.ts';
import { identityColumns, lockedItems, lockedTable } from './row-locks.ts';
import { isRepeatable, NoMerge, rowBound, type SplicedSelect, sortExpression } from './splice.ts';

/** Throws NoMerge where the order cannot be kept. `distinct`: the shards' rows are to be made so. */
export function planConcat(spliced: SplicedSelect, distinct: boolean): ConcatMerge {
  const { select, level, context } = spliced;
  if (select.withTies) throw new NoMerge('limitExpression');
  const limit = rowBound(select.limit);
  const offset = rowBound(select.offset);
  const isBounded = limit !== null || offset !== null;
  // In order, each shard by itself would lock rows whose place another shard's take.
  const mayWait = select.locks.length > 0 && isBounded && select.order.length > 0;
  const locked = mayWait ? lockedItems(select, context) : [];
  const isFoundFirst = locked.length > 0;
  const hidden = locked.flatMap(identityColumns).map((text) => `${text} AS ${HIDDEN_NAME}`);
  const sort = select.order.map((item, index): SortKey => {
    if (item.using) throw new NoMerge('sortUsing');
    const { expression, text } = sortExpression(spliced, index);
    if (!isRepeatable(expression, context.input.catalog)) throw new NoMerge('sortExpression');
    if (!sortsByBytes(expression, level.scope, context)) throw new NoMerge('sortCollation');
    hidden.push(`${text} AS ${HIDDEN_NAME}`);
    return {
      column: { fromEnd: select.order.length - 1 - index },
      descending: item.descending,
      nullsFirst: item.nullsFirst,
    };
  });
  const sql = concatSql(spliced.sql, spliced.clauses, hidden);
  const shardSql = isFoundFirst ? { ...sql, after: '' } : sql;
  const hiddenColumns = hidden.length;
  const byShard = select.locks.length > 0 && !mayWait ? 'byShard' : null;
  const locks = isFoundFirst ? locked.map(lockedTable) : byShard;
  return { how: 'concat', shardSql, hiddenColumns, sort, distinct, limit, offset, locks };
}

/** A hidden column named as its expression is could make a name in ORDER BY mean two things. */
const HIDDEN_NAME = '"drive.sort"';

const LIMITS: readonly ClauseName[] = ['limit', 'offset', 'fetch'];

/** The statement with hidden columns, without LIMIT and OFFSET, cut before FOR UPDATE. */
function concatSql(sql: string, clauses: SelectClauses, hidden: readonly string[]): ShardSql {
  const { listEnd, items, end } = clauses;
  const separator = items.length > 0 ? ', ' : ' ';
  const list = hidden.length > 0 ? separator + hidden.join(', ') : '';
  const cut = [...clauses.clauses]
    .filter(([name]) => name === 'for' || LIMITS.includes(name))
    .map(([, range]) => range)
    .sort((a, b) => a.start - b.start);
  let rest = '';
  let from = listEnd;
  for (const range of cut) {
    rest += sql.slice(from, range.start);
    from = range.end;
  }
  rest += sql.slice(from, end);
  const lock = clauses.clauses.get('for');
  return {
    before: sql.slice(0, listEnd) + list + rest.trimEnd(),
    after: lock === undefined ? '' : ` ${sql.slice(lock.start, lock.end)}`,
    pushLimit: LIMITS.some((name) => clauses.clauses.has(name)),
  };
}

/** The statement is answered by the shards' rows one after the other, all of them. */
export function isPlainConcat(merge: Merge | null): boolean {
  if (merge?.how !== 'concat') return false;
  const { sort, distinct, limit, offset } = merge;
  return sort.length === 0 && !distinct && limit === null && offset === null;
}
