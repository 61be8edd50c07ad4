// TopologyStore: holds the topology of now and renews it when the schema has changed.

import type { Logger } from '../base/log.ts';
import { borrow, type Cluster, giveBack } from '../execute/cluster.ts';
import { query, ServerError } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { NO_SETTINGS } from '../pool/settings.ts';
import type { Placement } from '../topology/placement.ts';
import { HOME_SHARD, type Shard } from '../topology/shard.ts';
import type { Topology } from '../topology/topology.ts';
import { makeCatalog, type ShardingRules } from './catalog.ts';
import { driftOf } from './drift.ts';
import {
  type DatabaseCollation,
  readSchema,
  readViews,
  type ShardSchema,
  type ViewQueries,
} from './schema-query.ts';

export interface TopologyStoreOptions {
  readonly shards: readonly Shard[];
  readonly placement: Placement;
  readonly rules: ShardingRules;
  readonly cluster: Cluster;
  readonly log: Logger;
}

export class TopologyStore {
  #options: TopologyStoreOptions;
  #current: Topology | null = null;
  /** The home shard's answer the current catalog was made of. */
  #text = '';
  /** The last answer of each shard; a shard that was never asked is not in it. */
  #collations = new Map<number, DatabaseCollation>();
  #serverParameters: ReadonlyMap<string, string> = new Map();
  #loading: Promise<void> | null = null;
  #loadAgain = false;
  /** Below those of shared topologies, which count up from 1. */
  #privateVersion = -1;

  constructor(options: TopologyStoreOptions) {
    this.#options = options;
  }

  /** Only after the first `load`. */
  get current(): Topology {
    if (this.#current === null) throw new Error('the topology has not been loaded');
    return this.#current;
  }

  /** ParameterStatus values of a server connection without settings. */
  get serverParameters(): ReadonlyMap<string, string> {
    return this.#serverParameters;
  }

  /**
   * Renews the catalog; the version grows only if it has changed. A change that was made before the
   * call is in it. Rejects when the home shard cannot be asked: the old topology stays.
   */
  async load(): Promise<void> {
    if (this.#loading !== null) {
      // The load under way may have read before the change that this call is about.
      this.#loadAgain = true;
      await this.#loading;
      return;
    }
    this.#loading = this.#loadUntilCurrent();
    try {
      await this.#loading;
    } finally {
      this.#loading = null;
    }
  }

  /**
   * What a transaction that has changed the schema sees: a topology for its own statements, with a
   * version that no other has. `connection`: the home shard's, in the transaction.
   */
  async within(connection: ServerConnection): Promise<Topology> {
    const { rules } = this.#options;
    const { schema } = await readSchema(connection);
    const { shards, placement, catalog: shared } = this.current;
    const { searchPath } = shared;
    const collations = [...this.#collations.values()];
    const views = await viewsWithin(connection, schema);
    const { catalog } = makeCatalog({ ...schema, searchPath }, rules, collations, views);
    this.#privateVersion -= 1;
    return Object.freeze({ version: this.#privateVersion, shards, placement, catalog });
  }

  async #loadUntilCurrent(): Promise<void> {
    do {
      this.#loadAgain = false;
      await this.#loadOnce();
    } while (this.#loadAgain);
  }

  async #loadOnce(): Promise<void> {
    const { shards, placement, rules, cluster, log } = this.#options;
    const others = shards.filter(({ id }) => id !== HOME_SHARD && !this.#collations.has(id));
    const seen = new Map<number, ShardSchema>();
    const [home] = await Promise.all([
      this.#read(cluster, HOME_SHARD),
      ...others.map(({ id }) =>
        this.#read(cluster, id).then(
          (read) => seen.set(id, read.schema),
          (error: unknown) => {
            log.warn({ shard: id, err: error }, 'a shard could not be asked for its schema');
          },
        ),
      ),
    ]);
    const { schema, text } = home;
    const known = `${text}${JSON.stringify([...this.#collations])}`;
    if (known === this.#text) return;
    const views = await this.#views(schema);
    // Views that could not be read are asked for again at the next look.
    this.#text = views === null ? '' : known;
    const collations = [...this.#collations.values()];
    const { catalog, warnings } = makeCatalog(schema, rules, collations, views ?? {});
    for (const warning of warnings) log.warn(warning);
    for (const [id, other] of seen) {
      for (const line of driftOf(catalog, id, other)) log.warn(line);
    }
    const version = (this.#current?.version ?? 0) + 1;
    this.#current = Object.freeze({ version, shards, placement, catalog });
  }

  /** null: somebody is just changing one of them. */
  async #views(schema: ShardSchema): Promise<ViewQueries | null> {
    const { cluster, log } = this.#options;
    const connection = await borrow(cluster, HOME_SHARD, NO_SETTINGS);
    try {
      return await readViews(connection, schema);
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      log.warn({ err: error }, 'the views could not be read');
      return null;
    } finally {
      giveBack(cluster, connection);
    }
  }

  async #read(cluster: Cluster, shard: number) {
    const connection = await borrow(cluster, shard, NO_SETTINGS);
    try {
      const read = await readSchema(connection);
      this.#collations.set(shard, read.schema.collation);
      if (shard === HOME_SHARD && this.#serverParameters.size === 0) {
        this.#serverParameters = new Map(connection.identity.parameters);
      }
      return read;
    } finally {
      giveBack(cluster, connection);
    }
  }
}

/** None where another transaction has locked some of them, which must not fail this one. */
async function viewsWithin(
  connection: ServerConnection,
  schema: ShardSchema,
): Promise<ViewQueries> {
  await query(connection, 'SAVEPOINT drive_views');
  try {
    return await readViews(connection, schema);
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    await query(connection, 'ROLLBACK TO drive_views');
    return {};
  } finally {
    if (!connection.closed) await query(connection, 'RELEASE drive_views');
  }
}
