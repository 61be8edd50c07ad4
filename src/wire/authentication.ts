// Authentication: requests of the server side, answers of the client side.

import { protocolViolation } from '../base/errors.ts';
import { type BodyReader, MessageWriter } from './bytes.ts';
import { BACKEND, FRONTEND } from './message-type.ts';

const CODE = {
  ok: 0,
  cleartextPassword: 3,
  md5Password: 5,
  sasl: 10,
  saslContinue: 11,
  saslFinal: 12,
} as const;

export type AuthenticationRequest =
  | { readonly kind: 'ok' }
  | { readonly kind: 'cleartextPassword' }
  | { readonly kind: 'md5Password'; readonly salt: Buffer }
  | { readonly kind: 'sasl'; readonly mechanisms: readonly string[] }
  | { readonly kind: 'saslContinue'; readonly data: Buffer }
  | { readonly kind: 'saslFinal'; readonly data: Buffer }
  /** Kerberos, GSSAPI, SSPI, … by their number. */
  | { readonly kind: 'other'; readonly code: number };

export function encodeAuthentication(request: AuthenticationRequest): Buffer {
  const writer = new MessageWriter(BACKEND.authentication);
  if (request.kind === 'other') return writer.int32(request.code).finish();
  writer.int32(CODE[request.kind]);
  switch (request.kind) {
    case 'md5Password':
      writer.bytes(request.salt);
      break;
    case 'sasl':
      for (const mechanism of request.mechanisms) writer.string(mechanism);
      writer.byte(0);
      break;
    case 'saslContinue':
    case 'saslFinal':
      writer.bytes(request.data);
  }
  return writer.finish();
}

/** Throws 08P01. */
export function decodeAuthentication(body: BodyReader): AuthenticationRequest {
  const code = body.int32();
  switch (code) {
    case CODE.ok:
      return { kind: 'ok' };
    case CODE.cleartextPassword:
      return { kind: 'cleartextPassword' };
    case CODE.md5Password:
      return { kind: 'md5Password', salt: body.bytes(4) };
    case CODE.sasl:
      return { kind: 'sasl', mechanisms: readMechanisms(body) };
    case CODE.saslContinue:
      return { kind: 'saslContinue', data: body.rest() };
    case CODE.saslFinal:
      return { kind: 'saslFinal', data: body.rest() };
    default:
      return { kind: 'other', code };
  }
}

function readMechanisms(body: BodyReader): string[] {
  const mechanisms: string[] = [];
  for (let name = body.string(); name !== ''; name = body.string()) mechanisms.push(name);
  return mechanisms;
}

export function encodePassword(password: string): Buffer {
  return new MessageWriter(FRONTEND.password).string(password).finish();
}

/** A password in clear or as an md5 answer. */
export function decodePassword(body: BodyReader): string {
  const password = body.string();
  body.finish();
  return password;
}

export interface SaslInitialResponse {
  readonly mechanism: string;
  readonly data: Buffer;
}

export function encodeSaslInitialResponse(mechanism: string, data: Uint8Array): Buffer {
  return new MessageWriter(FRONTEND.password).string(mechanism).value(data).finish();
}

export function decodeSaslInitialResponse(body: BodyReader): SaslInitialResponse {
  const mechanism = body.string();
  const data = body.value();
  body.finish();
  if (data === null) throw protocolViolation('SASL begins without data');
  return { mechanism, data };
}

export function encodeSaslResponse(data: Uint8Array): Buffer {
  return new MessageWriter(FRONTEND.password).bytes(data).finish();
}

export function decodeSaslResponse(body: BodyReader): Buffer {
  return body.rest();
}
