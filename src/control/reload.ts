// Reload: which part of a new configuration takes effect in a running proxy.

import type { Config } from './config.ts';

/** `next` where it can be put in force while clients stay connected, `current` elsewhere. */
export function reloaded(current: Config, next: Config): Config {
  const { host, port, database } = current.proxy;
  return Object.freeze({
    ...current,
    proxy: Object.freeze({ ...next.proxy, host, port, database }),
    pool: next.pool,
    merge: next.merge,
    log: Object.freeze({ ...current.log, level: next.log.level }),
  });
}
