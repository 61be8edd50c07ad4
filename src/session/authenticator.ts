// Authenticator: lets clients in by SCRAM-SHA-256, md5, or because of where they come from.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import { protocolViolation, SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import {
  decodePassword,
  decodeSaslInitialResponse,
  decodeSaslResponse,
  encodeAuthentication,
} from '../wire/authentication.ts';
import { FRONTEND } from '../wire/message-type.ts';
import {
  makeVerifier,
  md5Answer,
  md5Stored,
  mockVerifier,
  parseVerifier,
  type ScramVerifier,
} from '../wire/password.ts';
import { SCRAM_SHA_256, ScramServer } from '../wire/scram.ts';
import type { Conversation } from './conversation.ts';

export interface ClientUser {
  readonly name: string;
  /** In clear, or as in pg_authid: `SCRAM-SHA-256$…`, `md5…`. */
  readonly password: string;
}

export interface AuthenticationRules {
  readonly users: readonly ClientUser[];
  readonly method: 'scram-sha-256' | 'md5';
  /** Addresses and CIDR ranges whose clients need no password. */
  readonly trust: readonly string[];
}

/** What is known of a user's password, in the forms the two methods compare. */
interface Secret {
  readonly scram: () => Promise<ScramVerifier | null>;
  readonly md5: string | null;
}

const MD5_STORED = /^md5[0-9a-f]{32}$/;

export class Authenticator {
  #secrets: ReadonlyMap<string, Secret>;
  #method: AuthenticationRules['method'];
  #trusted = new BlockList();
  #mockSecret = randomBytes(32);

  /** Throws Error for an entry of `trust` that is no address or range. */
  constructor(rules: AuthenticationRules) {
    this.#secrets = new Map(rules.users.map((user) => [user.name, secretOf(user)]));
    this.#method = rules.method;
    for (const entry of rules.trust) addRange(this.#trusted, entry);
  }

  /** Resolves when the client is let in, AuthenticationOk not yet sent. Rejects with 28P01, 08P01. */
  async authenticate(user: string, address: string, client: Conversation): Promise<void> {
    const secret = this.#secrets.get(user);
    if (secret !== undefined && this.#isTrusted(address)) return;
    const byMd5 = this.#method === 'md5' && (secret === undefined || secret.md5 !== null);
    const proven = byMd5
      ? await this.#byMd5(secret?.md5 ?? null, client)
      : await this.#byScram(user, secret, client);
    // A stranger and a wrong password must not be told apart.
    if (!proven || secret === undefined) throw wrongPassword(user);
  }

  #isTrusted(address: string): boolean {
    const plain = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
    const family = isIP(plain);
    return family !== 0 && this.#trusted.check(plain, family === 4 ? 'ipv4' : 'ipv6');
  }

  async #byMd5(stored: string | null, client: Conversation): Promise<boolean> {
    const salt = randomBytes(4);
    client.write(encodeAuthentication({ kind: 'md5Password', salt }));
    const answer = Buffer.from(decodePassword(await passwordMessage(client)));
    const expected = Buffer.from(
      md5Answer(stored ?? `md5${randomBytes(16).toString('hex')}`, salt),
    );
    return answer.length === expected.length && timingSafeEqual(answer, expected);
  }

  async #byScram(user: string, secret: Secret | undefined, client: Conversation): Promise<boolean> {
    const verifier = (await secret?.scram()) ?? null;
    const server = new ScramServer(verifier ?? mockVerifier(user, this.#mockSecret));
    client.write(encodeAuthentication({ kind: 'sasl', mechanisms: [SCRAM_SHA_256] }));
    const initial = decodeSaslInitialResponse(await passwordMessage(client));
    if (initial.mechanism !== SCRAM_SHA_256) {
      throw protocolViolation('client selected an invalid SASL authentication mechanism');
    }
    client.write(encodeAuthentication({ kind: 'saslContinue', data: server.first(initial.data) }));
    const final = server.final(decodeSaslResponse(await passwordMessage(client)));
    if (final === null || verifier === null) return false;
    client.write(encodeAuthentication({ kind: 'saslFinal', data: final }));
    return true;
  }
}

function secretOf({ name, password }: ClientUser): Secret {
  const stored = parseVerifier(password);
  if (stored !== null) return { scram: async () => stored, md5: null };
  if (MD5_STORED.test(password)) return { scram: async () => null, md5: password };
  let verifier: Promise<ScramVerifier> | null = null;
  return {
    scram: () => {
      verifier ??= makeVerifier(password);
      return verifier;
    },
    md5: md5Stored(name, password),
  };
}

function addRange(list: BlockList, entry: string): void {
  const [address = '', bits] = entry.split('/');
  const family = isIP(address);
  const width = family === 4 ? 32 : 128;
  const prefix = bits === undefined ? width : Number(bits);
  if (family === 0 || !Number.isInteger(prefix) || prefix < 0 || prefix > width) {
    throw new Error(`"${entry}" is not an IP address or a range like 10.0.0.0/8`);
  }
  list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
}

async function passwordMessage(client: Conversation) {
  const body = await client.next();
  if (client.reader.type === FRONTEND.password) return body;
  throw protocolViolation('expected a password message');
}

function wrongPassword(user: string): SqlError {
  return new SqlError({
    code: SQLSTATE.invalidPassword,
    message: `password authentication failed for user "${user}"`,
    severity: 'FATAL',
  });
}
