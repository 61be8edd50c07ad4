// Upkeep: what a proxy does about the cluster at its start, and from time to time.

import { setTimeout as sleep } from 'node:timers/promises';
import { SqlError } from '../base/errors.ts';
import { HOME_SHARD_POLL_MS, HOME_SHARD_START_MS, SCHEMA_TOLD_MS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { isMisplaced } from '../execute/place-check.ts';
import { ServerError } from '../pool/query.ts';
import type { ProxyChannel } from './proxy-channel.ts';
import type { Recovery } from './recovery.ts';
import type { TopologyStore } from './topology-store.ts';

/**
 * Resolves when the schema is known and its changes are heard of. Servers that start together with
 * the proxy get some time to be ready; rejects when the home shard is not.
 */
export async function firstLoad(
  topology: TopologyStore,
  channel: ProxyChannel,
  log: Logger,
): Promise<void> {
  const deadlineMs = performance.now() + HOME_SHARD_START_MS;
  for (let first = true; ; first = false) {
    try {
      await channel.open();
      await topology.load();
      return;
    } catch (error) {
      if (!isPassing(error) || performance.now() > deadlineMs) throw error;
      if (first) log.warn(`waiting for the home shard: ${error.message}`);
      await sleep(HOME_SHARD_POLL_MS);
    }
  }
}

/**
 * Resolves when a change of the schema that is committed is known. Where the home shard cannot be asked it
 * is tried again for some time, and then left to housekeeping: what was committed has not failed. Never
 * rejects.
 */
export async function loadCommitted(topology: TopologyStore, log: Logger): Promise<void> {
  const deadlineMs = performance.now() + SCHEMA_TOLD_MS;
  for (;;) {
    try {
      await topology.loadNow();
      return;
    } catch (error) {
      if (performance.now() > deadlineMs) {
        log.warn({ err: error }, 'a change of the schema could not be read again');
        return;
      }
      await sleep(HOME_SHARD_POLL_MS);
    }
  }
}

/** It cannot be reached, or is starting or ending (57P…). */
function isPassing(error: unknown): error is SqlError | ServerError {
  if (error instanceof ServerError) return error.fields.code.startsWith('57P');
  return error instanceof SqlError && !isMisplaced(error);
}

/** Never rejects. */
export async function housekeeping(
  topology: TopologyStore,
  recovery: Recovery,
  log: Logger,
): Promise<void> {
  await recovery.run();
  try {
    await topology.load();
  } catch (error) {
    log.debug({ err: error }, 'the home shard could not be asked for its schema');
  }
}
