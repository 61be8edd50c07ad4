// Constraints that no single shard can keep for all: uniqueness and foreign keys without the key.

import type { DdlFacts, ForeignKey, UniqueRule } from '../sql/ddl.ts';
import type { Column, TableKind } from '../topology/table.ts';
import { TYPE } from '../value/type-oid.ts';
import { type PlanContext, Refusal } from './context.ts';
import { refused, severalShards } from './unsupported.ts';

interface Sharded {
  readonly keyColumn: string | null;
  /** Columns it has already; those of CREATE TABLE are in the facts. */
  readonly columns: readonly Column[];
}

/** Throws Refusal for what a sharded table cannot have. */
export function checkSharded(ddl: DdlFacts, table: Sharded, context: PlanContext): void {
  const key = table.keyColumn;
  if (key === null) return;
  if (ddl.changed.includes(key)) throw new Refusal(refused('keyColumn'));
  if (ddl.sequenceOptions.some((option) => STRIDE_OPTIONS.has(option))) {
    throw new Refusal(refused('sequenceOptions'));
  }
  for (const unique of ddl.uniques) {
    if (!unique.columns.includes(key) && !isGenerated(unique, ddl, table)) {
      throw new Refusal(refused('unique'));
    }
  }
  for (const each of ddl.foreignKeys) checkForeignKey(each, key, context);
}

/** An identity may start where it wants; how it goes on is what makes it unique. */
const STRIDE_OPTIONS = new Set(['increment', 'cycle']);

/**
 * A primary or unique key of one column whose values come from a sequence with strides, or are
 * UUIDs: no two shards give the same. Values given by hand are compared on their shard only.
 */
function isGenerated({ what, columns }: UniqueRule, ddl: DdlFacts, table: Sharded): boolean {
  const [only] = columns;
  if (only === undefined || columns.length > 1 || what === 'EXCLUDE') return false;
  if (ddl.columns.some((column) => column.name === only && column.generated)) return true;
  return table.columns.some((column) => column.name === only && column.distinctDefault === true);
}

function checkForeignKey(foreign: ForeignKey, key: string, context: PlanContext): void {
  const target = context.table(foreign.table);
  // A table that is not known may be the new one itself.
  const kind = target?.kind ?? 'sharded';
  if (kind === 'reference') return;
  if (kind !== 'sharded') throw refersHome(foreign);
  const at = foreign.columns.indexOf(key);
  const targetKey = target?.keyColumn ?? key;
  const matches = foreign.referenced.length === 0 || foreign.referenced[at] === targetKey;
  if (at < 0 || !matches) throw new Refusal(refused('foreignKey'));
}

const refersHome = ({ table }: ForeignKey): Refusal =>
  new Refusal({ ...refused('foreignKeyHome'), detail: `"${table.name}" is on shard 0 only.` });

/** Throws Refusal where a home or reference table would refer to rows of other shards. */
export function checkUnsharded(ddl: DdlFacts, kind: TableKind, context: PlanContext): void {
  for (const foreign of ddl.foreignKeys) {
    const target = context.table(foreign.table)?.kind;
    if (target === 'sharded' || target === 'shardedView') throw new Refusal(refused('foreignKey'));
    if (target === 'home' && kind === 'reference') throw refersHome(foreign);
  }
}

const DATES: ReadonlySet<number> = new Set([
  TYPE.date,
  TYPE.time,
  TYPE.timetz,
  TYPE.timestamp,
  TYPE.timestamptz,
]);

/** Throws Refusal where each shard would read a default as the time at which it does. */
export function checkTimeWords(
  { timeWords, columns: added }: DdlFacts,
  { columns }: Pick<Sharded, 'columns'>,
): void {
  const isAdded = (name: string) => added.some((each) => each.name === name);
  const isDate = (name: string) =>
    columns.some((each) => each.name === name && DATES.has(each.typeOid));
  if (timeWords.some((name) => isAdded(name) || isDate(name))) {
    throw new Refusal(severalShards('timeWord'));
  }
}
