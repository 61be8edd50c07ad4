// Handshake: from a client's first byte to the moment its session can begin.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { protocolViolation, SqlError } from '../base/errors.ts';
import { STARTUP_PACKET_BYTES_MAX, UNAUTHENTICATED_MESSAGE_BYTES_MAX } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { FrameReader } from '../wire/frame.ts';
import {
  ALPN_POSTGRESQL,
  decodeStartup,
  encodeNegotiateProtocolVersion,
  PROTOCOL_3_2,
  type StartupPacket,
} from '../wire/startup.ts';
import type { BackendKey } from '../wire/status.ts';
import { type ClientTls, tlsFailed } from './client-tls.ts';
import { Conversation } from './conversation.ts';
import { readStartup, type StartupRequest } from './startup.ts';

export interface TlsRules {
  readonly clients: ClientTls;
  /** Refuse clients that do not ask for TLS. */
  readonly required: boolean;
}

/** What a client wants, once its transport is settled. */
export type Handshake =
  | {
      readonly kind: 'session';
      readonly client: Conversation;
      readonly request: StartupRequest;
      /** Agreed: 3.0 or 3.2 as the version number. */
      readonly version: number;
    }
  | { readonly kind: 'cancel'; readonly client: Conversation; readonly key: BackendKey };

const YES = Buffer.from('S');
const NO = Buffer.from('N');
/** The first byte of a TLS ClientHello. */
const TLS_HANDSHAKE = 0x16;

/**
 * Talks to a new client up to its startup packet. `now` is told of each transport in turn, so that
 * a timeout can end it. Rejects with SqlError.
 */
export async function shakeHands(
  socket: Socket,
  tls: TlsRules | null,
  now: (client: Conversation) => void,
): Promise<Handshake> {
  let client = new Conversation(socket, new FrameReader(STARTUP_PACKET_BYTES_MAX, true));
  now(client);
  let secure = false;
  const encrypt = async (direct: boolean): Promise<void> => {
    client = await upgrade(client, tls!.clients, direct);
    secure = true;
    now(client);
    const fault = tls!.clients.certificateFault(client.socket as TLSSocket);
    if (fault !== null) throw fault;
  };
  if (tls !== null && (await beginsWithTls(client))) await encrypt(true);
  let asked = 0;
  for (;;) {
    const packet = decodeStartup(await client.next());
    if (packet.kind === 'cancelRequest') return { kind: 'cancel', client, key: packet.key };
    if (packet.kind === 'startup' || packet.kind === 'unknownVersion') {
      if (tls?.required && !secure) throw tlsRequired();
      return begin(packet, client);
    }
    asked += 1;
    if (asked > 2) throw protocolViolation('encryption is negotiated again and again');
    if (packet.kind === 'sslRequest' && tls !== null && !secure) {
      // Bytes sent ahead of the encryption were injected by somebody in between.
      if (client.reader.bufferedBytes > 0) {
        throw protocolViolation('received unencrypted data after SSL request');
      }
      client.write(YES);
      await encrypt(false);
    } else {
      client.write(NO);
    }
  }
}

function begin(
  packet: StartupPacket & { kind: 'startup' | 'unknownVersion' },
  client: Conversation,
): Handshake {
  if (packet.kind === 'unknownVersion') {
    const { version } = packet;
    throw new SqlError({
      code: SQLSTATE.featureNotSupported,
      message:
        `unsupported frontend protocol ${version >>> 16}.${version & 0xffff}: ` +
        'the proxy supports 3.0 to 3.2',
      severity: 'FATAL',
    });
  }
  const request = readStartup(packet.parameters);
  const version = Math.min(packet.version, PROTOCOL_3_2);
  if (packet.version > PROTOCOL_3_2 || request.unknownOptions.length > 0) {
    client.write(encodeNegotiateProtocolVersion(version, request.unknownOptions));
  }
  client.reader.startup = false;
  client.reader.lengthMax = UNAUTHENTICATED_MESSAGE_BYTES_MAX;
  return { kind: 'session', client, request, version };
}

async function beginsWithTls(client: Conversation): Promise<boolean> {
  while (client.reader.bufferedBytes === 0 && !client.gone) await client.arrival();
  return client.reader.peekByte() === TLS_HANDSHAKE;
}

/** The same client behind TLS. `direct`: it began with TLS, so ALPN must name PostgreSQL. */
async function upgrade(
  plain: Conversation,
  clients: ClientTls,
  direct: boolean,
): Promise<Conversation> {
  const rest = plain.reader.takeRest();
  plain.detach();
  if (rest.length > 0) plain.socket.unshift(rest);
  const socket = await clients.secure(plain.socket).catch((error: unknown) => {
    plain.socket.destroy();
    throw error;
  });
  if (direct && socket.alpnProtocol !== ALPN_POSTGRESQL) {
    socket.destroy();
    throw tlsFailed(new Error('direct TLS without the ALPN protocol "postgresql"'));
  }
  return new Conversation(socket, new FrameReader(STARTUP_PACKET_BYTES_MAX, true));
}

function tlsRequired(): SqlError {
  return new SqlError({
    code: SQLSTATE.invalidAuthorizationSpecification,
    message: 'the proxy takes encrypted connections only',
    hint: 'Connect with sslmode=require or stronger.',
    severity: 'FATAL',
  });
}
