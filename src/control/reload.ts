// Reload: which part of a new configuration takes effect in a running proxy.

import type { Shard } from '../topology/shard.ts';
import type { Config } from './config.ts';

/** `next` where it can be put in force while clients stay connected, `current` elsewhere. */
export function reloaded(current: Config, next: Config): Config {
  const { host, port, database } = current.proxy;
  const shards = current.shards.map((shard, i) => withPoolSize(shard, next.shards[i]?.poolSize));
  return Object.freeze({
    ...current,
    shards: Object.freeze(shards),
    proxy: Object.freeze({ ...next.proxy, host, port, database }),
    pool: next.pool,
    merge: next.merge,
    log: Object.freeze({ ...current.log, level: next.log.level }),
  });
}

function withPoolSize(shard: Shard, poolSize: number | undefined): Shard {
  const { poolSize: _, ...rest } = shard;
  return Object.freeze(poolSize === undefined ? rest : { ...rest, poolSize });
}

/** The bounds of one shard's pool. */
export function poolOf({ pool, shards }: Config, shard: number): Config['pool'] {
  const size = shards[shard]?.poolSize;
  return size === undefined ? pool : { ...pool, size };
}
