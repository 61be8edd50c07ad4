// Channel binding: what ties a login to the TLS connection it runs on.

import { createHash, type X509Certificate } from 'node:crypto';

/**
 * tls-server-end-point: the server's certificate hashed as its signature is, with SHA-256 for what
 * is older. null where the signature has no hash of its own (Ed25519, RSA-PSS): there is nothing to
 * bind to then. Source: RFC 5929, section 4.1.
 */
export function serverEndPoint(certificate: X509Certificate | undefined): Buffer | null {
  const hash = /sha-?(1|224|256|384|512)|md5/i.exec(certificate?.signatureAlgorithm ?? '');
  if (certificate === undefined || hash === null) return null;
  const isOld = hash[1] === undefined || hash[1] === '1';
  return createHash(isOld ? 'sha256' : `sha${hash[1]}`)
    .update(certificate.raw)
    .digest();
}
