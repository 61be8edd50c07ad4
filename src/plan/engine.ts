// Engine: a SELECT that one PostgreSQL computes over copies of the tables' rows of all shards.

import type { FromItem } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import type { Table } from '../topology/table.ts';
import { FIRST_USER_TYPE_OID } from '../value/type-oid.ts';
import { isSystem, type PlanContext } from './context.ts';
import {
  engineText,
  isName,
  nameOf,
  type Stand,
  type TableSpan,
  tableSpan,
  visibleName,
} from './engine-text.ts';
import type { KeyClass } from './key-class.ts';
import type { EngineInput, EngineLeaf, EngineMerge, KeySource } from './plan.ts';
import type { Leaf } from './scope.ts';
import { NoMerge } from './splice.ts';
import type { Survey } from './survey.ts';
import { severalShards } from './unsupported.ts';

/** One place where a statement names a table; `key` is the class of a sharded one. */
export interface TableUse {
  readonly item: Extract<FromItem, { kind: 'table' }>;
  readonly table: Table | null;
  readonly key: KeyClass | null;
  /** What stands for it in its scope. */
  readonly leaf: Leaf;
  /** An outer join may put NULLs in place of its rows. */
  readonly nullable: boolean;
  /** Conditions on its own columns, as SQL, that every row that counts fulfils. */
  readonly filters: string[];
}

/** What must be computed where the row is, or holds rows or numbers of one server. */
const NEVER = ['systemColumn', 'tableSample', 'sequenceFunction', 'writingWith'] as const;

/** Throws NoMerge where one server over copies of the rows would not answer the same. */
export function planEngine(survey: Survey, context: PlanContext): EngineMerge {
  for (const reason of NEVER) if (survey.hasReason(reason)) throw new NoMerge(reason);
  if (survey.locks) throw new NoMerge('lockLimit');
  if (survey.asksShard) throw new NoMerge('shardFunction');
  // It would name the copy where it is asked about a whole row.
  const { tokens } = context.input;
  if (tokens.some((token) => isName(token) && nameOf(token) === 'pg_typeof')) {
    throw new NoMerge('text');
  }
  const uses = usesByPlace(survey);
  const sharded = uses.filter(({ key }) => key !== null);
  const alone = inputOf(sharded, context);
  const copied = uses.filter(({ item }) => !isSystem(item.relation));
  const readsSystem = copied.length < uses.length;
  const ownServer = readsSystem || survey.callsUnknown || survey.mayWrite;
  return {
    how: 'engine',
    alone,
    within: ownServer ? null : copied.length === sharded.length ? alone : inputOf(copied, context),
    tellsTime: survey.tellsTime,
    readsHome: survey.readsHome,
    refusal: severalShards('engineInTransaction'),
  };
}

interface Place extends TableUse {
  /** null: all keys, or not a sharded table. */
  readonly keys: readonly KeySource[] | null;
}

/** A WITH query is surveyed at each of its uses: what all of them need is read. */
function usesByPlace(survey: Survey): readonly Place[] {
  const places = new Map<number, Place>();
  for (const use of survey.uses) {
    const keys = use.key?.keys ?? null;
    const known = places.get(use.item.at);
    const both = known === undefined ? keys : together(known.keys, keys);
    const filters =
      known === undefined
        ? use.filters
        : use.filters.filter((each) => known.filters.includes(each));
    places.set(use.item.at, { ...use, keys: both, filters });
  }
  return [...places.values()].sort((a, b) => a.item.at - b.item.at);
}

function together(
  a: readonly KeySource[] | null,
  b: readonly KeySource[] | null,
): readonly KeySource[] | null {
  return a === null || b === null ? null : [...new Set([...a, ...b])];
}

/** Uses that need the same rows share a leaf. */
function inputOf(places: readonly Place[], context: PlanContext): EngineInput {
  const { sql, tokens } = context.input;
  const leaves: EngineLeaf[] = [];
  const byText = new Map<string, number>();
  const spans = places.map(({ item }) => tableSpan(item, tokens));
  const needed = columnsNeeded(places, spans, tokens);
  const stands = places.map((place, i): Stand => {
    const leaf = leafOf(place, needed);
    const text = JSON.stringify(leaf, (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    let number = byText.get(text);
    if (number === undefined) {
      number = leaves.push(leaf);
      byText.set(text, number);
    }
    const schema = place.table?.schema ?? null;
    return { item: place.item, schema, span: spans[i]!, leaf: `drive_leaf_${number}` };
  });
  return { sql: engineText(sql, tokens, stands), leaves };
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

function leafOf({ item, table, key, keys, filters }: Place, needed: ColumnFilter): EngineLeaf {
  const { schema, name } = table ?? item.relation;
  const columns = table?.columns.filter((column) => needed(column.name, table)) ?? [];
  const isPlain = columns.length > 0 && columns.every((c) => c.typeOid < FIRST_USER_TYPE_OID);
  return {
    table: schema === null ? quoted(name) : `${quoted(schema)}.${quoted(name)}`,
    only: item.only,
    columns: columns.map((column) => quoted(column.name)),
    // Types made by users have other oids on every server, which binary arrays and rows contain.
    format: isPlain ? 'binary' : 'text',
    keyColumn: key === null ? null : quoted(table!.keyColumn!),
    keys,
    filters,
  };
}

type ColumnFilter = (column: string, table: Table) => boolean;

/**
 * A column counts as needed when its name occurs anywhere in the text; all do where a star, a whole
 * row, NATURAL or a list of column aliases may mean columns that are not named.
 */
function columnsNeeded(
  places: readonly Place[],
  spans: readonly TableSpan[],
  tokens: readonly Token[],
): ColumnFilter {
  const names = new Set<string>();
  for (const token of tokens) if (isName(token)) names.add(nameOf(token));
  const listed = places.some(({ item }) => item.columnAliases.length > 0);
  if (listed || names.has('natural') || tokens.some(isStar) || namesRow(places, spans, tokens)) {
    return () => true;
  }
  return (column, table) => names.has(column) || column === table.keyColumn;
}

const BEFORE_STAR = new Set(['select', 'distinct', 'all', ',', '.', ')']);

/** Any but that of count(*) and of a product; also TABLE, which is short for one. */
function isStar({ kind, text }: Token, i: number, tokens: readonly Token[]): boolean {
  if (kind === 'word' && text === 'table') return true;
  if (!text.includes('*') || (kind !== 'operator' && kind !== 'mark')) return false;
  return BEFORE_STAR.has(tokens[i - 1]?.text ?? '');
}

/** True when a table's name may stand for its whole row: anywhere but in FROM or before a point. */
function namesRow(
  places: readonly Place[],
  spans: readonly TableSpan[],
  tokens: readonly Token[],
): boolean {
  const visible = new Set(places.map(({ item }) => visibleName(item)));
  return tokens.some((token, i) => {
    if (!isName(token) || !visible.has(nameOf(token)) || tokens[i + 1]?.text === '.') return false;
    return !spans.some(({ first, last, alias }) => (i >= first && i <= last) || i === alias);
  });
}
