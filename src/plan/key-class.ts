// KeyClass: sharded tables of a statement whose rows meet only where their sharding keys are equal.

import type { KeySource } from './plan.ts';

/**
 * A node of a union-find forest. All tables of one class are on the same shard for any row of the
 * result, so a restriction of one key is a restriction of all of them.
 */
export class KeyClass {
  #parent: KeyClass | null = null;
  #keys: readonly KeySource[] | null = null;
  /** The class of an outer query that this one is tied to. */
  #outer: KeyClass | null = null;

  /** A stand-in, within a sub-query, for a class of the query around it. */
  static standIn(outer: KeyClass): KeyClass {
    const standIn = new KeyClass();
    standIn.#outer = outer;
    return standIn;
  }

  get #root(): KeyClass {
    let root: KeyClass = this;
    while (root.#parent !== null) root = root.#parent;
    return root;
  }

  /** The class that decides: of the outermost query it is tied to. */
  get resolved(): KeyClass {
    const root = this.#root;
    return root.#outer === null ? root : root.#outer.resolved;
  }

  get isTiedToOuter(): boolean {
    return this.#root.#outer !== null;
  }

  /** null: all keys. */
  get keys(): readonly KeySource[] | null {
    return this.resolved.#keys;
  }

  unite(other: KeyClass): void {
    const [a, b] = [this.#root, other.#root];
    if (a === b) return;
    b.#parent = a;
    a.#outer ??= b.#outer;
    if (b.#keys !== null) a.restrict(b.#keys);
  }

  /** Of two restrictions, which both hold, the shorter is kept. */
  restrict(keys: readonly KeySource[]): void {
    const root = this.#root;
    if (root.#keys === null || keys.length < root.#keys.length) root.#keys = keys;
  }

  isSame(other: KeyClass): boolean {
    return this.#root === other.#root;
  }
}
