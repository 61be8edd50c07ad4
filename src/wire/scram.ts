// SCRAM-SHA-256: both sides of the exchange. Source: SASL-AUTHENTICATION, RFC 5802, RFC 7677.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import { protocolViolation } from '../base/errors.ts';
import { hmac, KEY_BYTES, type ScramVerifier, saltPassword, sha256 } from './password.ts';

export const SCRAM_SHA_256 = 'SCRAM-SHA-256';

const NONCE_BYTES = 18;
/** A server may ask for this many rounds at most: more would be an attack on our processor. */
const ITERATIONS_MAX = 1_000_000;

const newNonce = (): string => randomBytes(NONCE_BYTES).toString('base64');

/** base64 of the GS2 header `n,,`: no channel binding. */
const CHANNEL_BINDINGS = { 'n,,': 'biws', 'y,,': 'eSws' } as const;

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

/** The client's side: `first`, `final`, `verify`, in this order. All throw Error on a bad answer. */
export class ScramClient {
  #password: string;
  #nonce: string;
  #firstBare: string;
  #serverSignature: Buffer | null = null;

  constructor(password: string, nonce: string = newNonce()) {
    this.#password = password;
    this.#nonce = nonce;
    // The name is empty: the server takes that of the startup packet.
    this.#firstBare = `n=,r=${nonce}`;
  }

  first(): Buffer {
    return Buffer.from(`n,,${this.#firstBare}`);
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
    const withoutProof = `c=${CHANNEL_BINDINGS['n,,']},r=${nonce}`;
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

/** The server's side: `first`, then `final`. Both throw SqlError 08P01 on a malformed message. */
export class ScramServer {
  #verifier: ScramVerifier;
  #serverNonce: string;
  #channelBinding = '';
  #nonce = '';
  #firstMessages = '';

  constructor(verifier: ScramVerifier, nonce: string = newNonce()) {
    this.#verifier = verifier;
    this.#serverNonce = nonce;
  }

  first(clientFirst: Buffer): Buffer {
    const match = /^([ny],,)((?:[^,]*,)*r=([\x21-\x2b\x2d-\x7e]+))(?:,.*)?$/.exec(
      clientFirst.toString('latin1'),
    );
    if (match === null) throw protocolViolation('malformed SCRAM message');
    this.#channelBinding = CHANNEL_BINDINGS[match[1] as keyof typeof CHANNEL_BINDINGS];
    this.#nonce = match[3]! + this.#serverNonce;
    const { salt, iterations } = this.#verifier;
    const serverFirst = `r=${this.#nonce},s=${salt.toString('base64')},i=${iterations}`;
    const bare = clientFirst.toString().slice(match[1]!.length);
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
    if (attributes.get('c') !== this.#channelBinding) {
      throw protocolViolation('unexpected SCRAM channel binding');
    }
    const authMessage = `${this.#firstMessages},${message.slice(0, proofAt)}`;
    const { storedKey, serverKey } = this.#verifier;
    const clientKey = xor(proof, hmac(storedKey, authMessage));
    if (!timingSafeEqual(sha256(clientKey), storedKey)) return null;
    return Buffer.from(`v=${hmac(serverKey, authMessage).toString('base64')}`);
  }
}
