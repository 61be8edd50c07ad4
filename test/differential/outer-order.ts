// Outer order: which columns of an answer are in the order that its statement asks for.

export interface Order {
  /** Positions of the output columns that sort before anything else does, from 0. */
  readonly leading: readonly number[];
  /** Of all that sort. */
  readonly sorting: ReadonlySet<number>;
}

const TOKEN = /'(?:[^']|'')*'|"[^"]*"|[()]|[A-Za-z_]+/g;
const ITEM = /^(\d+)(?: ASC| DESC)?(?: NULLS FIRST| NULLS LAST)?(, |(?= |;|$))/;

/** By ORDER BY outside of all brackets; null: none. */
export function orderOf(sql: string): Order | null {
  let depth = 0;
  for (const { 0: token, index } of sql.matchAll(TOKEN)) {
    if (token === '(') depth += 1;
    else if (token === ')') depth -= 1;
    else if (depth === 0 && token === 'ORDER') return readOrder(sql.slice(index));
  }
  return null;
}

function readOrder(order: string): Order {
  const sorting = [...order.matchAll(/(?:BY|,) (\d+)\b/g)].map(
    ([, ordinal]) => Number(ordinal) - 1,
  );
  const leading: number[] = [];
  let rest = order.slice('ORDER BY '.length);
  for (let item = ITEM.exec(rest); item !== null; item = ITEM.exec(rest)) {
    leading.push(Number(item[1]) - 1);
    rest = rest.slice(item[0].length);
    if (item[2] !== ', ') break;
  }
  return { leading, sorting: new Set(sorting) };
}

/** All columns, where all of them sort: no two rows may change places then. */
export function orderedColumns(order: Order | null, count: number): readonly number[] {
  if (order === null) return [];
  const all = Array.from({ length: count }, (_, i) => i);
  return all.every((i) => order.sorting.has(i)) ? all : order.leading;
}
