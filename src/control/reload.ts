// Reload: which part of a new configuration takes effect in a running proxy.

import type { Shard } from '../topology/shard.ts';
import type { Config } from './config.ts';

/** `next` where it can be put in force while clients stay connected, `current` elsewhere. */
export function reloaded(current: Config, next: Config): Config {
  const { host, port, database, workers } = current.proxy;
  const shards = current.shards.map((shard, i) => withPoolOf(shard, next.shards[i]));
  return Object.freeze({
    ...current,
    shards: Object.freeze(shards),
    proxy: Object.freeze({ ...next.proxy, host, port, database, workers }),
    pool: next.pool,
    merge: next.merge,
    log: Object.freeze({ ...current.log, level: next.log.level }),
  });
}

function withPoolOf(shard: Shard, next: Shard | undefined): Shard {
  const { poolSize: _, poolMode: __, ...rest } = shard;
  const { poolSize, poolMode } = next ?? shard;
  return Object.freeze({
    ...rest,
    ...(poolSize === undefined ? {} : { poolSize }),
    ...(poolMode === undefined ? {} : { poolMode }),
  });
}

/** One worker's part of what is bounded for all together: the `index`th of `of`, from 0. */
export interface Share {
  readonly index: number;
  readonly of: number;
}

/** The bounds of one shard's pool in one worker, which has one connection at least. */
export function poolOf(
  { pool, shards }: Config,
  shard: number,
  { index, of }: Share = WHOLE,
): Config['pool'] {
  const size = shards[shard]?.poolSize ?? pool.size;
  const part = Math.floor(size / of) + (index < size % of ? 1 : 0);
  return { ...pool, size: Math.max(part, 1) };
}

/** The share of a process that is all of the proxy. */
export const WHOLE: Share = { index: 0, of: 1 };
