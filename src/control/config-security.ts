// Checks of what the configuration says about certificates and passwords, which no schema can say.

import { accessSync, constants } from 'node:fs';
import { isIP } from 'node:net';
import { SYSTEM_ROOTS } from '../topology/shard.ts';
import type { TlsPlace } from '../topology/shard-trust.ts';
import { ConfigError } from './config-error.ts';
import type { ConfigContent } from './config-schema.ts';

/**
 * Throws ConfigError for settings that promise what they cannot keep, and for unreadable files;
 * `place` is where they stand: `shards[0]`.
 */
export function requireTrust(trust: Omit<TlsPlace, 'host'>, place: string): void {
  const { sslmode = 'disable', sslrootcert, sslcert, sslkey } = trust;
  const verifies = sslmode === 'verify-ca' || sslmode === 'verify-full';
  if (verifies && sslrootcert === undefined) {
    throw new ConfigError(
      `${place}.sslrootcert is missing: ${sslmode} needs the authorities to trust, or ${SYSTEM_ROOTS}`,
    );
  }
  // Anybody has a certificate from those: it proves nothing but the name.
  if (sslrootcert === SYSTEM_ROOTS && sslmode !== 'verify-full') {
    throw new ConfigError(`${place}.sslmode must be verify-full with sslrootcert ${SYSTEM_ROOTS}`);
  }
  if ((sslcert === undefined) !== (sslkey === undefined)) {
    throw new ConfigError(`${place}: sslcert and sslkey are given together or not at all`);
  }
  const files = { sslrootcert: sslrootcert === SYSTEM_ROOTS ? undefined : sslrootcert };
  for (const [name, path] of Object.entries({ ...files, sslcert, sslkey })) {
    if (path !== undefined) requireReadable(path, `${place}.${name}`);
  }
}

/** The same for what clients connect to. */
export function requireClientRules(proxy: ConfigContent['proxy']): void {
  const { tls, auth, authQuery, users, trust } = proxy;
  for (const path of tls === undefined ? [] : [tls.cert, tls.key, tls.clientCa]) {
    if (path !== undefined) requireReadable(path, 'proxy.tls');
  }
  for (const block of trust) requireNetwork(block);
  if (auth === 'cert' && tls?.clientCa === undefined) {
    throw new ConfigError('proxy.tls.clientCa is missing: proxy.auth is cert');
  }
  if (tls !== undefined && tls.clientCert !== 'optional' && tls.clientCa === undefined) {
    throw new ConfigError(
      `proxy.tls.clientCa is missing: proxy.tls.clientCert is ${tls.clientCert}`,
    );
  }
  if (authQuery?.password !== undefined && authQuery.user === undefined) {
    throw new ConfigError('proxy.authQuery.user is missing: there is its password');
  }
  const open = users.findIndex(({ password }) => password === undefined);
  if (open >= 0 && auth !== 'cert') {
    throw new ConfigError(`proxy.users[${open}].password is missing: proxy.auth is ${auth}`);
  }
}

function requireReadable(path: string, place: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    throw new ConfigError(`${place}: the file ${path} cannot be read`, { cause: error });
  }
}

function requireNetwork(block: string): void {
  const [address = '', bits, ...rest] = block.split('/');
  const version = isIP(address);
  const width = version === 6 ? 128 : 32;
  const fits = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= width);
  if (version !== 0 && fits && rest.length === 0) return;
  throw new ConfigError(
    `proxy.trust: "${block}" is no address or CIDR block, such as 127.0.0.1 or 10.0.0.0/8`,
  );
}
