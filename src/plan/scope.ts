// Scope: the tables of one query level and what column names mean in it.

import type { SelectStatement, SimpleSelect } from '../sql/statement.ts';
import type { Column as TableColumn } from '../topology/table.ts';
import { KeyClass } from './key-class.ts';

/** A relation of FROM: a table, a sub-query, a function. */
export interface Leaf {
  /** Its alias or name; null when it cannot be named. */
  readonly name: string | null;
  readonly schema: string | null;
  /** In order; null where they are not known. The value is the table's column, where it is one. */
  readonly columns: ReadonlyMap<string, TableColumn | null> | null;
  /** The sharding keys among the columns. */
  readonly keys: ReadonlyMap<string, KeyClass>;
  /** Every row comes from a row of a sharded table, on that row's shard. */
  readonly anchored: boolean;
  readonly sharded: boolean;
  /** Keys that an outer join shows as NULL for rows of any shard: they do not tell shards apart. */
  readonly nullableKeys: ReadonlySet<string>;
}

export const NO_NAMES: ReadonlySet<string> = new Set();

/** Columns under the names that a list of column aliases gives the first of them. */
export function renamed(
  columns: readonly TableColumn[],
  names: readonly string[],
): Map<string, TableColumn> {
  return new Map(columns.map((column, i) => [names[i] ?? column.name, column]));
}

/**
 * A restriction inside the nullable side of an outer join does not restrict the other side, so its
 * class must not be united with it. What is tied to an outer query already is judged there.
 */
export const mayTie = (key: KeyClass, nullable: boolean) =>
  !key.isTiedToOuter && !(nullable && key.keys !== null);

/** What a column name was found to be. */
export interface Found {
  readonly leaf: Leaf;
  readonly column: string;
  readonly key: KeyClass | null;
  /** Of an outer query. */
  readonly outer: boolean;
}

export class Scope {
  readonly parent: Scope | null;
  readonly leaves: Leaf[] = [];
  /** Columns merged by USING or NATURAL, with the leaf whose column they show; null: none does. */
  readonly merged = new Map<string, Leaf | null>();
  /** A sub-query of FROM gives its rows in an order, which PostgreSQL keeps where it need not. */
  ordered = false;
  #standIns = new Map<KeyClass, KeyClass>();

  constructor(parent: Scope | null) {
    this.parent = parent;
  }

  get knowsAllColumns(): boolean {
    return this.leaves.every((leaf) => leaf.columns !== null);
  }

  /** True for a name that certainly means nothing here: the server will say so. */
  isNowhere(path: readonly string[]): boolean {
    const [name] = path;
    if (path.length !== 1 || !this.knowsAllColumns || this.parent !== null) return false;
    return !this.leaves.some((leaf) => leaf.name === name || leaf.columns?.has(name!));
  }

  /** True for `t.name` of a relation without such a column: a function of its row, if anything. */
  lacks(path: readonly string[]): boolean {
    if (path.length < 2) return false;
    const leaf = this.leaves.find(({ name }) => name === path.at(-2));
    if (leaf === undefined) return this.parent?.lacks(path) ?? false;
    return leaf.columns !== null && !leaf.columns.has(path.at(-1)!);
  }

  /** True where the table of `schema` is not what its name alone means: another relation has that name. */
  hides(schema: string, name: string): boolean {
    const named = this.leaves.filter((leaf) => leaf.name === name);
    if (named.length === 0) return this.parent?.hides(schema, name) ?? false;
    return named.some((leaf) => leaf.schema !== schema);
  }

  /** null: unknown, ambiguous or not certain. */
  find(path: readonly string[]): Found | null {
    const column = path.at(-1)!;
    const leaf = path.length === 1 ? this.#bare(column) : this.#qualified(path);
    if (leaf === 'unsure') return null;
    if (leaf !== null) {
      return { leaf, column, key: leaf.keys.get(column) ?? null, outer: false };
    }
    const outer = this.parent?.find(path) ?? null;
    if (outer === null) return null;
    return { ...outer, key: outer.key === null ? null : this.#standIn(outer.key), outer: true };
  }

  #bare(column: string): Leaf | null | 'unsure' {
    const merged = this.merged.get(column);
    if (merged !== undefined) return merged ?? 'unsure';
    const known = this.leaves.filter((leaf) => leaf.columns?.has(column));
    if (known.length === 1) return known[0]!;
    if (known.length > 1) return 'unsure';
    return this.leaves.some((leaf) => leaf.columns === null) ? 'unsure' : null;
  }

  #qualified(path: readonly string[]): Leaf | null | 'unsure' {
    const name = path.at(-2)!;
    const schema = path.length > 2 ? path.at(-3)! : null;
    const named = this.leaves.filter(
      (leaf) => leaf.name === name && (schema === null || leaf.schema === schema),
    );
    if (named.length > 1) return 'unsure';
    const [leaf] = named;
    if (leaf === undefined) return null;
    return leaf.columns === null || leaf.columns.has(path.at(-1)!) ? leaf : 'unsure';
  }

  #standIn(key: KeyClass): KeyClass {
    let standIn = this.#standIns.get(key);
    if (standIn === undefined) {
      standIn = KeyClass.standIn(key);
      this.#standIns.set(key, standIn);
    }
    return standIn;
  }
}

/** An output column; `key`: it shows the sharding key of that class. */
export interface OutputColumn {
  readonly name: string | null;
  readonly key: KeyClass | null;
  readonly column: TableColumn | null;
  /** The key may be shown as NULL for rows of any shard. */
  readonly nullable: boolean;
}

export interface Level {
  readonly scope: Scope;
  /** null: not known. */
  readonly columns: readonly OutputColumn[] | null;
  /** Every row comes from a row of a sharded table, on that row's shard. */
  readonly anchored: boolean;
  readonly sharded: boolean;
}

export type Role = 'top' | 'derived' | 'expression';

/** The rows come in the order of the query, or of the one sub-query that it passes on. */
export function keepsOrder({ order, body }: SelectStatement, { scope, sharded }: Level): boolean {
  if (!sharded) return false;
  if (order.length > 0) return true;
  return scope.ordered && scope.leaves.length === 1 && body.kind === 'simple' && !regroups(body);
}

const regroups = ({ group, distinct, having }: SimpleSelect): boolean =>
  group.length > 0 || distinct !== 'no' || having !== null;
