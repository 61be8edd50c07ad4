// Startup: what a client sends before anything else, and how versions are negotiated.
// Source: PROTOCOL-FLOW-START-UP, PROTOCOL-MESSAGE-FORMATS.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { type BodyReader, MessageWriter } from './bytes.ts';
import { BACKEND } from './message-type.ts';
import { type BackendKey, decodeBackendKeyData } from './status.ts';

/** The name of the protocol within TLS, as registered. */
export const ALPN_POSTGRESQL = 'postgresql';

/** Major version in the upper half, minor in the lower. */
export const PROTOCOL_3_0 = 0x30000;
export const PROTOCOL_3_2 = 0x30002;

const CANCEL_REQUEST = 80877102;
const SSL_REQUEST = 80877103;
const GSSENC_REQUEST = 80877104;

export type StartupPacket =
  | {
      readonly kind: 'startup';
      readonly version: number;
      /** As sent: user, database, options, replication, `_pq_.…` and run-time parameters. */
      readonly parameters: ReadonlyMap<string, string>;
    }
  | { readonly kind: 'sslRequest' }
  | { readonly kind: 'gssEncRequest' }
  | { readonly kind: 'cancelRequest'; readonly key: BackendKey }
  | { readonly kind: 'unknownVersion'; readonly version: number };

/** Reads a startup packet's body. Throws 08P01. */
export function decodeStartup(body: BodyReader): StartupPacket {
  const code = body.int32();
  switch (code) {
    case SSL_REQUEST:
      body.finish();
      return { kind: 'sslRequest' };
    case GSSENC_REQUEST:
      body.finish();
      return { kind: 'gssEncRequest' };
    case CANCEL_REQUEST:
      return { kind: 'cancelRequest', key: decodeBackendKeyData(body) };
  }
  if (code >>> 16 !== 3) return { kind: 'unknownVersion', version: code };
  const parameters = new Map<string, string>();
  for (let name = body.string(); name !== ''; name = body.string()) {
    parameters.set(name, body.string());
  }
  body.finish();
  return { kind: 'startup', version: code, parameters };
}

export function encodeStartup(parameters: ReadonlyMap<string, string>): Buffer {
  const writer = new MessageWriter(null).int32(PROTOCOL_3_0);
  for (const [name, value] of parameters) writer.string(name).string(value);
  return writer.byte(0).finish();
}

export function encodeSslRequest(): Buffer {
  return new MessageWriter(null).int32(SSL_REQUEST).finish();
}

export function encodeCancelRequest(processId: number, secret: Uint8Array): Buffer {
  return new MessageWriter(null).int32(CANCEL_REQUEST).int32(processId).bytes(secret).finish();
}

/** `version`: the newest the proxy speaks; `unknownOptions`: `_pq_.…` names it does not know. */
export function encodeNegotiateProtocolVersion(
  version: number,
  unknownOptions: readonly string[],
): Buffer {
  const writer = new MessageWriter(BACKEND.negotiateProtocolVersion);
  // The manual calls it a minor version; servers send the whole version number.
  writer.int32(version).int32(unknownOptions.length);
  for (const option of unknownOptions) writer.string(option);
  return writer.finish();
}

/**
 * The run-time parameters in startup's `options`, as the server's command line gives them:
 * `-c name=value`, `-cname=value`, `--name=value`; a backslash keeps the next character as it is.
 * Throws 42601 for anything else.
 */
export function parseStartupOptions(options: string): Map<string, string> {
  const words = options.match(/(?:\\[\s\S]|[^\s\\])+/g) ?? [];
  const settings = new Map<string, string>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!.replace(/\\([\s\S])/g, '$1');
    let assignment: string | undefined;
    if (word === '-c') assignment = words[++i]?.replace(/\\([\s\S])/g, '$1');
    else if (word.startsWith('-c') || word.startsWith('--')) assignment = word.slice(2);
    const match = assignment === undefined ? null : /^([^=]+)=([\s\S]*)$/.exec(assignment);
    if (match === null) {
      throw new SqlError({
        code: SQLSTATE.syntaxError,
        message: `invalid command-line argument in the startup packet: ${word}`,
        severity: 'FATAL',
      });
    }
    settings.set(match[1]!.replaceAll('-', '_').toLowerCase(), match[2]!);
  }
  return settings;
}
