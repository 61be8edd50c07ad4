// Fired triggers: those that a write of a table fires, its own and those of tables that foreign keys change along.

import type { FiringWrite } from '../topology/table.ts';
import type { FiredTrigger, Relation } from './shard-schema.ts';

/** Writes of a table that fire a trigger. */
export interface Firing extends FiringWrite {
  /** What the trigger is of; another table than the one that is written: by a foreign key. */
  readonly owner: Relation;
  readonly trigger: FiredTrigger;
}

/** Rows of a table that are changed along with a statement's. */
interface Changed {
  readonly relation: Relation;
  readonly event: 'update' | 'delete';
  /** Those that an UPDATE sets; null: any. */
  readonly columns: readonly string[] | null;
}

/** By the oids of the relations. */
export function firings(relations: readonly Relation[]): ReadonlyMap<number, readonly Firing[]> {
  const byOid = new Map(relations.map((relation) => [relation.oid, relation]));
  return new Map(relations.map((each) => [each.oid, [...own(each), ...along(each, byOid)]]));
}

/** The functions of all triggers that writing a table may fire, by the table's name in lower case. */
export function routinesFired(
  relations: readonly Relation[],
  fired: ReadonlyMap<number, readonly Firing[]>,
): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const { oid, name } of relations) {
    const routines = fired.get(oid)!.map(({ trigger }) => trigger.routine.toLowerCase());
    if (routines.length === 0) continue;
    const table = name.toLowerCase();
    found.set(table, [...(found.get(table) ?? []), ...routines]);
  }
  return found;
}

const own = (owner: Relation): readonly Firing[] =>
  owner.fired.map((trigger) => {
    const { insert, update, delete: deletes } = trigger;
    return { owner, trigger, insert, update, delete: deletes, columns: null };
  });

function along(relation: Relation, byOid: ReadonlyMap<number, Relation>): readonly Firing[] {
  return relation.actions.flatMap(({ table, columns, referred, onUpdate, onDelete }) => {
    const child = byOid.get(table);
    if (child === undefined) return [];
    const found: Firing[] = [];
    if (acts(onDelete)) {
      const on = { insert: false, update: false, delete: true, columns: null };
      const event = onDelete === 'c' ? 'delete' : 'update';
      found.push(...firedFrom({ relation: child, event, columns }, on, byOid));
    }
    if (acts(onUpdate)) {
      const set = mayBeSetOtherwise(relation, referred) ? null : referred;
      const on = { insert: false, update: true, delete: false, columns: set };
      found.push(...firedFrom({ relation: child, event: 'update', columns }, on, byOid));
    }
    return found;
  });
}

/** `on`: the writes that have these rows changed. */
function firedFrom(
  first: Changed,
  on: FiringWrite,
  byOid: ReadonlyMap<number, Relation>,
): readonly Firing[] {
  const found: Firing[] = [];
  const seen = new Set<string>();
  const open: Changed[] = [first];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { relation: owner, event, columns } = next;
    const id = JSON.stringify([owner.oid, event, columns]);
    if (seen.has(id)) continue;
    seen.add(id);
    const fired = owner.fired.filter((trigger) => trigger[event]);
    found.push(...fired.map((trigger) => ({ ...on, owner, trigger })));
    for (const action of owner.actions) {
      const relation = byOid.get(action.table);
      if (relation === undefined) continue;
      const how = event === 'delete' ? action.onDelete : action.onUpdate;
      const isSet = event === 'delete' || sets(next, action.referred);
      if (!acts(how) || !isSet) continue;
      const then = event === 'delete' && how === 'c' ? 'delete' : 'update';
      open.push({ relation, event: then, columns: action.columns });
    }
  }
  return found;
}

/** CASCADE, SET NULL or SET DEFAULT. Source: pg_constraint.confdeltype. */
export const acts = (how: string): boolean => how !== 'a' && how !== 'r';

const sets = ({ relation, columns }: Changed, referred: readonly string[]): boolean =>
  columns === null ||
  mayBeSetOtherwise(relation, referred) ||
  columns.some((column) => referred.includes(column));

/** By a trigger or a generated column, whatever is assigned. */
const mayBeSetOtherwise = ({ triggers, columns }: Relation, referred: readonly string[]): boolean =>
  triggers.some(({ update }) => update) ||
  columns.some(({ name, generated }) => generated && referred.includes(name));
