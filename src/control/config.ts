// The configuration: defaults, file, environment and command line made into one checked value.

import type { LogLevel } from '../base/log.ts';
import type { Shard } from '../topology/shard.ts';
import { settingsFrom, shardsFrom, type Variable } from './config-environment.ts';
import { ConfigError } from './config-error.ts';
import { describeFault, pathText } from './config-fault.ts';
import { type Environment, readConfigFile } from './config-file.ts';
import { fitTexts, layer, withVariable } from './config-layers.ts';
import { type ConfigContent, configNode, fillDefaults, schemaFault } from './config-schema.ts';
import { requireClientRules, requireTrust } from './config-security.ts';

export { ConfigError } from './config-error.ts';

export interface TableRule {
  readonly kind: 'sharded' | 'reference' | 'home';
  readonly key?: string;
}

/** The database name that means the operator's console. */
export const CONSOLE_DATABASE = 'admin';

/** Everything an operator decides; docs/config.md describes each setting. */
export interface Config {
  readonly shards: readonly Shard[];
  readonly sharding: {
    /** A table with a column of this name is sharded by it unless `tables` says otherwise. */
    readonly key: string;
    /** By `name` or `schema.name`. */
    readonly tables: Readonly<Record<string, TableRule>>;
  };
  readonly proxy: {
    readonly host: string;
    readonly port: number;
    readonly database: string;
    /** `password`: plain, or a verifier as in pg_authid; empty: the user has a certificate. */
    readonly users: readonly {
      readonly name: string;
      readonly password: string;
      readonly commonNames?: readonly string[];
      readonly clientsMax?: number;
      readonly poolMode?: 'transaction' | 'session';
    }[];
    /** Names of those who may use the console. */
    readonly admins: readonly string[];
    readonly auth: 'scram-sha-256' | 'md5' | 'cert';
    /** For users that are not in `users`. */
    readonly authQuery: {
      readonly query: string;
      readonly cacheMs: number;
      /** Who asks; the shard's own user if not given. */
      readonly user?: string;
      readonly password?: string;
    } | null;
    /** Addresses and CIDR blocks let in without a password. */
    readonly trust: readonly string[];
    /** File paths. */
    readonly tls: {
      readonly cert: string;
      readonly key: string;
      readonly required: boolean;
      readonly clientCa?: string;
      readonly clientCert: 'optional' | 'verify-ca' | 'verify-full';
    } | null;
    /** null: one per core. */
    readonly workers: number | null;
    readonly drainTimeoutMs: number;
    readonly clientsMax: number;
    readonly authTimeoutMs: number;
    /** 0: never. */
    readonly statementTimeoutMs: number;
    readonly idleInTransactionTimeoutMs: number;
    readonly idleTimeoutMs: number;
  };
  /** Per shard. */
  readonly pool: {
    readonly mode: 'transaction' | 'session';
    readonly size: number;
    readonly groupMax: number;
    readonly waitTimeoutMs: number;
    readonly idleTimeoutMs: number;
    readonly lifetimeMs: number;
    readonly connectTimeoutMs: number;
    readonly checkAfterMs: number;
  };
  /** Per statement: in memory, and in temporary tables of one server. */
  readonly merge: {
    readonly rowsMax: number;
    readonly bytesMax: number;
    readonly spillBytesMax: number;
    readonly inlineRowsMax: number;
  };
  readonly api: {
    readonly sslmode: 'disable' | 'require' | 'verify-ca' | 'verify-full';
    readonly sslrootcert?: string;
    readonly sslcert?: string;
    readonly sslkey?: string;
    readonly host: string;
    readonly port: number;
    readonly proxyHost: string;
    readonly proxyPort: number;
    readonly user: string;
    /** Empty if it is not known: see requireApiLogin. */
    readonly password: string;
    readonly database: string;
    readonly poolSize: number;
  };
  /** null: no metrics are served. */
  readonly metrics: { readonly host: string; readonly port: number } | null;
  readonly log: { readonly level: LogLevel; readonly pretty: boolean };
}

/** Part of a file's content, not checked yet. */
export type ConfigPart = Readonly<Record<string, unknown>>;

export interface ConfigSources {
  /** Path of a YAML or JSON file. */
  readonly file?: string | undefined;
  readonly env: Environment;
  /** Settings of the command line: they win over everything. */
  readonly overrides?: ConfigPart;
  /** What a command prefers to the built-in defaults; everything wins over it. */
  readonly defaults?: ConfigPart;
}

/** Throws ConfigError, one line with the place, what is wrong and what is allowed. */
export function loadConfig({ file, env, overrides, defaults }: ConfigSources): Config {
  const fromFile = file === undefined ? {} : (readConfigFile(file, env) ?? {});
  const variables = [...settingsFrom(env, configNode), ...shardsFrom(env)];
  const under = layer(fitTexts(defaults ?? {}, configNode), fitTexts(fromFile, configNode));
  const withEnvironment = variables.reduce(withVariable, under);
  const layers = layer(fitTexts(withEnvironment, configNode), overrides);
  requireNoGap(layers);
  const content = fillDefaults(layers);
  const fault = schemaFault(content);
  if (fault !== null) {
    throw describeFault(fault, content, configNode, placeOf(fault.path, variables, file));
  }
  return freeze(finish(content as ConfigContent));
}

function placeOf(path: readonly string[], variables: readonly Variable[], file?: string): string {
  const text = pathText(path);
  const variable = variables.find((each) => pathText(each.path) === text);
  return variable?.name ?? file ?? 'config';
}

/** Shards are counted from 0 without holes: DB_SHARD_2_HOST alone is a mistake. */
function requireNoGap(content: unknown): void {
  const { shards } = content as { shards?: unknown };
  if (!Array.isArray(shards)) return;
  for (const [i, shard] of shards.entries()) {
    if (shard !== undefined) continue;
    throw new ConfigError(
      `there is a shard ${shards.length - 1} but no shard ${i}: set DB_SHARD_${i}_HOST`,
    );
  }
}

/** Settings whose default is another setting. Throws ConfigError on what no schema can say. */
function finish(content: ConfigContent): Config {
  const { shards, sharding, proxy, pool, merge, api, metrics = null, log } = content;
  for (const [name, rule] of Object.entries(sharding.tables)) {
    if (rule.key === undefined || rule.kind === 'sharded') continue;
    throw new ConfigError(`sharding.tables.${name}.key: only a sharded table has a key`);
  }
  const { tls = null, authQuery = null, workers = null } = proxy;
  for (const [id, shard] of shards.entries()) requireTrust(shard, `shards[${id}]`);
  const sslmode = api.sslmode ?? (tls?.required ? 'require' : 'disable');
  requireTrust({ ...api, sslmode }, 'api');
  requireClientRules(proxy);
  const users = proxy.users.map((user) => ({ ...user, password: user.password ?? '' }));
  const [first] = users;
  const admins = proxy.admins ?? [first?.name ?? ''];
  requireAdmins(admins, proxy.users, proxy.database);
  const user = api.user ?? first?.name ?? '';
  const known = users.find(({ name }) => name === user)?.password;
  const isPlain = known !== undefined && !/^(SCRAM-SHA-256\$|md5)/.test(known);
  return {
    shards: distinct(
      shards.map((shard, id) => ({
        ...shard,
        id,
        database: shard.database ?? `drive_shard_${id}`,
      })),
    ),
    sharding,
    proxy: { ...proxy, users, tls, admins, authQuery, workers },
    pool,
    merge,
    api: {
      ...api,
      sslmode,
      proxyPort: api.proxyPort ?? proxy.port,
      user,
      password: api.password ?? (isPlain ? known : ''),
      database: api.database ?? proxy.database,
    },
    metrics,
    log,
  };
}

/** Throws ConfigError unless the API can log in at the proxy. */
export function requireApiLogin({ api }: Config): void {
  if (api.password !== '' || api.sslcert !== undefined) return;
  throw new ConfigError(
    `api.password is missing: proxy.users has no plain password of ${api.user}`,
  );
}

/** Throws ConfigError where no shard is configured. */
export function requireShards({ shards }: Config): void {
  if (shards.length > 0) return;
  throw new ConfigError(
    'there are no shards: list them under shards in the config file, or set DB_SHARD_0_HOST, DB_SHARD_1_HOST, …',
  );
}

function distinct(shards: readonly Shard[]): readonly Shard[] {
  const seen = new Map<string, number>();
  for (const { id, host, port, database } of shards) {
    const place = `${database} on ${host}:${port}`;
    const other = seen.get(place);
    if (other !== undefined) {
      throw new ConfigError(`shards ${other} and ${id} are the same database: ${place}`);
    }
    seen.set(place, id);
  }
  return shards;
}

function requireAdmins(
  admins: readonly string[],
  users: readonly { readonly name: string }[],
  database: string,
): void {
  const unknown = admins.find((admin) => users.every(({ name }) => name !== admin));
  if (unknown !== undefined) {
    throw new ConfigError(`proxy.admins: "${unknown}" is none of proxy.users, who may log in`);
  }
  if (database !== CONSOLE_DATABASE) return;
  throw new ConfigError(
    `proxy.database: "${CONSOLE_DATABASE}" is the operator's console; give the data another name`,
  );
}

function freeze<T>(value: T): T {
  if (value !== null && typeof value === 'object') {
    for (const item of Object.values(value)) freeze(item);
    Object.freeze(value);
  }
  return value;
}
