// Merge returning: RETURNING of a MERGE, also as a row is shown that is updated, but inserted on another shard.

import { quoteName } from '../base/quote.ts';
import { depthsOf } from '../sql/clause.ts';
import type { Column, Expression } from '../sql/expression.ts';
import type { MergeClauses } from '../sql/merge-clauses.ts';
import type { MergeStatement } from '../sql/statement.ts';
import type { Table } from '../topology/table.ts';
import type { PlanContext } from './context.ts';
import { nameOf, placeOf, versionsIn } from './returned.ts';
import { NoMerge } from './splice.ts';
import type { MovedPart } from './staged.ts';

interface Stand {
  readonly start: number;
  readonly end: number;
  readonly part: MovedPart;
}

/** A star by itself would show what carries the rows, too. */
export function returningOf(
  clauses: MergeClauses,
  statement: MergeStatement,
  aliases: readonly string[],
  { input: { sql } }: PlanContext,
): string {
  return replaced(sql, clauses, starsOf(clauses, statement, aliases)).join('');
}

function starsOf(
  { stars }: MergeClauses,
  { alias, relation }: MergeStatement,
  aliases: readonly string[],
): Stand[] {
  const all = [...aliases, quoteName(alias ?? relation.name)].map((name) => `${name}.*`).join(', ');
  return stars.map(({ start, end }) => ({ start, end, part: all }));
}

/**
 * Of an INSERT in place of an UPDATE, which knows nothing of the old row. Throws NoMerge where that is shown in
 * another way than by its columns.
 */
export function movedReturning(
  clauses: MergeClauses,
  statement: MergeStatement,
  aliases: readonly string[],
  table: Table | null,
  { input: { sql, tokens } }: PlanContext,
): readonly MovedPart[] {
  const stands = starsOf(clauses, statement, aliases);
  tokens.forEach(({ text, start }, i) => {
    if (start < clauses.returningStart || text !== 'merge_action') return;
    if (tokens[i + 1]?.text !== '(') return;
    stands.push({ start, end: tokens[i + 2]!.end, part: "'UPDATE'::pg_catalog.text" });
  });
  const versions = [...versionsIn(tokens)];
  const nameOfVersion = (wanted: 'old' | 'new') =>
    versions.find(([, version]) => version === wanted)![0];
  const [old, fresh] = [nameOfVersion('old'), nameOfVersion('new')];
  const relations = [...aliases, quoteName(statement.alias ?? statement.relation.name)];
  // The name of a relation means that.
  if (relations.includes(quoteName(old))) return replaced(sql, clauses, stands);
  stands.push(...oldColumns(old, clauses, statement, table, tokens));
  if (old !== 'old' || fresh !== 'new') {
    const named = fresh === 'new' ? '' : `WITH (NEW AS ${quoteName(fresh)})`;
    stands.push({ ...namesOfVersions(clauses, tokens), part: named });
  }
  return replaced(sql, clauses, stands);
}

/** WITH (OLD AS …), behind RETURNING. */
function namesOfVersions(
  { returningStart }: MergeClauses,
  tokens: PlanContext['input']['tokens'],
): Pick<Stand, 'start' | 'end'> {
  const behind = tokens.filter(({ start }) => start > returningStart);
  return { start: behind[0]!.start, end: behind.find(({ text }) => text === ')')!.end };
}

function replaced(
  sql: string,
  { returning, returningStart }: MergeClauses,
  stands: readonly Stand[],
): MovedPart[] {
  const parts: MovedPart[] = [];
  let at = returningStart;
  for (const { start, end, part } of [...stands].sort((a, b) => a.start - b.start)) {
    parts.push(sql.slice(at, start), part);
    at = end;
  }
  parts.push(sql.slice(at, returningStart + returning.length));
  return parts.filter((part) => part !== '');
}

function oldColumns(
  old: string,
  { returningStart }: MergeClauses,
  { returning }: MergeStatement,
  table: Table | null,
  tokens: PlanContext['input']['tokens'],
): Stand[] {
  const expressions = returning.map(({ expression }) => expression);
  const isStar = (e: Expression) => e.kind === 'star' && e.path.length === 1 && e.path[0] === old;
  const within = expressions.filter((each) => !isStar(each));
  const stands = columnsIn(within, old, table).map(
    (column): Stand => ({ ...placeOf(column, { tokens }), part: { old: column.path.at(-1)! } }),
  );
  const depths = depthsOf(tokens);
  const stars = tokens.flatMap(({ start }, i): Stand[] => {
    const isItem = start > returningStart && depths[i] === 0 && nameOf(tokens[i]) === old;
    if (!isItem || tokens[i + 1]?.text !== '.' || tokens[i + 2]?.text !== '*') return [];
    return [{ start, end: tokens[i + 2]!.end, part: { old: null } }];
  });
  if (stars.length !== expressions.filter(isStar).length) throw new NoMerge('text');
  return [...stands, ...stars];
}

/** The columns of the old row; throws NoMerge where it is named as a whole, or hidden by a relation. */
function columnsIn(within: readonly Expression[], old: string, table: Table | null): Column[] {
  const columns: Column[] = [];
  const open: unknown[] = [...within];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const node = next as Partial<Column> & { readonly alias?: string | null };
    const path = node.path ?? [];
    const kind = (next as { readonly kind?: string }).kind;
    const named = kind === 'table' ? (node.alias ?? relationName(next)) : node.alias;
    const isWhole = path.length === 1 && path[0] === old && !isColumn(old, table);
    if (
      named === old ||
      (kind === 'column' && isWhole) ||
      (kind === 'star' && path.at(-1) === old)
    ) {
      throw new NoMerge('returning');
    }
    if (kind === 'column' && path.length === 2 && path[0] === old) columns.push(next as Column);
    open.push(...Object.values(next));
  }
  return columns;
}

const isColumn = (name: string, table: Table | null): boolean =>
  table?.columns.some((column) => column.name === name) ?? false;

const relationName = (item: object): string | undefined =>
  (item as { readonly relation?: { readonly name: string } }).relation?.name;
