// Row locks: the tables whose rows a SELECT locks once it has found them.

import { quoteName } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { FromItem, LockStrength, LockWait, SelectStatement } from '../sql/statement.ts';
import type { Table } from '../topology/table.ts';
import type { CommonTables } from './common-tables.ts';
import { type PlanContext, Refusal } from './context.ts';
import { PLACE } from './engine-plan.ts';
import { visibleName } from './engine-text.ts';
import type { LockedTable } from './plan.ts';
import { NoMerge } from './splice.ts';

type TableItem = Extract<FromItem, { kind: 'table' }>;

export interface LockedItem extends LockedTable {
  readonly item: TableItem;
  /** What the statement calls it. */
  readonly name: string;
}

const STRENGTHS: readonly LockStrength[] = ['KEY SHARE', 'SHARE', 'NO KEY UPDATE', 'UPDATE'];
const WAITS: readonly LockWait[] = ['wait', 'skip', 'error'];

/**
 * Throws NoMerge where the rows to be locked are not those of tables that FROM names, or another
 * policy than that of reading decides about them.
 */
export function lockedItems(
  { body, with: clause, locks }: SelectStatement,
  context: PlanContext,
): readonly LockedItem[] {
  if (body.kind !== 'simple') throw new NoMerge('lockLimit');
  checkNames(body.from, locks);
  const common = new Set(clause?.tables.map(({ name }) => name));
  const items = body.from.flatMap(innerItems);
  const names = items.flatMap((item) => (item.kind === 'table' ? [visibleName(item)] : []));
  if (new Set(names).size !== names.length) throw new NoMerge('lockLimit');
  // None at all: OF names what cannot be locked, as the server will say.
  return items.flatMap((item): LockedItem[] => {
    const name = item.kind === 'table' ? visibleName(item) : item.alias;
    const own = locks.filter(({ of }) => of.length === 0 || of.includes(name ?? ''));
    if (own.length === 0 || item.kind === 'function') return [];
    // Of a sub-query its own tables' rows are locked.
    if (item.kind !== 'table') throw new NoMerge('lockLimit');
    const { relation, only } = item;
    if (relation.schema === null && common.has(relation.name)) return [];
    const table = context.table(relation);
    if (table === null || !isStored(table) || table.rowSecurity) throw new NoMerge('lockLimit');
    return [
      {
        item,
        name: name!,
        table: `${only ? 'ONLY ' : ''}${quoteName(table.schema)}.${quoteName(table.name)}`,
        // Of several clauses the strongest holds. Source: applyLockingClause() of analyze.c.
        strength: last(
          STRENGTHS,
          own.map((each) => each.strength),
        ),
        wait: last(
          WAITS,
          own.map((each) => each.wait),
        ),
      },
    ];
  });
}

/** What the locks of one level are about that concerns reference tables: see Survey.locked. */
export function lockedKinds(
  { body, locks }: SelectStatement,
  tables: CommonTables,
  context: PlanContext,
): readonly ('reference' | 'within')[] {
  if (locks.length === 0 || body.kind !== 'simple') return [];
  const isLocked = (name: string | null) =>
    locks.some(({ of }) => of.length === 0 || of.includes(name ?? ''));
  return body.from.flatMap(itemsIn).flatMap((item): readonly ('reference' | 'within')[] => {
    if (item.kind === 'query') return isLocked(item.alias) ? ['within'] : [];
    if (item.kind !== 'table' || !isLocked(visibleName(item))) return [];
    const { relation } = item;
    if (relation.schema === null && tables.find(relation.name) !== null) return [];
    const kind = context.table(relation)?.kind;
    if (kind === 'reference') return ['reference'];
    return kind === 'shardedView' ? ['within'] : [];
  });
}

/** Without the joins that hold them together. */
export const itemsIn = (item: FromItem): readonly Exclude<FromItem, { kind: 'join' }>[] =>
  item.kind === 'join' ? [...itemsIn(item.left), ...itemsIn(item.right)] : [item];

/** Throws what any server says of a name that FROM does not have. */
function checkNames(from: readonly FromItem[], locks: SelectStatement['locks']): void {
  const known = new Set(from.flatMap(namesIn));
  for (const { of, strength } of locks) {
    const unknown = of.find((name) => !known.has(name));
    if (unknown === undefined) continue;
    throw new Refusal({
      code: SQLSTATE.undefinedTable,
      message: `relation "${unknown}" in FOR ${strength} clause not found in FROM clause`,
    });
  }
}

const namesIn = (item: FromItem): readonly (string | null)[] => {
  if (item.kind === 'table') return [visibleName(item)];
  return item.kind === 'join'
    ? [item.alias, ...namesIn(item.left), ...namesIn(item.right)]
    : [item.alias];
};

/** Certainly no view: of one over home or reference tables no column is NOT NULL. */
const isStored = ({ kind, columns }: Table): boolean =>
  kind === 'sharded' || (kind !== 'shardedView' && columns.some(({ notNull }) => notNull));

/** The items of joins that fill nothing with NULLs, whose rows cannot be locked. */
function innerItems(item: FromItem): readonly Exclude<FromItem, { kind: 'join' }>[] {
  if (item.kind !== 'join') return [item];
  if (item.type !== 'inner' || item.alias !== null) throw new NoMerge('lockLimit');
  return [...innerItems(item.left), ...innerItems(item.right)];
}

const last = <T>(order: readonly T[], of: readonly T[]): T =>
  order[Math.max(...of.map((each) => order.indexOf(each)))]!;

export const lockedTable = ({ table, strength, wait }: LockedItem): LockedTable => ({
  table,
  strength,
  wait,
});

/** The columns of a row that tell it, as it is, from all others of its shard. */
export const identityColumns = ({ name }: LockedItem): readonly string[] =>
  PLACE.map((column) => `${quoteName(name)}.${column}`);
