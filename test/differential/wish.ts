// Wishes: what a generated query is to give, and what came of it.

import type { Column, Relation } from './expression.ts';
import type { Node } from './tree.ts';
import type { Type } from './type.ts';

export interface Made {
  readonly node: Node;
  readonly columns: readonly Column[];
}

export interface Wish {
  /** The types of the output columns; null: any. */
  readonly types: readonly Type[] | null;
  readonly outer: readonly Relation[];
  readonly depth: number;
  /** One row at most. */
  readonly single?: boolean;
  readonly top?: boolean;
  /** In brackets, often with an order and a limit of its own. */
  readonly arm?: boolean;
  /** Without WITH, ORDER BY and LIMIT. */
  readonly bare?: boolean;
}

/** A relation of FROM, with the sharding key of a sharded table. */
export interface Source extends Relation {
  readonly key: string | null;
}
