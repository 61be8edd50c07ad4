// SCRAM-SHA-256: both sides of the exchange. Source: SASL-AUTHENTICATION, RFC 5802, RFC 7677.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import { protocolViolation, SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { hmac, KEY_BYTES, type ScramVerifier, saltPassword, sha256 } from './password.ts';

export const SCRAM_SHA_256 = 'SCRAM-SHA-256';
/** The same bound to the TLS connection it runs on. */
export const SCRAM_SHA_256_PLUS = 'SCRAM-SHA-256-PLUS';

const NONCE_BYTES = 18;
/** A server may ask for this many rounds at most: more would be an attack on our processor. */
const ITERATIONS_MAX = 1_000_000;

const newNonce = (): string => randomBytes(NONCE_BYTES).toString('base64');

/** The GS2 header of an exchange bound to the server's certificate. Source: RFC 5929. */
const BOUND_HEADER = 'p=tls-server-end-point,,';

/** `c=`: what the exchange is bound to, said again where the password's proof covers it. */
const channelOf = (header: string, digest: Buffer | null): string =>
  Buffer.concat([Buffer.from(header), digest ?? Buffer.alloc(0)]).toString('base64');

function xor(left: Buffer, right: Buffer): Buffer {
  const result = Buffer.alloc(left.length);
  for (let i = 0; i < left.length; i++) result[i] = left[i]! ^ right[i]!;
  return result;
}

/** `r=…,s=…,i=…` → attributes by letter. */
function attributesOf(message: string): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const part of message.split(',')) {
    if (part[1] === '=') attributes.set(part[0]!, part.slice(2));
  }
  return attributes;
}

/**
 * What a client knows of its channel: the digest of the server's certificate where both sides bind
 * to it; 'unoffered' where the client could but the server does not offer it, which the server
 * contradicts if somebody in between has taken the offer away; null without TLS.
 */
export type ClientChannel = Buffer | 'unoffered' | null;

/** The client's side: `first`, `final`, `verify`, in this order. All throw Error on a bad answer. */
export class ScramClient {
  #password: string;
  #nonce: string;
  #firstBare: string;
  #header: string;
  #channel: string;
  #serverSignature: Buffer | null = null;

  constructor(password: string, channel: ClientChannel = null, nonce: string = newNonce()) {
    this.#password = password;
    this.#nonce = nonce;
    this.#header = channel === null ? 'n,,' : channel === 'unoffered' ? 'y,,' : BOUND_HEADER;
    this.#channel = channelOf(this.#header, channel instanceof Buffer ? channel : null);
    // The name is empty: the server takes that of the startup packet.
    this.#firstBare = `n=,r=${nonce}`;
  }

  first(): Buffer {
    return Buffer.from(`${this.#header}${this.#firstBare}`);
  }

  async final(serverFirst: Buffer): Promise<Buffer> {
    const message = serverFirst.toString();
    const attributes = attributesOf(message);
    const nonce = attributes.get('r') ?? '';
    const salt = Buffer.from(attributes.get('s') ?? '', 'base64');
    const iterations = Number(attributes.get('i'));
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) {
      throw new Error('its SCRAM nonce does not continue ours');
    }
    if (salt.length === 0 || !(iterations >= 1 && iterations <= ITERATIONS_MAX)) {
      throw new Error('its SCRAM salt or iteration count is invalid');
    }
    const salted = await saltPassword(this.#password, salt, iterations);
    const withoutProof = `c=${this.#channel},r=${nonce}`;
    const authMessage = `${this.#firstBare},${message},${withoutProof}`;
    const clientKey = hmac(salted, 'Client Key');
    const proof = xor(clientKey, hmac(sha256(clientKey), authMessage));
    this.#serverSignature = hmac(hmac(salted, 'Server Key'), authMessage);
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`);
  }

  /** Throws unless the server has proven that it knows the password, too. */
  verify(serverFinal: Buffer): void {
    const attributes = attributesOf(serverFinal.toString());
    const signature = Buffer.from(attributes.get('v') ?? '', 'base64');
    const expected = this.#serverSignature;
    if (expected === null || signature.length !== expected.length) {
      throw new Error('its SCRAM signature is missing');
    }
    if (!timingSafeEqual(signature, expected)) throw new Error('its SCRAM signature is wrong');
  }
}

/**
 * The server's side: `first`, then `final`. Both throw SqlError: 08P01 on a malformed message, 28000
 * when the two sides see different channels.
 */
export class ScramServer {
  #verifier: ScramVerifier;
  #serverNonce: string;
  /** The digest of our certificate; null: this connection cannot be bound. */
  #digest: Buffer | null;
  #isBound = false;
  #channel = '';
  #nonce = '';
  #firstMessages = '';

  constructor(verifier: ScramVerifier, digest: Buffer | null = null, nonce: string = newNonce()) {
    this.#verifier = verifier;
    this.#digest = digest;
    this.#serverNonce = nonce;
  }

  /** In the order of preference. */
  get mechanisms(): readonly string[] {
    return this.#digest === null ? [SCRAM_SHA_256] : [SCRAM_SHA_256_PLUS, SCRAM_SHA_256];
  }

  /** Throws 08P01 for a mechanism that was not offered, too. */
  first(mechanism: string, clientFirst: Buffer): Buffer {
    if (!this.mechanisms.includes(mechanism)) {
      throw protocolViolation('client selected an invalid SASL authentication mechanism');
    }
    const match = /^((?:[ny]|p=[^,]*),,)((?:[^,]*,)*r=([\x21-\x2b\x2d-\x7e]+))(?:,.*)?$/.exec(
      clientFirst.toString('latin1'),
    );
    if (match === null) throw protocolViolation('malformed SCRAM message');
    const header = match[1]!;
    this.#checkHeader(header, mechanism);
    this.#isBound = mechanism === SCRAM_SHA_256_PLUS;
    this.#channel = channelOf(header, this.#isBound ? this.#digest : null);
    this.#nonce = match[3]! + this.#serverNonce;
    const { salt, iterations } = this.#verifier;
    const serverFirst = `r=${this.#nonce},s=${salt.toString('base64')},i=${iterations}`;
    const bare = clientFirst.toString().slice(header.length);
    this.#firstMessages = `${bare},${serverFirst}`;
    return Buffer.from(serverFirst);
  }

  /** The server's final message; null when the password is wrong. */
  final(clientFinal: Buffer): Buffer | null {
    const message = clientFinal.toString();
    const proofAt = message.lastIndexOf(',p=');
    if (proofAt < 0) throw protocolViolation('malformed SCRAM message');
    const attributes = attributesOf(message.slice(0, proofAt));
    const proof = Buffer.from(message.slice(proofAt + 3), 'base64');
    if (proof.length !== KEY_BYTES || attributes.get('r') !== this.#nonce) {
      throw protocolViolation('malformed SCRAM message');
    }
    if (attributes.get('c') !== this.#channel) throw this.#otherChannel();
    const authMessage = `${this.#firstMessages},${message.slice(0, proofAt)}`;
    const { storedKey, serverKey } = this.#verifier;
    const clientKey = xor(proof, hmac(storedKey, authMessage));
    if (!timingSafeEqual(sha256(clientKey), storedKey)) return null;
    return Buffer.from(`v=${hmac(serverKey, authMessage).toString('base64')}`);
  }

  #checkHeader(header: string, mechanism: string): void {
    const isBound = header.startsWith('p=');
    if (isBound !== (mechanism === SCRAM_SHA_256_PLUS)) {
      throw protocolViolation('the SCRAM message does not fit the chosen mechanism');
    }
    if (isBound && header !== BOUND_HEADER) {
      throw protocolViolation('unsupported SCRAM channel-binding type');
    }
    if (header === 'y,,' && this.#digest !== null) {
      throw new SqlError({
        code: SQLSTATE.invalidAuthorizationSpecification,
        message: 'SCRAM channel binding negotiation error',
        detail:
          'The client supports SCRAM channel binding but thinks the server does not. ' +
          'However, this server does support channel binding.',
        severity: 'FATAL',
      });
    }
  }

  #otherChannel(): SqlError {
    if (!this.#isBound) return protocolViolation('unexpected SCRAM channel binding');
    return new SqlError({
      code: SQLSTATE.invalidAuthorizationSpecification,
      message: 'SCRAM channel binding check failed',
      severity: 'FATAL',
    });
  }
}
