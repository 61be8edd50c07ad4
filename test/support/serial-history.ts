// Serial history: what committed transactions have read and written, and whether some order explains it.

/** A row's version: it counts its writes. */
export interface Access {
  readonly row: number;
  readonly version: number;
}

export interface Committed {
  readonly name: string;
  readonly reads: readonly Access[];
  /** Each by the version that it made. */
  readonly writes: readonly Access[];
}

/**
 * The names of transactions of which each must stand before the next, and the last before the first; null:
 * there is an order in which one after the other would have read and written the same. Source: the
 * serialization graph of Adya, "Weak Consistency" (1999), 3.
 */
export function circleIn(history: readonly Committed[]): readonly string[] | null {
  const after = followersOf(history);
  const done = new Set<Committed>();
  const path: Committed[] = [];
  const visit = (one: Committed): readonly string[] | null => {
    const at = path.indexOf(one);
    if (at >= 0) return path.slice(at).map(({ name }) => name);
    if (done.has(one)) return null;
    path.push(one);
    for (const next of after.get(one) ?? []) {
      const found = visit(next);
      if (found !== null) return found;
    }
    path.pop();
    done.add(one);
    return null;
  };
  for (const one of history) {
    const found = visit(one);
    if (found !== null) return found;
  }
  return null;
}

/** By each, those that must stand behind it. */
function followersOf(history: readonly Committed[]): Map<Committed, Set<Committed>> {
  const keyOf = ({ row, version }: Access) => `${row}:${version}`;
  const writers = new Map<string, Committed>();
  for (const one of history) for (const write of one.writes) writers.set(keyOf(write), one);
  const after = new Map(history.map((one) => [one, new Set<Committed>()]));
  const order = (first: Committed | undefined, second: Committed | undefined): void => {
    if (first !== undefined && second !== undefined && first !== second)
      after.get(first)!.add(second);
  };
  for (const one of history) {
    for (const read of one.reads) {
      order(writers.get(keyOf(read)), one);
      order(one, writers.get(keyOf({ ...read, version: read.version + 1 })));
    }
    for (const { row, version } of one.writes) {
      order(one, writers.get(keyOf({ row, version: version + 1 })));
    }
  }
  return after;
}
