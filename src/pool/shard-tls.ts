// Shard TLS: encrypts a new connection to a shard as its sslmode asks for.

import { readFile } from 'node:fs/promises';
import { isIP, type Socket } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, connect, type TLSSocket } from 'node:tls';
import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { type Shard, SYSTEM_ROOTS } from '../topology/shard.ts';
import { ALPN_POSTGRESQL, encodeSslRequest } from '../wire/startup.ts';

const YES = 0x53;
const NO = 0x4e;

/**
 * Gives the socket that the startup packet goes to: `plain` itself, or TLS over it. The files are
 * read each time, so that renewed certificates are used from the next connection on. Rejects with
 * SqlError 08001 when the shard cannot be trusted as its sslmode wants, with the system's error when
 * the connection breaks; whoever owns `plain` destroys it. Source: PROTOCOL-FLOW-SSL.
 */
export async function encrypt(shard: Shard, plain: Socket): Promise<Socket | TLSSocket> {
  const { sslmode = 'disable' } = shard;
  if (sslmode === 'disable') return plain;
  const options = await tlsOptions(shard);
  plain.write(encodeSslRequest());
  const answer = await firstBytes(plain);
  // Bytes ahead of the encryption were injected by somebody in between.
  if (answer.length > 1) throw untrusted(shard, 'it sent more than its answer to the SSL request');
  if (answer[0] === NO && sslmode === 'prefer') return plain;
  if (answer[0] !== YES) throw untrusted(shard, 'it does not support TLS');
  const socket = connect({ ...options, socket: plain });
  await secured(socket).catch((error: Error) => {
    throw untrusted(shard, error.message);
  });
  return socket;
}

function firstBytes(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (error: Error | null, bytes?: Buffer): void => {
      socket.off('data', onData).off('error', settle).off('close', onClose);
      if (error === null) resolve(bytes!);
      else reject(error);
    };
    const onData = (bytes: Buffer): void => settle(null, bytes);
    const onClose = (): void => settle(new Error('the server closed the connection'));
    socket.on('data', onData).on('error', settle).on('close', onClose);
  });
}

function secured(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error: Error | null): void => {
      socket.off('secureConnect', onSecure).off('close', onClose);
      // The error listener stays until the next owner has its own: none may go unheard.
      if (error === null) resolve();
      else reject(error);
    };
    const onSecure = (): void => settle(null);
    const onClose = (): void => settle(new Error('the server closed the connection'));
    socket.on('secureConnect', onSecure).on('error', settle).on('close', onClose);
  });
}

async function tlsOptions(shard: Shard): Promise<ConnectionOptions> {
  const { host, sslmode, sslrootcert, sslcert, sslkey } = shard;
  const [ca, cert, key] = await Promise.all(
    [sslrootcert === SYSTEM_ROOTS ? undefined : sslrootcert, sslcert, sslkey].map((path) =>
      path === undefined ? undefined : readFile(path),
    ),
  );
  return {
    ca,
    cert,
    key,
    ALPNProtocols: [ALPN_POSTGRESQL],
    // Server name indication knows no addresses.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    // As libpq does: whoever gives require the authorities' certificates wants them used.
    rejectUnauthorized: sslmode !== 'prefer' && sslrootcert !== undefined,
    checkServerIdentity: (_, certificate) =>
      sslmode === 'verify-full' ? checkServerIdentity(host, certificate) : undefined,
  };
}

function untrusted(shard: Shard, reason: string): SqlError {
  const { id, host, port, sslmode } = shard;
  return new SqlError({
    code: SQLSTATE.sqlclientUnableToEstablishSqlconnection,
    message: `shard ${id} (${host}:${port}) is not what sslmode ${sslmode} asks for: ${reason}`,
    hint: 'Statements for other shards still work.',
  });
}
