// Stray keys: statements by which triggers may give rows sharding keys of other shards.

import { quoteName } from '../base/quote.ts';
import type { InsertStatement, WritingStatement } from '../sql/statement.ts';
import { tokenize, withoutSemicolons } from '../sql/token.ts';
import type { KeyGivenOn, Table } from '../topology/table.ts';
import { rowsKey } from './insert-select.ts';
import type { RowsKey } from './staged.ts';

/** Which of its rows may get another key than that by which the statement is sent to their shard. */
export interface StrayKeys {
  /** The table itself, qualified and quoted, where a view is written. */
  readonly table: string;
  /** Its sharding key. */
  readonly key: RowsKey;
  readonly onInsert: boolean;
  readonly onUpdate: boolean;
  /** Behind an INSERT or UPDATE: makes the key the last column that it returns; null: nothing does. */
  readonly returned: string | null;
}

type Events = Pick<StrayKeys, 'onInsert' | 'onUpdate'>;

const NEVER: KeyGivenOn = { insert: false, update: false };

/** null: none may. */
export function strayKeys(statement: WritingStatement, table: Table | null): StrayKeys | null {
  if (table?.kind !== 'sharded' || table.keyColumn === null) return null;
  const given = table.keyGivenOn ?? NEVER;
  const written = eventsOf(statement);
  const sets = statement.kind === 'insert' && conflictSetsKey(statement, table.keyColumn);
  const events = {
    onInsert: written.onInsert && given.insert,
    onUpdate: written.onUpdate && (given.update || sets),
  };
  if (!events.onInsert && !events.onUpdate) return null;
  return { ...ownKey(table, table.keyColumn), ...events, returned: returnedBy(statement, table) };
}

/** The same for COPY FROM. */
export function copiedStrays(table: Table): StrayKeys | null {
  if (table.keyColumn === null || table.keyGivenOn?.insert !== true) return null;
  const events = { onInsert: true, onUpdate: false };
  return { ...ownKey(table, table.keyColumn), ...events, returned: null };
}

function eventsOf(statement: WritingStatement): Events {
  switch (statement.kind) {
    case 'insert':
      return { onInsert: true, onUpdate: (statement.conflict?.assignments.length ?? 0) > 0 };
    case 'update':
      return { onInsert: false, onUpdate: true };
    case 'delete':
      return { onInsert: false, onUpdate: false };
    case 'merge': {
      const does = (what: string) => statement.actions.some(({ command }) => command === what);
      return { onInsert: does('insert'), onUpdate: does('update') };
    }
  }
}

/** ON CONFLICT sets it to anything but what the row has or would have: both are on this shard. */
function conflictSetsKey({ conflict, alias, relation }: InsertStatement, key: string): boolean {
  const set = conflict?.assignments.find(({ column }) => column === key);
  if (set === undefined) return false;
  const path = set.value?.kind === 'column' ? set.value.path : [];
  const isKept = path.length === 2 && path[1] === key;
  return !isKept || ![alias ?? relation.name, 'excluded'].includes(path[0]!);
}

/** In the table at the bottom, where the written one is a view. */
function ownKey(table: Table, keyColumn: string): Pick<StrayKeys, 'table' | 'key'> {
  const key = rowsKey(table, [keyColumn]);
  const { schema, name } = table.shown ?? table;
  const own = [...(table.shown?.columns ?? [])].find(([, shown]) => shown === keyColumn);
  return {
    table: `${quoteName(schema)}.${quoteName(name)}`,
    key: { ...key, column: own?.[0] ?? keyColumn },
  };
}

function returnedBy(statement: WritingStatement, { keyColumn }: Table): string | null {
  // Not every server lets a MERGE return rows.
  if (statement.kind === 'merge') return null;
  const { alias, relation, returning } = statement;
  const item = `${quoteName(alias ?? relation.name)}.${quoteName(keyColumn!)}`;
  return `${returning.length > 0 ? ',' : ' RETURNING'} ${item}`;
}

/** The statement with `returned` behind it. */
export function askingKey(sql: string, returned: string): string {
  const last = withoutSemicolons(tokenize(sql) ?? []).at(-1);
  return `${sql.slice(0, last?.end ?? sql.length)}${returned}`;
}
