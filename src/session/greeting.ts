// Greeting: what a client is told once it is let in, and which values its settings have.

import { SqlError } from '../base/errors.ts';
import { STARTUP_SETTINGS_MAX } from '../base/limits.ts';
import type { SqlState } from '../base/sqlstate.ts';
import { borrow, giveBack } from '../execute/cluster.ts';
import { ServerError } from '../pool/query.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import { encodeAuthentication } from '../wire/authentication.ts';
import {
  type BackendKey,
  encodeBackendKeyData,
  encodeParameterStatus,
  READY_IDLE,
} from '../wire/status.ts';
import type { SessionContext } from './context.ts';
import { SessionSettings } from './settings.ts';

const OK = encodeAuthentication({ kind: 'ok' });

export interface Greeting {
  readonly bytes: Buffer;
  /** The settings that are reported, with the values the client is told. */
  readonly values: ReadonlyMap<string, string>;
}

/**
 * Has a server check startup settings and keeps what it reports of them: thousands of clients come
 * with the same few sets.
 */
export class Greeter {
  #context: SessionContext;
  /** ParameterStatus messages by the settings' signature. */
  #statuses = new Map<string, Greeting>();
  #valuesOf: ReadonlyMap<string, string> | null = null;

  constructor(context: SessionContext) {
    this.#context = context;
  }

  /**
   * AuthenticationOk to ReadyForQuery. Rejects with SqlError, FATAL, when a server refuses a
   * setting or none can be asked.
   */
  async greet(
    settings: ReadonlyMap<string, string>,
    shard: number | null,
    key: BackendKey,
  ): Promise<Greeting> {
    const { bytes, values } = await this.#statusesOf(settings, shard ?? HOME_SHARD);
    return { bytes: Buffer.concat([OK, bytes, encodeBackendKeyData(key), READY_IDLE]), values };
  }

  async #statusesOf(settings: ReadonlyMap<string, string>, shard: number): Promise<Greeting> {
    const { current } = new SessionSettings(settings);
    const defaults = this.#context.serverParameters();
    if (defaults !== this.#valuesOf) {
      this.#statuses.clear();
      this.#valuesOf = defaults;
    }
    const known = this.#statuses.get(current.signature);
    if (known !== undefined) return known;
    const beyond = [...settings.keys()].filter((name) => name !== 'application_name');
    const values =
      beyond.length === 0
        ? new Map([...defaults, ['application_name', settings.get('application_name') ?? '']])
        : await this.#ask(settings, shard);
    const messages = [...values].map(([name, value]) => encodeParameterStatus(name, value));
    const statuses = { bytes: Buffer.concat(messages), values };
    if (this.#statuses.size >= STARTUP_SETTINGS_MAX) {
      this.#statuses.delete(this.#statuses.keys().next().value!);
    }
    this.#statuses.set(current.signature, statuses);
    return statuses;
  }

  async #ask(
    settings: ReadonlyMap<string, string>,
    shard: number,
  ): Promise<ReadonlyMap<string, string>> {
    const { cluster } = this.#context;
    try {
      const connection = await borrow(cluster, shard, new SessionSettings(settings).current);
      const values = new Map(connection.identity.parameters);
      giveBack(cluster, connection);
      return values;
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      throw new SqlError({
        code: error.fields.code as SqlState,
        message: error.fields.message,
        hint: error.fields.all.get('H'),
        severity: 'FATAL',
      });
    }
  }
}
