// Client certificate: whose name is in the certificate that a client has shown.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';

/**
 * The common name in the client's certificate, which the handshake has found valid. null when there
 * is none that is one clear name. Throws 28000 where the client has no certificate.
 */
export function commonNameOf(socket: Socket): string | null {
  const shown = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  if (shown === undefined) {
    throw new SqlError({
      code: SQLSTATE.invalidAuthorizationSpecification,
      message: 'connection requires a valid client certificate',
      severity: 'FATAL',
    });
  }
  const name: unknown = shown.toLegacyObject().subject.CN;
  // Several names, or one that C code would read as another, are nobody's.
  return typeof name === 'string' && name !== '' && !name.includes('\0') ? name : null;
}
