// Authenticator: lets clients in by SCRAM-SHA-256, md5, a certificate, or where they come from.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import { TLSSocket } from 'node:tls';
import { protocolViolation, SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import {
  decodePassword,
  decodeSaslInitialResponse,
  decodeSaslResponse,
  encodeAuthentication,
} from '../wire/authentication.ts';
import { serverEndPoint } from '../wire/channel-binding.ts';
import { FRONTEND } from '../wire/message-type.ts';
import {
  makeVerifier,
  md5Answer,
  md5Stored,
  mockVerifier,
  parseVerifier,
  type ScramVerifier,
} from '../wire/password.ts';
import { ScramServer } from '../wire/scram.ts';
import { commonNameOf } from './client-certificate.ts';
import type { Conversation } from './conversation.ts';

export interface ClientUser {
  readonly name: string;
  /** In clear, or as in pg_authid: `SCRAM-SHA-256$…`, `md5…`. Empty: no password lets it in. */
  readonly password: string;
  /** Names in certificates that are this user; its own if not given. */
  readonly commonNames?: readonly string[];
}

export interface AuthenticationRules {
  readonly users: readonly ClientUser[];
  readonly method: 'scram-sha-256' | 'md5' | 'cert';
  /** Whether a certificate is needed besides a password, and whether it must be the user's. */
  readonly clientCert: 'optional' | 'verify-ca' | 'verify-full';
  /** The password, in the same forms, of a user who is not listed; null: there is none. */
  readonly lookUp: ((user: string) => Promise<string | null>) | null;
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
  #rules: AuthenticationRules;
  #users: ReadonlyMap<string, ClientUser>;
  #secrets: ReadonlyMap<string, Secret>;
  #trusted = new BlockList();
  #mockSecret = randomBytes(32);

  /** Throws Error for an entry of `trust` that is no address or range. */
  constructor(rules: AuthenticationRules) {
    const { users, trust } = rules;
    this.#rules = rules;
    this.#users = new Map(users.map((user) => [user.name, user]));
    this.#secrets = new Map(users.map(({ name, password }) => [name, secretOf(name, password)]));
    for (const entry of trust) addRange(this.#trusted, entry);
  }

  /**
   * Resolves when the client is let in, AuthenticationOk not yet sent. Rejects with 28P01, 28000,
   * 08P01, and as the look-up does where users are looked up.
   */
  async authenticate(user: string, address: string, client: Conversation): Promise<void> {
    const { method, clientCert } = this.#rules;
    if (this.#users.has(user) && this.#isTrusted(address)) return;
    if (method === 'cert') {
      if (!this.#users.has(user) || !this.#showsUser(user, client)) throw wrongCertificate(user);
      return;
    }
    if (clientCert !== 'optional') {
      const isUser = this.#showsUser(user, client);
      if (clientCert === 'verify-full' && !isUser) throw wrongCertificate(user);
    }
    const secret = this.#secrets.get(user) ?? (await this.#lookUp(user));
    const byMd5 = method === 'md5' && (secret === undefined || secret.md5 !== null);
    const proven = byMd5
      ? await this.#byMd5(secret?.md5 ?? null, client)
      : await this.#byScram(user, secret, client);
    // A stranger and a wrong password must not be told apart.
    if (!proven || secret === undefined) throw wrongPassword(user);
  }

  /** Whether the client's certificate is the user's. Throws 28000 when it has none. */
  #showsUser(user: string, client: Conversation): boolean {
    const name = commonNameOf(client.socket);
    return name !== null && (this.#users.get(user)?.commonNames ?? [user]).includes(name);
  }

  async #lookUp(user: string): Promise<Secret | undefined> {
    const stored = (await this.#rules.lookUp?.(user)) ?? null;
    return stored === null ? undefined : secretOf(user, stored);
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
    const server = new ScramServer(
      verifier ?? mockVerifier(user, this.#mockSecret),
      channelOf(client),
    );
    client.write(encodeAuthentication({ kind: 'sasl', mechanisms: server.mechanisms }));
    const { mechanism, data } = decodeSaslInitialResponse(await passwordMessage(client));
    const first = server.first(mechanism, data);
    client.write(encodeAuthentication({ kind: 'saslContinue', data: first }));
    const final = server.final(decodeSaslResponse(await passwordMessage(client)));
    if (final === null || verifier === null) return false;
    client.write(encodeAuthentication({ kind: 'saslFinal', data: final }));
    return true;
  }
}

/** What the login is bound to: the certificate that the proxy has shown on this connection. */
function channelOf({ socket }: Conversation): Buffer | null {
  return socket instanceof TLSSocket ? serverEndPoint(socket.getX509Certificate()) : null;
}

function secretOf(name: string, password: string): Secret {
  if (password === '') return { scram: async () => null, md5: null };
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

function wrongCertificate(user: string): SqlError {
  return new SqlError({
    code: SQLSTATE.invalidAuthorizationSpecification,
    message: `certificate authentication failed for user "${user}"`,
    severity: 'FATAL',
  });
}
