// Startup: what a client's startup packet asks for, checked.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import type { Shard } from '../topology/shard.ts';
import { parseStartupOptions } from '../wire/startup.ts';
import { isKnownEncoding, refusedEncoding } from './encoding.ts';

export interface StartupRequest {
  readonly user: string;
  readonly database: string;
  /** Run-time parameters by name in lower case: the session's defaults. */
  readonly settings: ReadonlyMap<string, string>;
  /** `_pq_.…` options, none of which the proxy knows. */
  readonly unknownOptions: readonly string[];
}

const NOT_SETTINGS = new Set(['user', 'database', 'options', 'replication']);
const OFF = new Set(['off', 'false', 'no', '0', 'f', 'n', 'of', 'fa', 'fal', 'fals']);

/** Throws SqlError, FATAL. */
export function readStartup(parameters: ReadonlyMap<string, string>): StartupRequest {
  const user = parameters.get('user') ?? '';
  if (user === '') {
    throw fatal(
      SQLSTATE.invalidAuthorizationSpecification,
      'no PostgreSQL user name specified in startup packet',
    );
  }
  const replication = parameters.get('replication') ?? 'off';
  if (!OFF.has(replication.toLowerCase())) {
    throw new SqlError({
      code: SQLSTATE.featureNotSupported,
      message: 'replication connections cannot go through the proxy',
      hint: 'Connect to the shard itself.',
      severity: 'FATAL',
    });
  }
  const settings = parseStartupOptions(parameters.get('options') ?? '');
  const unknownOptions: string[] = [];
  for (const [name, value] of parameters) {
    if (name.startsWith('_pq_.')) unknownOptions.push(name);
    else if (!NOT_SETTINGS.has(name)) settings.set(name.toLowerCase(), value);
  }
  checkSettings(settings);
  return { user, database: parameters.get('database') || user, settings, unknownOptions };
}

/** What the proxy itself cannot work with; the rest is a server's to judge. */
function checkSettings(settings: Map<string, string>): void {
  const encoding = settings.get('client_encoding');
  if (encoding !== undefined) {
    if (!isKnownEncoding(encoding)) throw refusedEncoding(encoding, 'FATAL');
    settings.delete('client_encoding');
  }
  for (const name of ['standard_conforming_strings', 'array_nulls']) {
    if (!OFF.has(settings.get(name)?.toLowerCase() ?? '')) continue;
    throw fatal(SQLSTATE.featureNotSupported, `${name} = off is not supported by the proxy`);
  }
}

/**
 * The shard a database name means, null for the whole cluster. `database` is the cluster's name;
 * `<database>_shard_<n>` and the shard's own database name mean that shard. Throws 3D000, FATAL.
 */
export function shardOfDatabase(
  name: string,
  database: string,
  shards: readonly Shard[],
): number | null {
  if (name === database) return null;
  const byName = shards.filter((shard) => shard.database === name);
  if (byName.length === 1) return byName[0]!.id;
  const byNumber = shards.find((shard) => name === `${database}_shard_${shard.id}`);
  if (byNumber !== undefined) return byNumber.id;
  throw new SqlError({
    code: SQLSTATE.invalidCatalogName,
    message: `database "${name}" does not exist`,
    hint:
      `The proxy has "${database}" and, for one shard alone, ` +
      `"${database}_shard_0" to "${database}_shard_${shards.length - 1}".`,
    severity: 'FATAL',
  });
}

function fatal(code: SqlError['code'], message: string): SqlError {
  return new SqlError({ code, message, severity: 'FATAL' });
}
