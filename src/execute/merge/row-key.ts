// RowKey: one string for several columns of a row, equal exactly when all the values are.

import { notSupported } from '../../base/errors.ts';
import { type GroupKey, groupKey } from '../../value/group-key.ts';
import type { OutputStyle } from '../../value/output-style.ts';
import { typeName } from '../../value/type-oid.ts';

/** Keys of the first columns, by position; a NULL equals a NULL. */
export type RowKey = (columns: readonly (Buffer | null)[]) => string;

export interface KeyColumn {
  readonly typeOid: number;
  readonly format: number;
  /** Position in the rows given to the RowKey. */
  readonly position: number;
}

/** 0A000 naming the first type whose equality is not proven; `what` is DISTINCT or GROUP BY. */
export function rowKey(columns: readonly KeyColumn[], style: OutputStyle, what: string): RowKey {
  const keys = columns.map((column) => provenKey(column, style, what));
  const positions = columns.map((column) => column.position);
  return (values) => {
    let all = '';
    for (let i = 0; i < keys.length; i++) {
      const value = values[positions[i]!]!;
      if (value === null) {
        all += '-';
        continue;
      }
      const key = keys[i]!(value);
      // The length keeps ('a', 'bc') and ('ab', 'c') apart.
      all += `${key.length}:${key}`;
    }
    return all;
  };
}

function provenKey(column: KeyColumn, style: OutputStyle, what: string): GroupKey {
  const key = groupKey(column.typeOid, column.format, style);
  if (key !== null) return key;
  throw notSupported(
    `${what} over values of type ${typeName(column.typeOid)} of several shards`,
    'Cast the value to a type that the proxy can compare, or give the sharding key.',
  );
}
