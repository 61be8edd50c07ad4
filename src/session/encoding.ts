// Encodings: which client encodings the proxy can read statements in.

import { isUtf8 } from 'node:buffer';
import { encodingName } from '../base/encoding-name.ts';
import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';

/** SQL_ASCII means: do not convert. */
const KNOWN = new Set(['utf8', 'unicode', 'sqlascii']);

export function isKnownEncoding(name: string): boolean {
  return KNOWN.has(encodingName(name));
}

export function refusedEncoding(name: string, severity: 'ERROR' | 'FATAL'): SqlError {
  return new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: `client_encoding "${name}" is not supported by the proxy, which reads UTF8`,
    hint: 'Set client_encoding to UTF8 (psql: \\encoding UTF8, or PGCLIENTENCODING=UTF8).',
    severity,
  });
}

/** Throws 22021 unless the text was decoded from valid UTF-8. */
export function checkDecoded(text: string, bytes: Buffer): void {
  // Invalid bytes are decoded to U+FFFD, which may also stand there by itself.
  if (!text.includes('\ufffd') || isUtf8(bytes)) return;
  throw new SqlError({
    code: SQLSTATE.characterNotInRepertoire,
    message: `invalid byte sequence for encoding "UTF8": ${firstInvalid(bytes)}`,
  });
}

/** The first character that is none, as `0xc3 0x28`: as many bytes as its first one announces. */
function firstInvalid(bytes: Buffer): string {
  let at = 0;
  for (;;) {
    const character = bytes.subarray(at, at + announcedLength(bytes[at]!));
    if (!isUtf8(character)) return [...character].map((byte) => `0x${hex(byte)}`).join(' ');
    at += character.length;
  }
}

const hex = (byte: number): string => byte.toString(16).padStart(2, '0');

/** As pg_utf_mblen counts. */
function announcedLength(first: number): number {
  if ((first & 0xe0) === 0xc0) return 2;
  if ((first & 0xf0) === 0xe0) return 3;
  return (first & 0xf8) === 0xf0 ? 4 : 1;
}
