// Encodings: which client encodings the proxy can read statements in.

import { isUtf8 } from 'node:buffer';
import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';

/** Spelled without `-` and `_`, as PostgreSQL compares them. SQL_ASCII means: do not convert. */
const KNOWN = new Set(['utf8', 'unicode', 'sqlascii']);

export function isKnownEncoding(name: string): boolean {
  return KNOWN.has(name.toLowerCase().replace(/[^a-z0-9]/g, ''));
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
    message: 'invalid byte sequence for encoding "UTF8"',
  });
}
