// Certificates as files, as the proxy, PostgreSQL and psql want them.

import { chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serverAccount } from '../../src/local/account.ts';
import type { Certificate } from './certificate.ts';

/** Writes into a folder that belongs to somebody else. */
export class CertificateFiles {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The path of a file that holds `text`. */
  write(name: string, text: string): string {
    const path = join(this.#directory, name);
    // Nobody but the owner may read a key, or PostgreSQL and psql do not take it.
    writeFileSync(path, text, { mode: name.endsWith('.key') ? 0o600 : 0o644 });
    return path;
  }

  /** Paths of both; written again under the same name, they replace each other. */
  pair(name: string, { cert, key }: Certificate): { readonly cert: string; readonly key: string } {
    return { cert: this.write(`${name}.crt`, cert), key: this.write(`${name}.key`, key) };
  }

  /** The settings with which a PostgreSQL server shows this certificate. */
  serverSettings(name: string, certificate: Certificate): Readonly<Record<string, string>> {
    const { cert, key } = this.pair(name, certificate);
    const account = serverAccount();
    if (account !== null) chownSync(key, account.uid, account.gid);
    return { ssl: 'on', ssl_cert_file: cert, ssl_key_file: key };
  }
}
