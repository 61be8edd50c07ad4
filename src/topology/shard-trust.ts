// Shard trust: what a shard's sslmode and certificates mean to Node's TLS.

import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import { type Shard, SYSTEM_ROOTS } from './shard.ts';

/** Where to, and whom to trust there: a shard, or what has the same settings. */
export type TlsPlace = Pick<Shard, 'host' | 'sslmode' | 'sslrootcert' | 'sslcert' | 'sslkey'>;

/**
 * Reads the files each time, so that renewed certificates are used from the next connection on.
 * null: not encrypted. Rejects with the system's error when a file cannot be read.
 */
export async function tlsOptions(place: TlsPlace): Promise<ConnectionOptions | null> {
  const { host, sslmode = 'disable', sslrootcert, sslcert, sslkey } = place;
  if (sslmode === 'disable') return null;
  const [ca, cert, key] = await Promise.all(
    [sslrootcert === SYSTEM_ROOTS ? undefined : sslrootcert, sslcert, sslkey].map((path) =>
      path === undefined ? undefined : readFile(path),
    ),
  );
  return {
    ca,
    cert,
    key,
    // Server name indication knows no addresses.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    // As libpq does: whoever gives require the authorities' certificates wants them used.
    rejectUnauthorized: sslmode !== 'prefer' && sslrootcert !== undefined,
    checkServerIdentity: (_, certificate) =>
      sslmode === 'verify-full' ? checkServerIdentity(host, certificate) : undefined,
  };
}
