// CommonTables: the WITH queries in sight of a query.

import type { CommonTable } from '../sql/statement.ts';
import type { Scope } from './scope.ts';
import type { WrittenRows } from './written-rows.ts';

/** One WITH query and what its own names refer to. */
export interface InSight {
  readonly table: CommonTable;
  readonly scope: Scope | null;
  readonly tables: CommonTables;
  /** Of one that writes a sharded table; else null. */
  readonly written: WrittenRows | null;
}

export class CommonTables {
  readonly #outer: CommonTables | null;
  readonly #tables = new Map<string, InSight | 'itself'>();

  constructor(outer: CommonTables | null = null) {
    this.#outer = outer;
  }

  add(name: string, table: InSight | 'itself'): void {
    this.#tables.set(name, table);
  }

  /** 'itself': a query that is just being surveyed and refers to itself. */
  find(name: string): InSight | 'itself' | null {
    return this.#tables.get(name) ?? this.#outer?.find(name) ?? null;
  }
}
