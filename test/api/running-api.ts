// A real proxy and a real API in front of given shards, for tests that talk HTTP.

import { startApi } from '../../src/api/server.ts';
import { createLog } from '../../src/base/log.ts';
import { Client } from '../../src/base/pg.ts';
import { loadConfig } from '../../src/control/config.ts';
import { startProxy } from '../../src/proxy.ts';
import type { Shard } from '../../src/topology/shard.ts';

/** What came back: `text` has the digits that JSON.parse would round. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly body: ReturnType<typeof JSON.parse>;
}

export interface RunningStack {
  readonly url: string;
  call(method: string, path: string, body?: string): Promise<Answer>;
  ingest(userId: string | number, name: string): Promise<Answer>;
  close(): Promise<void>;
}

/** Starts both on free ports; `parts`: more of their configuration. */
export async function startStack(
  shards: readonly Shard[],
  parts: { readonly proxy?: object; readonly api?: object } = {},
): Promise<RunningStack> {
  const log = createLog('silent');
  const config = loadConfig({
    env: {},
    overrides: {
      shards: shards.map(({ id: _id, ...shard }) => shard),
      proxy: { port: 0, ...parts.proxy },
      api: { port: 0, ...parts.api },
    },
  });
  const proxy = await startProxy(config, log);
  const api = await startApi({ api: { ...config.api, proxyPort: proxy.port } }, log);
  const url = `http://127.0.0.1:${api.port}`;
  const call = async (method: string, path: string, body?: string): Promise<Answer> => {
    const headers = { 'content-type': 'application/json' };
    const sent = body === undefined ? {} : { body, headers };
    const response = await fetch(url + path, { method, ...sent });
    const text = await response.text();
    return { status: response.status, text, body: JSON.parse(text) };
  };
  return {
    url,
    call,
    ingest: (userId, name) =>
      call('POST', '/ingest', `{"user_id":${userId},"file_name":${JSON.stringify(name)}}`),
    close: async () => {
      await api.close();
      await proxy.close();
    },
  };
}

/** Runs a statement on a shard itself, behind the proxy's back; values as text. */
export async function onShard(shard: Shard | undefined, sql: string): Promise<string[][]> {
  if (shard === undefined) throw new Error('no such shard');
  const { host, port, database, user, password } = shard;
  const client = new Client({ host, port, database, user, password });
  await client.connect();
  try {
    const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' });
    return rows.map((row) => row.map(String));
  } finally {
    await client.end();
  }
}
