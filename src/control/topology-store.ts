// TopologyStore: holds the topology of now and renews it when the schema has changed.

import type { Logger } from '../base/log.ts';
import { quoteLiteral } from '../base/quote.ts';
import { atOnce, borrow, type Cluster, giveBack } from '../execute/cluster.ts';
import { isMisplaced } from '../execute/place-check.ts';
import { query, ServerError } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { NO_SETTINGS } from '../pool/settings.ts';
import type { Placement } from '../topology/placement.ts';
import { HOME_SHARD, type Shard } from '../topology/shard.ts';
import type { Topology } from '../topology/topology.ts';
import { makeCatalog, type ShardingRules } from './catalog.ts';
import { driftOf } from './drift.ts';
import { readSchema, readViews } from './schema-query.ts';
import { ShardNumbers } from './shard-numbers.ts';
import type { DatabaseCollation, ShardSchema, ViewQueries } from './shard-schema.ts';

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
  #numbers: ShardNumbers;
  #serverParameters: ReadonlyMap<string, string> = new Map();
  /** Loads begin one after the other; what a later one has found is not undone by an earlier. */
  #begun = 0;
  #installed = 0;
  /** Below those of shared topologies, which count up from 1. */
  #privateVersion = -1;
  /** Names of tables that nobody has asked the home shard for yet. */
  #sought = new Set<string>();
  /** What the last catalog was warned of: it is said once, not at each change of the schema. */
  #warned: ReadonlySet<string> = new Set();

  constructor(options: TopologyStoreOptions) {
    this.#options = options;
    this.#numbers = new ShardNumbers(options.cluster, options.log);
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
  readonly load = latest(() => this.#loadOnce(false));

  /** The same without waiting for a free connection: somebody's answer hangs on it. */
  readonly loadNow = latest(() => this.#loadOnce(true));

  /** Loads now if the home shard has a relation by one of these names: what it lacks no load would find. */
  async lookFor(tables: readonly string[]): Promise<void> {
    for (const name of tables) this.#sought.add(name);
    await this.#look();
  }

  /** For all who wait: each by himself would keep the others from the home shard. */
  readonly #look = latest(async () => {
    if (this.#sought.size === 0) return;
    const names = [...this.#sought].map((name) => `${quoteLiteral(name)}::pg_catalog.name`);
    this.#sought.clear();
    const sql = `SELECT FROM pg_catalog.pg_class WHERE relname IN (${names.join(', ')}) LIMIT 1`;
    const { tag } = await this.#with(HOME_SHARD, true, (connection) => query(connection, sql));
    if (tag !== 'SELECT 0') await this.loadNow();
  });

  /**
   * What a transaction that has changed the schema sees: a topology for its own statements, with a
   * version that no other has, and on its connections their oids. The home shard is among them.
   */
  async within(participants: ReadonlyMap<number, ServerConnection>): Promise<Topology> {
    const { rules } = this.#options;
    const connection = participants.get(HOME_SHARD)!;
    await this.#numbers.within(participants);
    const { schema } = await readSchema(connection, { isKept: false });
    const { shards, placement, catalog: shared } = this.current;
    const { searchPath, transactionDefaults } = shared;
    const collations = [...this.#collations.values()];
    const views = await viewsWithin(connection, schema);
    const made = makeCatalog({ ...schema, searchPath }, rules, collations, views, shards.length);
    // The connections of the transaction do not tell what others have.
    const catalog = { ...made.catalog, transactionDefaults };
    this.#privateVersion -= 1;
    return Object.freeze({ version: this.#privateVersion, shards, placement, catalog });
  }

  async #loadOnce(isUrgent: boolean): Promise<void> {
    const { shards, placement, rules, log } = this.#options;
    this.#begun += 1;
    const begun = this.#begun;
    // Those that were down when they were asked; an urgent load does not wait for them.
    const unknown = shards.filter(({ id }) => id !== HOME_SHARD && !this.#collations.has(id));
    const others = isUrgent ? [] : unknown;
    const seen = new Map<number, ShardSchema>();
    const [home] = await Promise.all([
      this.#read(HOME_SHARD, isUrgent),
      ...others.map(({ id }) =>
        this.#read(id, false).then(
          (read) => seen.set(id, read.schema),
          (error: unknown) => {
            if (this.#current === null && isMisplaced(error)) throw error;
            log.warn({ shard: id, err: error }, 'a shard could not be asked for its schema');
          },
        ),
      ),
    ]);
    const { schema, text } = home;
    const numbers = await this.#numbers.read(
      home.oids,
      (shard, use) => this.#with(shard, isUrgent, use),
      !isUrgent,
    );
    const known = `${text}${numbers.digest}${JSON.stringify([...this.#collations])}`;
    if (begun < this.#installed) return;
    numbers.install();
    if (known === this.#text) {
      this.#installed = begun;
      return;
    }
    const views = await this.#views(schema, isUrgent);
    if (begun < this.#installed) return;
    this.#installed = begun;
    // Views that could not be read are asked for again at the next look.
    this.#text = views === null ? '' : known;
    const collations = [...this.#collations.values()];
    const count = shards.length;
    const { catalog, warnings } = makeCatalog(schema, rules, collations, views ?? {}, count);
    for (const warning of warnings) if (!this.#warned.has(warning)) log.warn(warning);
    this.#warned = new Set(warnings);
    for (const [id, other] of seen) {
      for (const line of driftOf(catalog, id, other)) log.warn(line);
    }
    const version = (this.#current?.version ?? 0) + 1;
    this.#current = Object.freeze({ version, shards, placement, catalog });
  }

  /** null: somebody is just changing one of them. */
  async #views(schema: ShardSchema, isUrgent: boolean): Promise<ViewQueries | null> {
    try {
      return await this.#with(HOME_SHARD, isUrgent, (connection) => readViews(connection, schema));
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      this.#options.log.warn({ err: error }, 'the views could not be read');
      return null;
    }
  }

  async #read(shard: number, isUrgent: boolean) {
    return this.#with(shard, isUrgent, async (connection) => {
      const read = await readSchema(connection, { isKept: true });
      const oids = await this.#numbers.list(shard, connection);
      this.#collations.set(shard, read.schema.collation);
      if (shard === HOME_SHARD && this.#serverParameters.size === 0) {
        this.#serverParameters = new Map(connection.identity.parameters);
      }
      return { ...read, oids };
    });
  }

  async #with<T>(
    shard: number,
    isUrgent: boolean,
    use: (connection: ServerConnection) => Promise<T>,
  ): Promise<T> {
    const { cluster } = this.#options;
    if (isUrgent) return atOnce(cluster, shard, use);
    const connection = await borrow(cluster, shard, NO_SETTINGS);
    try {
      return await use(connection);
    } finally {
      giveBack(cluster, connection);
    }
  }
}

/**
 * `run`, once at a time: a call while it is under way has it run once more, for what it has read may
 * be older than the call, and resolves with that run.
 */
function latest(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  let again = false;
  const untilCurrent = async (): Promise<void> => {
    try {
      do {
        again = false;
        await run();
      } while (again);
    } finally {
      running = null;
    }
  };
  return () => {
    if (running !== null) again = true;
    running ??= untilCurrent();
    return running;
  };
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
