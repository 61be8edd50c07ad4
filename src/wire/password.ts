// Passwords: the forms PostgreSQL stores and compares them in.

import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

const deriveKey = promisify(pbkdf2);

/** What a server keeps of a password: enough to check it, too little to log in with. */
export interface ScramVerifier {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** PostgreSQL's scram_iterations. */
const SCRAM_ITERATIONS = 4096;
const SALT_BYTES = 16;
export const KEY_BYTES = 32;

export const hmac = (key: Buffer, data: string | Buffer): Buffer =>
  createHmac('sha256', key).update(data).digest();

export const sha256 = (data: Buffer): Buffer => createHash('sha256').update(data).digest();

/** SCRAM's SaltedPassword. */
export function saltPassword(password: string, salt: Buffer, iterations: number): Promise<Buffer> {
  return deriveKey(saslPrep(password), salt, iterations, KEY_BYTES, 'sha256');
}

export async function makeVerifier(
  password: string,
  salt: Buffer = randomBytes(SALT_BYTES),
): Promise<ScramVerifier> {
  const salted = await saltPassword(password, salt, SCRAM_ITERATIONS);
  return {
    iterations: SCRAM_ITERATIONS,
    salt,
    storedKey: sha256(hmac(salted, 'Client Key')),
    serverKey: hmac(salted, 'Server Key'),
  };
}

/**
 * A verifier no password fits, always the same for one name: a stranger's login must look like one
 * with a wrong password.
 */
export function mockVerifier(user: string, secret: Buffer): ScramVerifier {
  const derive = (what: string): Buffer => hmac(secret, `${what}\0${user}`);
  return {
    iterations: SCRAM_ITERATIONS,
    salt: derive('salt').subarray(0, SALT_BYTES),
    storedKey: derive('stored'),
    serverKey: derive('server'),
  };
}

const VERIFIER =
  /^SCRAM-SHA-256\$(\d{1,9}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/;

/** Reads `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>` (pg_authid); null if it is none. */
export function parseVerifier(text: string): ScramVerifier | null {
  const match = VERIFIER.exec(text);
  if (match === null) return null;
  const [salt, storedKey, serverKey] = [match[2]!, match[3]!, match[4]!].map((part) =>
    Buffer.from(part, 'base64'),
  ) as [Buffer, Buffer, Buffer];
  const iterations = Number(match[1]);
  const fits = storedKey.length === KEY_BYTES && serverKey.length === KEY_BYTES;
  return fits && iterations > 0 ? { iterations, salt, storedKey, serverKey } : null;
}

export function formatVerifier(verifier: ScramVerifier): string {
  const [salt, stored, server] = [verifier.salt, verifier.storedKey, verifier.serverKey].map(
    (part) => part.toString('base64'),
  );
  return `SCRAM-SHA-256$${verifier.iterations}:${salt}$${stored}:${server}`;
}

const md5 = (...parts: (string | Uint8Array)[]): string => {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

/** `md5<hex>` as in pg_authid. */
export const md5Stored = (user: string, password: string): string => `md5${md5(password, user)}`;

/** The answer to AuthenticationMD5Password, from the stored form. */
export const md5Answer = (stored: string, salt: Uint8Array): string =>
  `md5${md5(stored.slice(3), salt)}`;

/** The answer to AuthenticationMD5Password, from the password. */
export const md5Password = (user: string, password: string, salt: Uint8Array): string =>
  md5Answer(md5Stored(user, password), salt);

/**
 * SASLprep (RFC 4013) as far as it maps characters. As in PostgreSQL, a password that it would
 * forbid is used as it is, so forbidding nothing differs only where both sides normalise.
 */
function saslPrep(password: string): string {
  if (/^[\x20-\x7e]*$/.test(password)) return password;
  return password
    .replace(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g, ' ')
    .replace(
      /\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/g,
      '',
    )
    .normalize('NFKC');
}
