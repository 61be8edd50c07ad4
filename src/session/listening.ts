// Listening: the channels that a session hears on shard 0, heard on the others where routines notify.

import { SqlError } from '../base/errors.ts';
import { LISTEN_RETRY_MS } from '../base/limits.ts';
import { quoteName } from '../base/quote.ts';
import { query } from '../pool/query.ts';
import type { ConnectionOwner } from '../pool/request.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { SessionContext } from './context.ts';
import type { SessionState } from './state.ts';

interface Heard {
  readonly connection: ServerConnection;
  readonly channels: readonly string[];
}

/**
 * A trigger, or a function on rows, notifies on the server of the rows. NOTIFY, and a function by itself,
 * do so on shard 0, so that nothing is heard twice.
 */
export class Listening {
  #heard = new Map<number, Heard>();
  #wanted = false;
  /** performance.now() from which a shard that could not be asked is asked again; null: there is none. */
  #retryAtMs: number | null = null;

  /** To be called outside of a transaction, before pins are settled. */
  async settle(
    state: SessionState,
    context: SessionContext,
    owner: ConnectionOwner,
  ): Promise<void> {
    const { catalog, shards } = context.topology();
    const wanted = catalog.notifiesOnRows && state.fixedShard === null;
    const isDue = this.#retryAtMs !== null && performance.now() >= this.#retryAtMs;
    if (!state.pins.takeHearing() && wanted === this.#wanted && !isDue) return;
    this.#wanted = wanted;
    const home = state.pins.connection(HOME_SHARD);
    const channels = wanted && home !== null ? await channelsOf(home) : [];
    const others = shards.filter(({ id }) => id !== HOME_SHARD);
    let isWhole = true;
    for (const { id } of others)
      isWhole = (await this.#hear(id, channels, state, owner)) && isWhole;
    state.pins.takeHearing();
    this.#retryAtMs = isWhole ? null : performance.now() + LISTEN_RETRY_MS;
  }

  /** False: the shard cannot be reached. */
  async #hear(
    shard: number,
    channels: readonly string[],
    state: SessionState,
    owner: ConnectionOwner,
  ): Promise<boolean> {
    const { pins } = state;
    const heard = this.#heard.get(shard);
    // On another connection nothing of it is left.
    const isSame = heard !== undefined && heard.connection === pins.connection(shard);
    const before = isSame ? heard.channels : [];
    const ends = before.filter((each) => !channels.includes(each));
    const begins = channels.filter((each) => !before.includes(each));
    if (ends.length + begins.length === 0) return true;
    const commands = [
      ...ends.map((each) => `UNLISTEN ${quoteName(each)}`),
      ...begins.map((each) => `LISTEN ${quoteName(each)}`),
    ];
    try {
      const connection = await state.borrow(shard, state.settings.current);
      if (channels.length > 0) pins.add(connection, ['listen'], owner);
      try {
        await query(connection, commands.join('; '));
      } finally {
        state.giveBack(connection);
      }
      this.#heard.set(shard, { connection, channels });
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      return false;
    }
    if (channels.length === 0) pins.doubt(['listen']);
    return true;
  }
}

async function channelsOf(connection: ServerConnection): Promise<readonly string[]> {
  const { rows } = await query(connection, 'SELECT pg_catalog.pg_listening_channels()');
  return rows.map(([channel]) => channel!);
}
