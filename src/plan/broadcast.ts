// Broadcast: small leaves of the merge engine given to every shard, so that the rest runs there.

import { quoteName } from '../base/quote.ts';
import type { Catalog, Table } from '../topology/table.ts';
import type { Broadcast, EngineLeaf } from './engine-plan.ts';
import { engineText, type Stand, type Wording } from './engine-text.ts';
import type { KeyClass } from './key-class.ts';
import { NoMerge } from './splice.ts';
import { namesRow } from './whole-row.ts';

/** A place of the text that names a sharded table, or a home table, which has no class. */
export interface SpreadPlace {
  readonly stand: Omit<Stand, 'text'>;
  readonly table: Table;
  /** Of each visit. */
  readonly classes: readonly KeyClass[];
  /** The leaf's position, from 0. */
  readonly leaf: number;
}

export interface SpreadText extends Wording {
  readonly places: readonly SpreadPlace[];
  readonly leaves: readonly EngineLeaf[];
}

/** Plans a text for a stream of rows, with some more tables; null where that cannot be. */
export type StreamPlanner = (
  sql: string,
  tables: ReadonlyMap<string, Table>,
) => Pick<Broadcast, 'route' | 'merge'> | null;

/** Statements of more classes are planned for the engine alone: each costs a plan. */
const CLASSES_MAX = 4;

const leafName = (leaf: number): string => `drive_leaf_${leaf + 1}`;

/**
 * For each class of tables that meet by their keys: what is left when the tables of all others, and home
 * tables, are on every shard, as reference tables.
 */
export function broadcastsOf(text: SpreadText, plan: StreamPlanner): readonly Broadcast[] {
  const { sql, places, leaves } = text;
  const classes = [...new Set(places.flatMap((place) => place.classes))];
  const isMeant = /drive_leaf_/.test(sql);
  if (classes.length > CLASSES_MAX || isMeant) return [];
  return classes.flatMap((kept): Broadcast[] => {
    const given = places.filter((place) => !place.classes.includes(kept));
    const small = [...new Set(given.map(({ leaf }) => leaf))];
    const isApart = places.every((place) => given.includes(place) || !small.includes(place.leaf));
    const mayTravel = small.every((leaf) => leaves[leaf]!.elements !== null);
    if (given.length === 0 || !isApart || !mayTravel) return [];
    // Every shard would answer a row of what it was given as a record, not as one of the table.
    if (given.some(({ stand, table }) => namesRow([{ ...stand, table }], text.tokens))) return [];
    const tables = new Map(given.map((place) => [leafName(place.leaf), tableOf(place, leaves)]));
    const planned = plan(withGiven(text, given), tables);
    return planned === null ? [] : [{ small, ...planned }];
  });
}

function withGiven(text: SpreadText, given: readonly SpreadPlace[]): string {
  const stands = given.map(({ stand, leaf }) => ({ ...stand, text: `pg_temp.${leafName(leaf)}` }));
  return engineText(text, stands);
}

/** A leaf as a table that every shard has. */
function tableOf({ table, leaf }: SpreadPlace, leaves: readonly EngineLeaf[]): Table {
  const copied = new Set(leaves[leaf]!.columns);
  return {
    schema: 'pg_temp',
    name: leafName(leaf),
    kind: 'reference',
    keyColumn: null,
    columns: table.columns.filter(({ name }) => copied.has(quoteName(name))),
  };
}

/** The catalog with tables of `pg_temp`, which no other is. */
export const catalogWith = (catalog: Catalog, tables: ReadonlyMap<string, Table>): Catalog => ({
  ...catalog,
  table: (schema, name, path) =>
    (schema === 'pg_temp' ? tables.get(name) : undefined) ?? catalog.table(schema, name, path),
});

/** Throws nothing that only means that there is no such plan. */
export function orNone<T>(make: () => readonly T[]): readonly T[] {
  try {
    return make();
  } catch (error) {
    if (error instanceof NoMerge) return [];
    throw error;
  }
}
