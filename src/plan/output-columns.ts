// Output columns: what a select list or RETURNING shows, and which of it is the sharding key.

import type { Expression } from '../sql/expression.ts';
import type { Target } from '../sql/statement.ts';
import type { Column } from '../topology/table.ts';
import { TYPE } from '../value/type-oid.ts';
import type { Leaf, OutputColumn, Scope } from './scope.ts';

/** null: not known. */
export function outputColumns(
  targets: readonly Target[],
  scope: Scope,
): readonly OutputColumn[] | null {
  const columns: OutputColumn[] = [];
  for (const { name, expression } of targets) {
    if (expression.kind === 'star') {
      const shown = starColumns(expression.path.at(-1), scope);
      if (shown === null) return null;
      for (const [leaf, column] of shown) {
        const key = leaf.keys.get(column) ?? null;
        const nullable = leaf.nullableKeys.has(column);
        columns.push({ name: column, key, column: leaf.columns!.get(column)!, nullable });
      }
      continue;
    }
    if (expression.kind !== 'column') {
      columns.push({ name, key: null, column: columnOfCall(expression), nullable: false });
      continue;
    }
    const found = scope.find(expression.path);
    const own = found !== null && !found.outer;
    columns.push({
      name: name ?? expression.path.at(-1)!,
      key: own ? found.key : null,
      column: found?.leaf.columns?.get(found.column) ?? null,
      nullable: found?.leaf.nullableKeys.has(found.column) ?? false,
    });
  }
  return columns;
}

/** What `*` or `name.*` shows, in its order; null: not known, as what old.* of RETURNING does. */
function starColumns(
  name: string | undefined,
  { leaves, merged }: Scope,
): (readonly [Leaf, string])[] | null {
  const own = leaves.filter((leaf) => name === undefined || leaf.name === name);
  if (own.length === 0 || own.some(({ columns }) => columns === null)) return null;
  const all = own.flatMap((leaf) =>
    [...leaf.columns!.keys()].map((column) => [leaf, column] as const),
  );
  if (name !== undefined || merged.size === 0) return all;
  // USING shows its columns once and first: before which others is clear where there is one join.
  if (leaves.length !== 2 || [...merged.values()].includes(null)) return null;
  const first = [...merged].map(([column, leaf]) => [leaf!, column] as const);
  return [...first, ...all.filter(([, column]) => !merged.has(column))];
}

/** count() is bigint whatever it counts, so that what is made of it can be sorted. */
const COUNT: Column = {
  name: 'count',
  typeOid: TYPE.int8,
  collation: null,
  hasDefault: false,
  generated: false,
  notNull: false,
};

function columnOfCall(expression: Expression): Column | null {
  if (expression.kind !== 'call' || expression.name !== 'count') return null;
  return expression.schema === null || expression.schema === 'pg_catalog' ? COUNT : null;
}
