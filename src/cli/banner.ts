// The banner of `drive up`: what runs where, and what to try first.

import { styleText } from 'node:util';
import type { Config } from '../control/config.ts';
import { SHARD_ROLE } from '../local/cluster.ts';

export interface BannerFacts {
  readonly config: Config;
  /** The ports really listened on. */
  readonly proxyPort: number;
  readonly apiPort: number;
  readonly data: string;
  readonly seconds: number;
  readonly isColoured: boolean;
}

/** Lines for a terminal, with a final newline. Passwords only where they are the public ones. */
export function banner(facts: BannerFacts): string {
  const { config, proxyPort, apiPort, data, seconds } = facts;
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    facts.isColoured ? styleText(style, text, { validateStream: false }) : text;
  const row = (name: string, text: string): string => `  ${paint('dim', name.padEnd(9))} ${text}`;
  const { proxy, api, shards } = config;
  const [user] = proxy.users;
  const secret = user?.password === SHARD_ROLE.password ? `:${user.password}` : '';
  const proxyUrl = `postgresql://${user?.name}${secret}@${address(proxy.host, proxyPort)}/${proxy.database}`;
  const apiUrl = `http://${address(api.host, apiPort)}`;
  const count = `${shards.length} shard${shards.length === 1 ? '' : 's'}`;
  return [
    '',
    `  ${paint('bold', 'Drive Clone')} is up: ${count}, ready in ${seconds.toFixed(1)} s`,
    '',
    row('proxy', proxyUrl),
    row('API', `${apiUrl}   (try it out at ${apiUrl}/docs)`),
    ...shards.map(({ id, host, port, database, user, password }) =>
      row(`shard ${id}`, `postgresql://${user}:${password}@${address(host, port)}/${database}`),
    ),
    row('data', data),
    '',
    `  ${paint('bold', 'Try')}`,
    `  curl ${apiUrl}/ingest -H 'content-type: application/json' \\`,
    `       -d '{"user_id": 42, "file_name": "hello.txt"}'`,
    `  curl -X POST '${apiUrl}/ingest/bulk?count=1000'`,
    `  psql ${proxyUrl} -c 'SELECT count(*) FROM file_metadata'`,
    '',
    `  ${paint('dim', 'Ctrl-C stops everything; the data stays.')}`,
    '',
    '',
  ].join('\n');
}

/** A server that listens everywhere is reached here; IPv6 addresses go in brackets. */
function address(host: string, port: number): string {
  if (host === '0.0.0.0' || host === '::') return `127.0.0.1:${port}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
