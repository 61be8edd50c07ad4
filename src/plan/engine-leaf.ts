// Engine leaves: which of a table's rows and columns the engine gets a copy of, and how they travel.

import { quoteName } from '../base/quote.ts';
import type { Column } from '../topology/table.ts';
import { elementOf, hasBinaryForm, isUnsteady } from './engine-element.ts';
import type { Place, PlacedText, TableUse } from './engine-place.ts';
import type { EngineLeaf, LeafElement } from './engine-plan.ts';
import { isName, nameOf } from './engine-text.ts';
import { isStar, namesRow } from './whole-row.ts';

/** What a copy of a table has but its columns, as of EngineLeaf. */
type More = Pick<EngineLeaf, 'identified' | 'named'>;

export const NOTHING_MORE: More = { identified: false, named: false };

/** The leaf of `place`, with the columns that are `needed`. */
export function leafOf(place: Place, needed: ColumnFilter, more: More): EngineLeaf {
  const { item, table, key, keyColumn, keys, filters, sample } = place;
  const all = table?.columns ?? [];
  const named = all.filter(({ name }) => needed(name, keyColumn));
  // None at all would mean that they are not known.
  const columns = named.length === 0 && more.named ? all.slice(0, 1) : named;
  const isPlain = columns.length > 0 && columns.every(hasBinaryForm);
  return {
    // A temporary table may stand before a home table of that name, and is read on the same server.
    table:
      key === null && item.relation.schema === null
        ? quoteName(item.relation.name)
        : quotedName(place),
    only: item.only,
    sample,
    columns: columns.map((column) => quoteName(column.name)),
    format: isPlain ? 'binary' : 'text',
    unsteady: new Set(isPlain ? [] : columns.filter(isUnsteady).map(({ name }) => quoteName(name))),
    isSharded: key !== null,
    keyColumn: keyColumn === null ? null : quoteName(keyColumn),
    keys,
    filters,
    ...more,
    elements: elementsOf(place, columns),
  };
}

function elementsOf(
  { item, span, isRenamedRow }: Place,
  columns: readonly Column[],
): LeafElement[] | null {
  if (isRenamedRow) return null;
  // ONLY and a star stand by a table's name.
  if (item.only || span.end !== span.last || columns.length === 0) return null;
  const elements = columns.map(elementOf);
  return elements.every((each) => each !== null) ? elements : null;
}

export function quotedName({ table, item }: TableUse): string {
  const { schema, name } = table ?? item.relation;
  return schema === null ? quoteName(name) : `${quoteName(schema)}.${quoteName(name)}`;
}

export interface Need {
  readonly copied: (place: Place) => boolean;
  /** Some join has a name. */
  readonly namesJoin: boolean;
}

type ColumnFilter = (column: string, keyColumn: string | null) => boolean;

/**
 * A column counts as needed when its name occurs anywhere in the texts; all do where a star, a whole
 * row, NATURAL, the name of a join or a list of column aliases may mean columns that are not named.
 */
export function columnsNeeded(
  texts: readonly PlacedText[],
  { copied, namesJoin }: Need,
): ColumnFilter {
  const names = new Set<string>();
  for (const { tokens } of texts) {
    for (const token of tokens) if (isName(token)) names.add(nameOf(token));
  }
  const meansAll = ({ tokens, places }: PlacedText) => {
    const stands = places.filter((place) => place.inside !== null || copied(place));
    const isListed = stands.some(({ item }) => item.columnAliases.length > 0);
    return isListed || tokens.some(isStar) || namesRow(stands, tokens);
  };
  if (namesJoin || names.has('natural') || texts.some(meansAll)) return () => true;
  return (column, keyColumn) => names.has(column) || column === keyColumn;
}
