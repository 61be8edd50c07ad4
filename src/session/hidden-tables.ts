// Hidden tables: those on every shard that have been made behind a temporary table of their name.

import { query } from '../pool/query.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { Catalog } from '../topology/table.ts';
import type { SessionContext } from './context.ts';
import type { SessionState } from './state.ts';

const NAMES_SQL = `SELECT relname FROM pg_catalog.pg_class
  WHERE relnamespace = pg_catalog.pg_my_temp_schema()`;

/** Of one session. */
export class HiddenTables {
  /** The same array as long as they are the same. */
  names: readonly string[] = [];
  #version = -1;
  /** Once there were some, the session's own statements may end that, and a rollback bring it back. */
  #hadSome = false;

  isKnown(version: number): boolean {
    return !this.#hadSome && version === this.#version;
  }

  /** A routine may have made more of them. */
  forget(): void {
    this.#version = -1;
  }

  see(names: readonly string[], version: number): void {
    if (names.join('\0') !== this.names.join('\0')) this.names = names;
    this.#hadSome ||= names.length > 0;
    this.#version = version;
  }
}

/**
 * Asks the server which temporary tables the session has, where another may have been made behind one. A temporary
 * table that comes later is told by its own statement.
 */
export async function lookForHidden(state: SessionState, context: SessionContext): Promise<void> {
  if (!state.pins.has('temporary table') || state.transaction?.state === 'failed') return;
  const { version, catalog } = context.topology();
  const { hidden, transaction, portals } = state;
  const isFetched = [...portals.values()].some(({ shard }) => shard !== null);
  if (hidden.isKnown(version) || isFetched) return;
  const connection = transaction?.participants.get(HOME_SHARD) ?? state.pins.connection(HOME_SHARD);
  if (connection === null) return;
  const { rows } = await query(connection, NAMES_SQL);
  const names = rows.flatMap(([name]) => (isSpread(name!, catalog) ? [name!] : []));
  hidden.see(names.sort(), version);
}

function isSpread(name: string, catalog: Catalog): boolean {
  for (const table of catalog.tables()) {
    if (table.name === name && table.kind !== 'home') return true;
  }
  return false;
}
