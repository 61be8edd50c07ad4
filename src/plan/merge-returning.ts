// Merge returning: RETURNING of a MERGE, also as a row is shown that is updated, but inserted on another shard.

import { quoteName } from '../base/quote.ts';
import { depthsOf } from '../sql/clause.ts';
import type { Column, Expression } from '../sql/expression.ts';
import type { MergeClauses } from '../sql/merge-clauses.ts';
import type { ReturningText } from '../sql/modify-text.ts';
import type { MergeStatement } from '../sql/statement.ts';
import type { Table } from '../topology/table.ts';
import type { PlanContext } from './context.ts';
import { nameOf, placeOf, versionsIn } from './returned.ts';
import { NoMerge } from './splice.ts';
import type { MergeReturned } from './staged.ts';

interface Stand {
  readonly start: number;
  readonly end: number;
  readonly part: MergeReturned;
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

/** The same with items that are found with the rows in their places. */
export function foundReturning(
  clauses: MergeClauses,
  statement: MergeStatement,
  aliases: readonly string[],
  items: readonly FoundItem[],
  { input: { sql } }: PlanContext,
): readonly MergeReturned[] {
  return replaced(sql, clauses, [...standsOf(items), ...starsOf(clauses, statement, aliases)]);
}

/** An item of RETURNING, and where it stands in the statement's text. */
export interface FoundItem extends ReturningText {
  readonly expression: Expression;
}

const standsOf = (items: readonly FoundItem[]): Stand[] =>
  items.map(({ text, start }, found) => ({ start, end: start + text.length, part: { found } }));

/** The item as a clause's query computes it, which knows what is done. Throws NoMerge. */
export function itemText(
  { text, start }: FoundItem,
  command: string,
  { input: { sql, tokens } }: PlanContext,
): string {
  const end = start + text.length;
  const stands = actionsOf(tokens, start, end, command);
  return cut(sql, start, end, stands).join('');
}

/** merge_action() between two places of the text. */
function actionsOf(
  tokens: PlanContext['input']['tokens'],
  from: number,
  to: number,
  command: string,
): Stand[] {
  return tokens.flatMap(({ text, start }, i) => {
    if (start < from || start >= to || text !== 'merge_action') return [];
    if (tokens[i + 1]?.text !== '(') return [];
    const part = `'${command.toUpperCase()}'::pg_catalog.text`;
    return [{ start, end: tokens[i + 2]!.end, part }];
  });
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
 * Of an INSERT in place of an UPDATE, which knows nothing of the old row. Throws NoMerge where it is not sure what
 * shows that.
 */
export function movedReturning(
  clauses: MergeClauses,
  statement: MergeStatement,
  aliases: readonly string[],
  table: Table | null,
  items: readonly FoundItem[],
  { input: { sql, tokens } }: PlanContext,
): readonly MergeReturned[] {
  const stands = [...standsOf(items), ...starsOf(clauses, statement, aliases)];
  stands.push(...actionsOf(tokens, clauses.returningStart, sql.length, 'update'));
  const versions = [...versionsIn(tokens)];
  const nameOfVersion = (wanted: 'old' | 'new') =>
    versions.find(([, version]) => version === wanted)![0];
  const [old, fresh] = [nameOfVersion('old'), nameOfVersion('new')];
  const relations = [...aliases, quoteName(statement.alias ?? statement.relation.name)];
  // The name of a relation means that.
  if (relations.includes(quoteName(old))) return replaced(sql, clauses, stands);
  const found = new Set(items.map(({ expression }) => expression));
  const shown = statement.returning.flatMap(({ expression }) =>
    found.has(expression) ? [] : [expression],
  );
  stands.push(...oldParts(old, clauses, shown, table, tokens));
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

const replaced = (
  sql: string,
  { returning, returningStart }: MergeClauses,
  stands: readonly Stand[],
): MergeReturned[] => cut(sql, returningStart, returningStart + returning.length, stands);

/** What stands within another is part of that. */
function cut(sql: string, from: number, to: number, stands: readonly Stand[]): MergeReturned[] {
  const parts: MergeReturned[] = [];
  let at = from;
  for (const { start, end, part } of [...stands].sort(
    (a, b) => a.start - b.start || b.end - a.end,
  )) {
    if (start < at) continue;
    parts.push(sql.slice(at, start), part);
    at = end;
  }
  parts.push(sql.slice(at, to));
  return parts.filter((part) => part !== '');
}

function oldParts(
  old: string,
  { returningStart }: MergeClauses,
  expressions: readonly Expression[],
  table: Table | null,
  tokens: PlanContext['input']['tokens'],
): Stand[] {
  const isStar = (e: Expression) => e.kind === 'star' && e.path.length === 1 && e.path[0] === old;
  const within = expressions.filter((each) => !isStar(each));
  const stands = namesIn(within, old, table).map((column): Stand => {
    const [, name] = column.path;
    return {
      ...placeOf(column, { tokens }),
      part: { old: name === undefined ? 'row' : { column: name } },
    };
  });
  const depths = depthsOf(tokens);
  const stars = tokens.flatMap(({ start }, i): Stand[] => {
    const isItem = start > returningStart && depths[i] === 0 && nameOf(tokens[i]) === old;
    if (!isItem || tokens[i + 1]?.text !== '.' || tokens[i + 2]?.text !== '*') return [];
    return [{ start, end: tokens[i + 2]!.end, part: { old: 'columns' } }];
  });
  if (stars.length !== expressions.filter(isStar).length) throw new NoMerge('text');
  return [...stands, ...stars];
}

/** The columns of the old row, and itself; throws NoMerge where a relation hides it, or a star within means it. */
function namesIn(within: readonly Expression[], old: string, table: Table | null): Column[] {
  const columns: Column[] = [];
  const open: unknown[] = [...within];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const node = next as Partial<Column> & { readonly alias?: string | null };
    const path = node.path ?? [];
    const kind = (next as { readonly kind?: string }).kind;
    const named = kind === 'table' ? (node.alias ?? relationName(next)) : node.alias;
    const isWhole = path.length === 1 && path[0] === old && !isColumn(old, table);
    if (named === old || (kind === 'star' && path.at(-1) === old)) throw new NoMerge('returning');
    const isOf = isWhole || (path.length === 2 && path[0] === old);
    if (kind === 'column' && isOf) columns.push(next as Column);
    open.push(...Object.values(next));
  }
  return columns;
}

const isColumn = (name: string, table: Table | null): boolean =>
  table?.columns.some((column) => column.name === name) ?? false;

const relationName = (item: object): string | undefined =>
  (item as { readonly relation?: { readonly name: string } }).relation?.name;
