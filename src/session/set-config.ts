// set_config(): brings what a statement has set to the session and to the other shards.

import { SqlError } from '../base/errors.ts';
import { quoteLiteral } from '../base/quote.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { type BoundParameters, formatAt } from '../execute/parameters.ts';
import type { Transaction } from '../execute/transaction.ts';
import type { ArgumentSource, ConfigCall } from '../plan/action.ts';
import { isRefusedSetting } from '../plan/set-config.ts';
import { query, queryBehind } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { assignmentOf, readWith } from '../pool/settings.ts';
import { pathOf, roleOf } from './search-path.ts';
import type { SessionState } from './state.ts';

interface ConfigChange {
  /** In lower case. */
  readonly name: string;
  /** `unknown`: in a transaction block, whether for this or for the session. */
  readonly lasts: 'transaction' | 'session' | 'unknown';
}

/** What the calls set with these parameters. Throws 0A000 for what cannot be set this way. */
export function configChanges(
  calls: readonly ConfigCall[],
  parameters: BoundParameters,
): readonly ConfigChange[] {
  return calls.flatMap((call): ConfigChange[] => {
    const name = nameOf(call.name, parameters)?.toLowerCase();
    // The server says what is wrong with NULL.
    if (name === undefined) return [];
    if (isRefusedSetting(name)) throw refusedSetting(name);
    if (call.local === null) return [{ name, lasts: 'unknown' }];
    return [{ name, lasts: isTrue(call.local, parameters) ? 'transaction' : 'session' }];
  });
}

/**
 * Whether a call was reached, and what came of its value, only the server knows: it is asked for the
 * values of now.
 */
export async function noteConfig(
  changes: readonly ConfigChange[],
  connection: ServerConnection,
  state: SessionState,
): Promise<void> {
  const { transaction, settings } = state;
  const isOver = ({ lasts }: ConfigChange) => transaction === null && lasts === 'transaction';
  const lasting = changes.filter((change) => !isOver(change));
  if (lasting.length === 0) return;
  const list = lasting.map(({ name }) => `current_setting(${quoteLiteral(name)}, true)`);
  const { rows } = await query(connection, `SELECT ${list.join(', ')}`);
  for (const [i, { name, lasts }] of lasting.entries()) {
    const value = rows[0]![i] ?? null;
    const local = transaction !== null && lasts !== 'session';
    if (transaction !== null && lasts === 'unknown') transaction.pathKnownBy = connection.shard.id;
    if (transaction !== null && value !== null) {
      // Not as a query, before which alone a transaction that only reads may be made one that writes.
      const sql = `SET ${local ? 'LOCAL ' : ''}${assignmentOf(name, value)}`;
      const others = [...transaction.participants.values()];
      // The copies are made there.
      const { apart } = transaction;
      if (apart !== null && name !== 'transaction_read_only') others.push(apart);
      for (const other of others) if (other !== connection) await query(other, sql);
      const searchPath = local ? ({ path: pathOf(value) } as const) : 'session';
      const role = local ? ({ role: roleOf(quoteLiteral(value)) } as const) : 'session';
      transaction.record(sql, {
        searchPath: name === 'search_path' ? searchPath : null,
        role: name === 'role' || name === 'session_authorization' ? role : null,
        reads: readWith(name),
      });
    }
    if (local) continue;
    if (value === null) settings.reset(name);
    else settings.set(name, assignmentOf(name, value));
  }
  if (transaction === null) connection.settings = settings.current;
}

/** Behind the COMMIT of a transaction in which a routine has set the search path, for it or for the session. */
export async function learnPath(
  { pathKnownBy }: Transaction,
  { pins, settings }: Pick<SessionState, 'pins' | 'settings'>,
): Promise<void> {
  // A server that is gone has taken what was set there with it.
  const connection = pathKnownBy === null ? null : pins.connection(pathKnownBy);
  if (connection === null) return;
  try {
    const { rows } = await queryBehind(connection, 'SHOW search_path');
    settings.set('search_path', assignmentOf('search_path', rows[0]![0]!));
  } catch (error) {
    if (!connection.closed) throw error;
  }
}

function nameOf(source: ArgumentSource, { values }: BoundParameters): string | undefined {
  if (source.from === 'constant') return source.text;
  return values[source.index]?.toString('utf8');
}

/** As boolin() takes them; a binary true is a byte of 1. */
const TRUE = /^\s*(t|tr|tru|true|y|ye|yes|on|1)\s*$/i;

function isTrue(source: ArgumentSource, { values, formats }: BoundParameters): boolean {
  if (source.from === 'constant') return TRUE.test(source.text);
  const value = values[source.index];
  if (value === null || value === undefined) return false;
  return formatAt(formats, source.index) === 1 ? value[0] === 1 : TRUE.test(value.toString());
}

function refusedSetting(name: string): SqlError {
  return new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `not supported: set_config() of ${name}`,
    hint: `Use SET ${name}.`,
  });
}
