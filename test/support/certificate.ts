// Certificates made at test time: authorities, and what they sign for servers and clients.

import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { isIPv4 } from 'node:net';

/** PEM texts. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  readonly commonName: string;
  /** DNS names and IPv4 addresses it is for. */
  readonly names?: readonly string[];
  /** The hash that is signed; an Ed25519 authority has none to choose. */
  readonly hash?: 'sha256' | 'sha384' | 'sha512';
  /** The default is next month. */
  readonly validTo?: Date;
}

const DAY_MS = 24 * 60 * 60 * 1000;

const OID = {
  commonName: '550403',
  basicConstraints: '551d13',
  subjectAltName: '551d11',
  sha256: '2a8648ce3d040302',
  sha384: '2a8648ce3d040303',
  sha512: '2a8648ce3d040304',
  ed25519: '2b6570',
} as const;

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const length =
    body.length < 0x80
      ? [body.length]
      : body.length < 0x100
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const nameOf = (commonName: string): Buffer =>
  sequence(der(0x31, sequence(oid(OID.commonName), der(0x0c, Buffer.from(commonName)))));

/** GeneralizedTime, which also knows the years that UTCTime does not. */
const timeOf = (date: Date): Buffer =>
  der(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`));

const extension = (id: string, value: Buffer): Buffer => sequence(oid(id), der(0x04, value));

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

/** A certificate authority, as long as the test lasts. */
export class Authority {
  /** Its own certificate, PEM. */
  readonly cert: string;
  #name: string;
  #key: KeyObject;

  constructor(name = 'drive test authority', kind: 'ec' | 'ed25519' = 'ec') {
    this.#name = name;
    this.#key = newKey(kind);
    const isAuthority = extension(OID.basicConstraints, sequence(der(0x01, Buffer.from([0xff]))));
    this.cert = this.#sign({ commonName: name }, this.#key, [isAuthority]);
  }

  issue(options: CertificateOptions): Certificate {
    const alternatives = (options.names ?? []).map((name) =>
      isIPv4(name)
        ? der(0x87, Buffer.from(name.split('.').map(Number)))
        : der(0x82, Buffer.from(name)),
    );
    const extensions =
      alternatives.length === 0 ? [] : [extension(OID.subjectAltName, sequence(...alternatives))];
    const key = newKey('ec');
    const cert = this.#sign(options, key, extensions);
    return { cert, key: key.export({ type: 'pkcs8', format: 'pem' }).toString() };
  }

  #sign(options: CertificateOptions, subjectKey: KeyObject, extensions: readonly Buffer[]): string {
    const { commonName, hash = 'sha256', validTo = new Date(Date.now() + 30 * DAY_MS) } = options;
    const isEd25519 = this.#key.asymmetricKeyType === 'ed25519';
    const algorithm = sequence(oid(isEd25519 ? OID.ed25519 : OID[hash]));
    const body = sequence(
      der(0xa0, der(0x02, Buffer.from([2]))),
      der(0x02, Buffer.from([1]), randomBytes(8)),
      algorithm,
      nameOf(this.#name),
      sequence(timeOf(new Date(validTo.getTime() - 60 * DAY_MS)), timeOf(validTo)),
      nameOf(commonName),
      createPublicKey(subjectKey).export({ type: 'spki', format: 'der' }),
      ...(extensions.length === 0 ? [] : [der(0xa3, sequence(...extensions))]),
    );
    const signature = sign(isEd25519 ? null : hash, body, this.#key);
    return pem('CERTIFICATE', sequence(body, algorithm, der(0x03, Buffer.from([0]), signature)));
  }
}

function newKey(kind: 'ec' | 'ed25519'): KeyObject {
  return kind === 'ec'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    : generateKeyPairSync('ed25519').privateKey;
}

/** The digest that binds a SCRAM exchange to a certificate signed with `hash`. */
export function digestOf(cert: string, hash: string): Buffer {
  const base64 = cert.replace(/-----[^-]+-----|\s/g, '');
  return createHash(hash).update(Buffer.from(base64, 'base64')).digest();
}
