// Returned relations: what sub-queries of RETURNING may name of the statement, and what they ask of it.

import type { Column, Expression } from '../sql/expression.ts';
import type {
  CommonTable,
  FromItem,
  RelationName,
  SelectStatement,
  WritingStatement,
} from '../sql/statement.ts';
import type { PlanContext } from './context.ts';
import { visibleName } from './engine-text.ts';
import { itemsIn } from './row-locks.ts';
import { outputName } from './splice.ts';
import { SYSTEM_COLUMNS } from './system-columns.ts';

/** The table that is written, one beside it, or OLD or NEW. */
export interface Relation {
  readonly name: string;
  readonly columns: readonly string[];
  /** What may stand before its name; null: nothing. */
  readonly schema: string | null;
  /** Its rows are of a type of their own. */
  readonly isTyped: boolean;
  /** OLD or NEW, of which only a column with its name before it is seen. */
  readonly isVersion: boolean;
}

/**
 * `named`: all that the sub-queries name. `versions`: what OLD and NEW are called. null where the columns of one are
 * not known, or joins show some of them once.
 */
export function relationsOf(
  statement: WritingStatement,
  named: ReadonlySet<string>,
  versions: Iterable<string>,
  context: PlanContext,
): readonly Relation[] | null {
  const target = context.table(statement.relation);
  const beside = besideTarget(statement);
  if (target === null || beside.some(showsOnce)) return null;
  const own = tableRelation(statement.relation, statement.alias, [], context)!;
  const relations = [own];
  for (const item of beside.flatMap(itemsIn)) {
    const relation = relationOf(item, statement.with?.tables ?? [], context);
    if (relation === null || hasTwice(relation)) return null;
    relations.push(relation);
  }
  for (const name of versions) {
    const isHidden = relations.some((each) => each.name === name);
    if (!isHidden && named.has(name)) {
      relations.push({ ...own, name, schema: null, isVersion: true });
    }
  }
  return relations;
}

/** Of two columns with one name neither can be meant, but by a star. */
const hasTwice = ({ columns }: Relation): boolean => new Set(columns).size < columns.length;

function besideTarget(statement: WritingStatement): readonly FromItem[] {
  if (statement.kind === 'insert') return [];
  return statement.kind === 'merge' ? [statement.source] : statement.from;
}

const showsOnce = (item: FromItem): boolean =>
  item.kind === 'join' &&
  (item.natural ||
    item.using.length > 0 ||
    item.alias !== null ||
    showsOnce(item.left) ||
    showsOnce(item.right));

function relationOf(
  item: ReturnType<typeof itemsIn>[number],
  common: readonly CommonTable[],
  context: PlanContext,
): Relation | null {
  if (item.kind === 'function') return null;
  if (item.kind === 'query') return derived(item.alias, item.query, item.columnAliases, context);
  const { relation, alias, columnAliases } = item;
  const query = relation.schema === null ? common.find(({ name }) => name === relation.name) : null;
  if (query == null) return tableRelation(relation, alias, columnAliases, context);
  if (query.statement.kind !== 'select') return null;
  const names = columnAliases.length > 0 ? columnAliases : query.columnAliases;
  return derived(visibleName(item), query.statement, names, context);
}

function tableRelation(
  relation: RelationName,
  alias: string | null,
  aliases: readonly string[],
  context: PlanContext,
): Relation | null {
  const table = context.table(relation);
  if (table === null) return null;
  return {
    name: alias ?? relation.name,
    columns: table.columns.map(({ name }, i) => aliases[i] ?? name),
    schema: alias === null ? table.schema : null,
    isTyped: aliases.length === 0,
    isVersion: false,
  };
}

function derived(
  name: string | null,
  query: SelectStatement,
  aliases: readonly string[],
  context: PlanContext,
): Relation | null {
  const own = namesOf(query, context);
  const columns = own?.map((column, i) => aliases[i] ?? column);
  if (name === null || !columns?.every((column) => column !== null)) return null;
  return { name, columns, schema: null, isTyped: false, isVersion: false };
}

/** What the columns of a query are called; null: not known, of one of them or of all. */
function namesOf(
  { body }: SelectStatement,
  context: PlanContext,
): readonly (string | null)[] | null {
  if (body.kind === 'set') return namesOf(body.left, context);
  if (body.kind === 'values') return body.rows[0]!.map((_, i) => `column${i + 1}`);
  if (body.targets.some(({ expression }) => expression.kind === 'star')) return null;
  return body.targets.map((target) => outputName(target) ?? null);
}

/** What sub-queries ask for beside columns by name. */
export interface Asked {
  /** Relations of which the row itself is asked for, or a function of it. */
  readonly rows: ReadonlySet<Relation>;
  /** Columns with a schema before the table's name. */
  readonly qualified: readonly Column[];
}

/** null: where a row lies, or what may be meant otherwise. */
export function askedOf(
  expressions: readonly Expression[],
  relations: readonly Relation[],
): Asked | null {
  const rows = new Set<Relation>();
  const qualified: Column[] = [];
  const unaliased = new Set<string>();
  const byName = (name: string | undefined) => relations.find((each) => each.name === name);
  const isColumn = (name: string) => relations.some(({ columns }) => columns.includes(name));
  const open: unknown[] = [...expressions];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const node = next as Expression | FromItem;
    if (node.kind === 'table' && node.alias === null) unaliased.add(node.relation.name);
    if (node.kind === 'star') {
      const of = byName(node.path.at(-1));
      if (of !== undefined && node.path.length > 1) return null;
      if (of !== undefined) rows.add(of);
    } else if (node.kind === 'column') {
      const { path } = node;
      const last = path.at(-1)!;
      if (SYSTEM_COLUMNS.has(last)) return null;
      const of = byName(path.length > 1 ? path.at(-2) : last);
      if (of === undefined) continue;
      if (path.length === 1 && !isColumn(last)) rows.add(of);
      if (path.length === 2 && !of.columns.includes(last)) rows.add(of);
      if (path.length > 3) return null;
      if (path.length === 3 && path[0] === of.schema) qualified.push(node);
    }
    open.push(...Object.values(next).filter((part) => part !== undefined));
  }
  const isClear = ({ isTyped, name }: Relation) => isTyped && !isColumn(name);
  if (![...rows].every(isClear)) return null;
  const isOwn = ({ path }: Column) => byName(path[1])!.columns.includes(path[2]!);
  if (!qualified.every((each) => isOwn(each) && !unaliased.has(each.path[1]!))) return null;
  return { rows, qualified };
}

/** The columns that a star of RETURNING stands for; null where they are not known. */
export function starColumns(
  path: readonly string[],
  { kind }: WritingStatement,
  relations: readonly Relation[],
): readonly { readonly of: Relation; readonly column: string }[] | null {
  const own = relations.filter(({ isVersion }) => !isVersion);
  const [target, ...others] = own;
  // MERGE shows the source's first.
  const all = kind === 'merge' ? [...others, target!] : own;
  const name = path.at(-1);
  const shown = name === undefined ? all : relations.filter((each) => each.name === name);
  if (shown.length === 0) return null;
  return shown.flatMap((of) => of.columns.map((column) => ({ of, column })));
}
