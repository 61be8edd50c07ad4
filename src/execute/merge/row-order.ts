// RowOrder: the order of ORDER BY over sort keys in binary format.

import { notSupported } from '../../base/errors.ts';
import { type BinaryComparator, binaryComparator } from '../../value/compare.ts';
import { typeName } from '../../value/type-oid.ts';

/** One sort key: the type of its values and its direction. */
export interface OrderKey {
  readonly typeOid: number;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
}

export type SortValues = readonly (Buffer | null)[];

export class RowOrder {
  readonly #comparators: readonly BinaryComparator[];
  /** 1 ascending, -1 descending. */
  readonly #directions: readonly number[];
  /** What a NULL on the left gives against a value. */
  readonly #nullSides: readonly number[];

  /** 0A000 naming the first type whose order is not proven. */
  constructor(keys: readonly OrderKey[]) {
    this.#comparators = keys.map((key) => provenComparator(key.typeOid, 'ORDER BY'));
    this.#directions = keys.map((key) => (key.descending ? -1 : 1));
    this.#nullSides = keys.map((key) => (key.nullsFirst ? -1 : 1));
  }

  /** Below zero, zero or above zero; `a` and `b` hold a value for each sort key. */
  compare(a: SortValues, b: SortValues): number {
    for (let i = 0; i < this.#comparators.length; i++) {
      const left = a[i]!;
      const right = b[i]!;
      if (left === null || right === null) {
        if (left === right) continue;
        return left === null ? this.#nullSides[i]! : -this.#nullSides[i]!;
      }
      const result = this.#comparators[i]!(left, right);
      if (result !== 0) return result * this.#directions[i]!;
    }
    return 0;
  }
}

/** The comparator of a type; 0A000 naming it where there is none; `what` is the clause. */
export function provenComparator(typeOid: number, what: string): BinaryComparator {
  const comparator = binaryComparator(typeOid);
  if (comparator !== null) return comparator;
  throw notSupported(
    `${what} over values of type ${typeName(typeOid)} of several shards`,
    'Cast the value to a type that the proxy can compare, or give the sharding key.',
  );
}
