// Shard TLS: encrypts a new connection to a shard as its sslmode asks for.

import type { Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { Shard } from '../topology/shard.ts';
import { tlsOptions } from '../topology/shard-trust.ts';
import { ALPN_POSTGRESQL, encodeSslRequest } from '../wire/startup.ts';

const YES = 0x53;
const NO = 0x4e;

/**
 * Gives the socket that the startup packet goes to: `plain` itself, or TLS over it. Rejects with
 * SqlError 08001 when the shard cannot be trusted as its sslmode wants, with the system's error when
 * the connection breaks; whoever owns `plain` destroys it. Source: PROTOCOL-FLOW-SSL.
 */
export async function encrypt(shard: Shard, plain: Socket): Promise<Socket | TLSSocket> {
  const { sslmode } = shard;
  const options = await tlsOptions(shard);
  if (options === null) return plain;
  plain.write(encodeSslRequest());
  const answer = await firstBytes(plain);
  // Bytes ahead of the encryption were injected by somebody in between.
  if (answer.length > 1) throw untrusted(shard, 'it sent more than its answer to the SSL request');
  if (answer[0] === NO && sslmode === 'prefer') return plain;
  if (answer[0] !== YES) throw untrusted(shard, 'it does not support TLS');
  const socket = connect({ ...options, ALPNProtocols: [ALPN_POSTGRESQL], socket: plain });
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

function untrusted(shard: Shard, reason: string): SqlError {
  const { id, host, port, sslmode } = shard;
  return new SqlError({
    code: SQLSTATE.sqlclientUnableToEstablishSqlconnection,
    message: `shard ${id} (${host}:${port}) is not what sslmode ${sslmode} asks for: ${reason}`,
    hint: 'Statements for other shards still work.',
  });
}
