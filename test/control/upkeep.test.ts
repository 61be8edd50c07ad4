// The start of a proxy beside servers that are just starting, or ending.

import { expect, it } from 'vitest';
import { createLog } from '../../src/base/log.ts';
import type { ProxyChannel } from '../../src/control/proxy-channel.ts';
import type { TopologyStore } from '../../src/control/topology-store.ts';
import { firstLoad } from '../../src/control/upkeep.ts';
import { ServerError } from '../../src/pool/query.ts';

const refusal = (code: string): ServerError =>
  new ServerError({ severity: 'FATAL', code, message: `refused with ${code}`, all: new Map() });

/** Loads the schema when each of `errors` has been met. */
const loading = (...errors: readonly ServerError[]) => {
  const left = [...errors];
  const topology = {
    load: async () => {
      const error = left.shift();
      if (error !== undefined) throw error;
    },
  } as Partial<TopologyStore> as TopologyStore;
  const channel = { open: async () => undefined } as Partial<ProxyChannel> as ProxyChannel;
  return firstLoad(topology, channel, createLog('silent'));
};

it('waits for a home shard that is starting up or whose server has just ended', async () => {
  await loading(refusal('57P03'), refusal('57P01'));
});

it('does not wait where the home shard will never do', async () => {
  await expect(loading(refusal('28P01'))).rejects.toThrow('refused with 28P01');
});
