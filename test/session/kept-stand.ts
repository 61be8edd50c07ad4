// The stand of tests of kept statements: a proxy with one connection, and its one shard itself.

import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { RawClient } from '../support/raw-client.ts';

export interface KeptStand {
  readonly proxy: TestProxy;
  readonly client: RawClient;
  /** On the shard itself. */
  readonly direct: RawClient;
  close(): Promise<void>;
}

export async function openKeptStand(): Promise<KeptStand> {
  // One connection: what it keeps, every statement meets.
  const proxy = await startTestProxy({ shards: 1, config: { pool: { size: 1 } } });
  const direct = await RawClient.login(proxy.shards[0]!);
  const client = await RawClient.login(proxy.login);
  return {
    ...{ proxy, client, direct },
    async close() {
      await direct.close();
      await client.close();
      await proxy.close();
    },
  };
}
