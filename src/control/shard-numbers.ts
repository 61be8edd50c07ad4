// Shard numbers: keeps what each shard's oids are to the home shard's, as the shards say.

import type { Logger } from '../base/log.ts';
import type { Cluster } from '../execute/cluster.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { OidMapping } from '../topology/shard-oids.ts';
import { mappingOf, type OidList, readOids } from './oid-query.ts';

type WithConnection = <T>(
  shard: number,
  use: (connection: ServerConnection) => Promise<T>,
) => Promise<T>;

interface Kept {
  /** Of the shard's list and of the home shard's that it was compared with. */
  readonly digests: string;
  readonly mapping: OidMapping | null;
}

export interface ReadNumbers {
  /** Changes with any shard's numbers. */
  readonly digest: string;
  /** Puts them in force. */
  install(): void;
}

export class ShardNumbers {
  #cluster: Cluster;
  #log: Logger;
  /** The home shard's last list, with its text. */
  #home: OidList = { digest: '', text: '[]' };
  #kept = new Map<number, Kept>();

  constructor(cluster: Cluster, log: Logger) {
    this.#cluster = cluster;
    this.#log = log;
  }

  /** Of the home shard; null for any other, which is to be compared with it. */
  async list(shard: number, connection: ServerConnection): Promise<OidList | null> {
    if (shard !== HOME_SHARD) return null;
    return readOids(connection, this.#home.digest);
  }

  /** `anew`: shards that are known are asked again though the home shard's numbers are the same. */
  async read(list: OidList | null, use: WithConnection, anew: boolean): Promise<ReadNumbers> {
    if (list?.text != null) this.#home = list;
    const home = this.#home;
    const read = new Map(this.#kept);
    const others = this.#cluster.pools.flatMap(({ shard: { id }, downBecause }) => {
      if (id === HOME_SHARD || downBecause !== null) return [];
      const isKnown = this.#kept.get(id)?.digests.startsWith(home.digest) === true;
      return isKnown && !anew ? [] : [id];
    });
    await Promise.all(
      others.map(async (id) => {
        try {
          read.set(id, await use(id, (connection) => this.#compare(home, id, connection)));
        } catch (error) {
          this.#log.warn({ shard: id, err: error }, 'a shard could not be asked for its oids');
        }
      }),
    );
    return {
      digest: `${home.digest} ${[...read].map(([id, { digests }]) => `${id} ${digests}`)}`,
      install: () => this.#install(read),
    };
  }

  #install(read: Map<number, Kept>): void {
    this.#kept = read;
    for (const [id, { mapping }] of read) {
      const oids = this.#cluster.oids[id]!;
      oids.mapping = mapping;
      oids.isKnown = true;
    }
  }

  async #compare(home: OidList, shard: number, connection: ServerConnection): Promise<Kept> {
    const { digest, text } = await readOids(connection, home.digest);
    const digests = `${home.digest} ${digest}`;
    const kept = this.#kept.get(shard);
    if (kept?.digests === digests) return kept;
    return { digests, mapping: text === null ? null : mappingOf(home.text!, text) };
  }

  /** In a transaction that has made tables or types its own connections have their own numbers. */
  async within(participants: ReadonlyMap<number, ServerConnection>): Promise<void> {
    const list = await readOids(participants.get(HOME_SHARD)!, this.#home.digest);
    const home = list.text === null ? this.#home : list;
    await Promise.all(
      [...participants].map(async ([shard, connection]) => {
        if (shard === HOME_SHARD) return;
        const { text } = await readOids(connection, home.digest);
        const mapping = text === null ? null : mappingOf(home.text!, text);
        connection.oids = { mapping, isKnown: true };
      }),
    );
  }
}
