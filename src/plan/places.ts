// Places: on which kinds of shards the relations are that DDL names.

import type { RelationName, UtilityStatement } from '../sql/statement.ts';
import { isAtHome, type TableKind } from '../topology/table.ts';
import type { PlanContext } from './context.ts';

/** Where the relations of a statement are. Unknown names count for nothing. */
export interface Places {
  readonly sharded: boolean;
  readonly reference: boolean;
  readonly home: boolean;
}

/** Where they are, which is the home shard for a view that reads more than home tables, too. */
export function placesOf(relations: readonly RelationName[], context: PlanContext): Places {
  return placesOfKinds(
    relations.map((relation) => {
      const table = context.table(relation);
      return table !== null && isAtHome(table) ? 'home' : table?.kind;
    }),
  );
}

/** Where the rows are that are read. */
export function sourcesOf(relations: readonly RelationName[], context: PlanContext): Places {
  return placesOfKinds(
    relations.flatMap((relation) => {
      const table = context.table(relation);
      return table !== null && isAtHome(table) ? [table.kind, 'home'] : [table?.kind];
    }),
  );
}

function placesOfKinds(all: readonly (TableKind | undefined)[]): Places {
  const kinds = new Set(all);
  return {
    sharded: kinds.has('sharded') || kinds.has('shardedView'),
    reference: kinds.has('reference'),
    home: kinds.has('home'),
  };
}

/**
 * What is not known may be a temporary table of the session, which is on the home shard. Beside a sequence of every
 * shard, which may be granted as a table is, it is one of the home shard's.
 */
export function withTemporary(
  { node, relations, objectType }: UtilityStatement,
  context: PlanContext,
): Places {
  const places = placesOf(relations, context);
  // Where those are that are dropped, the shards say.
  if (objectType === 'OBJECT_SEQUENCE' || objectType === 'OBJECT_INDEX') return places;
  const isShared = (each: RelationName) => context.sequence(each) !== null;
  const isUnknown = (each: RelationName) => context.table(each) === null && !isShared(each);
  const grantsShared = node === 'GrantStmt' && relations.some(isShared);
  const mayBeAtHome = grantsShared || context.input.searchPath?.includes('pg_temp') === true;
  const home = places.home || (mayBeAtHome && relations.some(isUnknown));
  return { ...places, reference: places.reference || grantsShared, home };
}

export const isSpread = (places: Places) => places.sharded || places.reference;
