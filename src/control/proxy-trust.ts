// Proxy trust: how the API's connections to the proxy are encrypted.

import { type TlsPlace, tlsOptions } from '../topology/shard-trust.ts';

export interface ProxyTrust extends Omit<TlsPlace, 'host'> {
  readonly proxyHost: string;
}

/** What pg is told; null without TLS. */
export type ProxyTls = Awaited<ReturnType<typeof tlsOptions>>;

/** As for a shard. Rejects with the system's error when a file cannot be read. */
export function proxyTls({ proxyHost, ...trust }: ProxyTrust): Promise<ProxyTls> {
  return tlsOptions({ ...trust, host: proxyHost });
}
