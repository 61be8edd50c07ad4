// Trigger reach: which triggers and routines reach for rows that are not on the shard where they run.

import { wordsOf } from '../topology/calling-routines.ts';
import type { RoutineReach } from '../topology/routine-reach.ts';
import type { ReachingWrite, Table, TableKind } from '../topology/table.ts';
import type { Firing } from './fired-triggers.ts';

export interface TriggerReach {
  /** A routine by its name in lower case, which writes one copy of a reference table. */
  writesCopy(routine: string): boolean;
  /** Run on behalf of such a table it reaches for sharded tables. */
  touches(routine: string, kind: TableKind): boolean;
  /** null: where it fires it does no harm, as far as is seen. `owner`: what the trigger is of. */
  reachingOf(firing: Firing, owner: Table): ReachingWrite | null;
}

/**
 * `touching`: the routines that read or write sharded tables; `beyond`: those that reach for rows of other shards, too,
 * wherever they run.
 */
export function triggerReach(
  tables: readonly Table[],
  reach: RoutineReach,
  touching: ReadonlySet<string>,
  beyond: ReadonlySet<string>,
): TriggerReach {
  const namesOf = (...kinds: readonly TableKind[]) =>
    new Set(
      tables.filter(({ kind }) => kinds.includes(kind)).map(({ name }) => name.toLowerCase()),
    );
  const copied = namesOf('reference');
  const spread = namesOf('sharded', 'shardedView');
  const copying = reach.reaching(({ writes }) => [...writes].some((name) => copied.has(name)));
  const inserting = reach.reaching(({ words }) => words.has('insert'));
  // What a reference table's trigger changes and deletes on every shard are each shard's own rows.
  const mayReach = (routine: string, kind: TableKind) =>
    kind === 'home' || (kind === 'reference' && inserting.has(routine));
  const touches = (routine: string, kind: TableKind) =>
    mayReach(routine, kind) && touching.has(routine);
  return {
    writesCopy: (routine) => copying.has(routine),
    touches,
    reachingOf({ trigger, insert, update, delete: deletes, columns }, { kind }) {
      const routine = trigger.routine.toLowerCase();
      const runs = reach.runningText.has(routine);
      const runsGiven = (names: ReadonlySet<string>) =>
        runs && wordsOf(trigger.given).some((word) => names.has(word));
      const on = { insert, update, delete: deletes, columns };
      // Those of a reference table fire on every shard.
      if (kind !== 'reference' && (copying.has(routine) || runsGiven(copied))) {
        return { ...on, reaches: 'copy' };
      }
      if (kind === 'sharded' && beyond.has(routine)) return { ...on, reaches: 'beyond' };
      const isReaching = touches(routine, kind) || (runsGiven(spread) && mayReach(routine, kind));
      return isReaching ? { ...on, reaches: 'sharded' } : null;
    },
  };
}
