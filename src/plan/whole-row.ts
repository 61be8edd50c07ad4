// Whole rows: where a text means all columns of a table, by a star or by the table's name.

import type { Token } from '../sql/token.ts';
import type { TableUse } from './engine-place.ts';
import { isName, nameOf, type TableSpan, visibleName } from './engine-text.ts';
import { renamed } from './scope.ts';
import { SYSTEM_COLUMNS } from './system-columns.ts';

type Named = Pick<TableUse, 'item' | 'table'>;
type Use = Named & { readonly span: TableSpan };

const BEFORE_STAR = new Set(['select', 'distinct', 'all', ',', '.', ')']);

/** Any but that of count(*) and of a product; also TABLE, which is short for one. */
export function isStar({ kind, text }: Token, i: number, tokens: readonly Token[]): boolean {
  if (kind === 'word' && text === 'table') return true;
  if (!text.includes('*') || (kind !== 'operator' && kind !== 'mark')) return false;
  return BEFORE_STAR.has(tokens[i - 1]?.text ?? '');
}

/**
 * True when the name of a table among `named` may stand for its whole row: anywhere but before a column, behind
 * AS, or in FROM, where `places` are.
 */
export function namesRow(
  places: readonly Use[],
  tokens: readonly Token[],
  named: readonly Named[] = places,
): boolean {
  const visible = new Set(named.map(({ item }) => visibleName(item)));
  return tokens.some((token, i) => {
    if (!isName(token) || !visible.has(nameOf(token))) return false;
    if (tokens[i - 1]?.text === 'as') return false;
    if (tokens[i + 1]?.text === '.' && !isOfRow(named, token, tokens[i + 2])) return false;
    return !places.some(
      ({ span: { first, last, alias } }) => (i >= first && i <= last) || i === alias,
    );
  });
}

/** `t.f` for `f(t)`: there is no such column. */
function isOfRow(named: readonly Named[], token: Token, of: Token | undefined): boolean {
  if (of === undefined || !isName(of) || SYSTEM_COLUMNS.has(nameOf(of))) return false;
  return named.some(({ item, table }) => {
    if (visibleName(item) !== nameOf(token) || table === null) return false;
    return !renamed(table.columns, item.columnAliases).has(nameOf(of));
  });
}

/** Words before a bracket whose content is no function's. */
const NO_CALL = new Set(
  'row array coalesce greatest least nullif exists in any all some values over filter using'.split(
    ' ',
  ),
);

/** `f(t.*)`, of a function that `asks` for the row's type. */
export function passesRow(
  item: TableUse['item'],
  tokens: readonly Token[],
  asks: (name: string) => boolean,
): boolean {
  const isAsking = (token: Token | undefined): boolean =>
    token !== undefined && isName(token) && !NO_CALL.has(token.text) && asks(nameOf(token));
  const open: boolean[] = [];
  return tokens.some((token, i) => {
    if (token.text === '(' || token.text === '[') open.push(isAsking(tokens[i - 1]));
    if (token.text === ')' || token.text === ']') open.pop();
    if (!open.includes(true) || !isName(token) || nameOf(token) !== visibleName(item)) return false;
    return tokens[i + 1]?.text === '.' && tokens[i + 2]?.text === '*';
  });
}

/** `t.*::type`, as PostgreSQL prints the query of a view that shows whole rows; or `t::type` of the table's own. */
export const castsRow = (item: TableUse['item'], tokens: readonly Token[]): boolean =>
  tokens.some((token, i) => {
    if (!isName(token) || nameOf(token) !== visibleName(item)) return false;
    const texts = [1, 2, 3].map((further) => tokens[i + further]?.text);
    if (texts.join(' ') === '. * ::') return true;
    if (texts[0] !== '::') return false;
    const type = tokens[texts[2] === '.' ? i + 4 : i + 2];
    return type !== undefined && isName(type) && nameOf(type) === item.relation.name;
  });
