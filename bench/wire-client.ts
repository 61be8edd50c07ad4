// A client connection with nothing between the caller and its socket, for loads that only count bytes.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  decodeAuthentication,
  encodeSaslInitialResponse,
  encodeSaslResponse,
} from '../src/wire/authentication.ts';
import { BodyReader } from '../src/wire/bytes.ts';
import { decodeErrorFields } from '../src/wire/error-response.ts';
import { FrameReader } from '../src/wire/frame.ts';
import { SCRAM_SHA_256, ScramClient } from '../src/wire/scram.ts';
import { encodeStartup } from '../src/wire/startup.ts';
import type { Login } from './endpoint.ts';

const MESSAGE_BYTES_MAX = 65_536;

/**
 * A logged-in socket, paused, with nothing read ahead: the server is idle and says nothing more by
 * itself. Rejects with the server's reason when it refuses.
 */
export async function openConnection(login: Login): Promise<Socket> {
  const socket = connect({ host: login.host, port: login.port, noDelay: true });
  await once(socket, 'connect');
  const { user, database, password } = login;
  socket.write(
    encodeStartup(
      new Map([
        ['user', user],
        ['database', database],
      ]),
    ),
  );
  const reader = new FrameReader(MESSAGE_BYTES_MAX);
  const scram = new ScramClient(password);
  while (!(await isReady(socket, reader, scram))) {
    const chunk = socket.read() as Buffer | null;
    if (chunk !== null) reader.push(chunk);
    else if (socket.readableEnded) throw new Error('the server closed the connection during login');
    else await Promise.race([once(socket, 'readable'), once(socket, 'end')]);
  }
  socket.removeAllListeners('readable');
  return socket;
}

/** Answers the messages that are there; true after ReadyForQuery. */
async function isReady(socket: Socket, reader: FrameReader, scram: ScramClient): Promise<boolean> {
  while (reader.next()) {
    const type = String.fromCharCode(reader.type);
    const body = new BodyReader(reader.buffer, reader.bodyStart, reader.end);
    if (type === 'Z') return true;
    if (type === 'E') throw new Error(errorText(reader));
    if (type !== 'R') continue;
    const request = decodeAuthentication(body);
    if (request.kind === 'sasl') {
      socket.write(encodeSaslInitialResponse(SCRAM_SHA_256, scram.first()));
    } else if (request.kind === 'saslContinue') {
      socket.write(encodeSaslResponse(await scram.final(request.data)));
    } else if (request.kind === 'saslFinal') {
      scram.verify(request.data);
    } else if (request.kind !== 'ok') {
      throw new Error(`the server asks for ${request.kind}, which this client does not know`);
    }
  }
  return false;
}

/** What the ErrorResponse that `reader` stands at says. */
export function errorText(reader: FrameReader): string {
  const fields = decodeErrorFields(new BodyReader(reader.buffer, reader.bodyStart, reader.end)).all;
  return `${fields.get('C')}: ${fields.get('M')}`;
}
