// Explained cost: what a statement over several servers costs, from the estimates of each.

/** As PostgreSQL's planner counts: arbitrary units until the first and until the last row; bytes of a row. */
export interface Cost {
  readonly startup: number;
  readonly total: number;
  readonly rows: number;
  readonly width: number;
}

const COST = /\(cost=([\d.]+)\.\.([\d.]+) rows=(\d+) width=(\d+)\)/;

/** Of a plan written as text; null: it does not say. */
export function costIn(line: string | undefined): Cost | null {
  const found = COST.exec(line ?? '');
  if (found === null) return null;
  const [startup, total, rows, width] = found.slice(1).map(Number);
  return { startup: startup!, total: total!, rows: rows!, width: width! };
}

/** As costIn reads it. */
export const costText = ({ startup, total, rows, width }: Cost): string =>
  `(cost=${startup.toFixed(2)}..${total.toFixed(2)} rows=${rows} width=${width})`;

/**
 * Of all parts together; null where one does not say. Groups may be on every shard (class 2); what one server computes
 * over copies (class 3) is the last part, behind all others.
 */
export function costOfAll(planClass: number | null, parts: readonly (Cost | null)[]): Cost | null {
  const costs = parts.filter((part) => part !== null);
  const last = costs.at(-1);
  if (last === undefined || costs.length < parts.length) return null;
  const sum = (of: keyof Cost, each = costs) => each.reduce((total, cost) => total + cost[of], 0);
  const most = (of: keyof Cost) => Math.max(...costs.map((cost) => cost[of]));
  const total = sum('total');
  if (planClass === 3) return { ...last, startup: total - last.total + last.startup, total };
  const rows = planClass === 2 ? most('rows') : sum('rows');
  const startup = planClass === 2 ? total : most('startup');
  return { startup, total, rows, width: most('width') };
}
