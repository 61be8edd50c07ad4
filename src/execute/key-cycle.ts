// Key cycle: rows of an UPDATE that take each other's keys, which no order of the rows makes possible.

/**
 * `keys`: what each row has and what it gets, no two of the former being equal. A chain (2 becomes 3, 1
 * becomes 2) is none: PostgreSQL updates it or not, as its rows lie.
 */
export function haveCycle(keys: readonly (readonly [before: string, after: string])[]): boolean {
  const next = new Map(keys.filter(([before, after]) => before !== after));
  const walkOf = new Map<string, string>();
  for (const start of next.keys()) {
    let at: string | undefined = start;
    while (at !== undefined && next.has(at) && !walkOf.has(at)) {
      walkOf.set(at, start);
      at = next.get(at);
    }
    // Where a walk comes back to itself.
    if (at !== undefined && walkOf.get(at) === start) return true;
  }
  return false;
}
