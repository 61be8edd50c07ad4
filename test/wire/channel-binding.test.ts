// Channel binding: the digest of a server's certificate, by the hash of its signature.

import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { serverEndPoint } from '../../src/wire/channel-binding.ts';
import { Authority, digestOf } from '../support/certificate.ts';

describe('tls-server-end-point', () => {
  it.each(['sha256', 'sha384', 'sha512'] as const)('hashes a %s certificate so', (hash) => {
    const { cert } = new Authority().issue({ commonName: 'shard', hash });
    expect(serverEndPoint(new X509Certificate(cert))).toEqual(digestOf(cert, hash));
  });

  it('is unknown where the signature has no hash of its own', () => {
    const { cert } = new Authority('authority', 'ed25519').issue({ commonName: 'shard' });
    expect(serverEndPoint(new X509Certificate(cert))).toBeNull();
  });

  it('is unknown without a certificate', () => {
    expect(serverEndPoint(undefined)).toBeNull();
  });
});
