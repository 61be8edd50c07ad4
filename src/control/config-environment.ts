// Settings from the environment: DRIVE_… for every single setting, DB_SHARD_<n>_… for shards.

import { ConfigError } from './config-error.ts';
import { nearest } from './config-fault.ts';
import type { Environment } from './config-file.ts';
import type { SchemaNode } from './config-schema.ts';

/** One setting from the environment. */
export interface Variable {
  readonly name: string;
  /** As in `['proxy', 'port']`. */
  readonly path: readonly string[];
  readonly value: string;
}

/** The environment's name of a setting: proxy.authTimeoutMs → DRIVE_PROXY_AUTH_TIMEOUT_MS. */
export function variableName(path: readonly string[]): string {
  const words = path.map((step) => step.replaceAll(/([A-Z])/g, '_$1').toUpperCase());
  return `DRIVE_${words.join('_')}`;
}

/** Paths of the settings that hold one value; lists and tables have no variable. */
function settingPaths(schema: SchemaNode, above: readonly string[] = []): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, node]) => {
    const path = [...above, name];
    if (node.properties !== undefined) return settingPaths(node, path);
    return node.type === 'array' || node.patternProperties !== undefined ? [] : [path];
  });
}

/** Flags of `drive up` that are no settings. */
const FLAG_VARIABLES = ['DRIVE_SHARDS', 'DRIVE_SHARD_PORT', 'DRIVE_DATA', 'DRIVE_CONFIG'];

/** Letters by which a name may miss one of ours and still be meant as it; others are not our business. */
const MISSPELT_BY = 2;

/**
 * The settings that `env` has, in the order of the schema; empty values count as not set. Throws
 * ConfigError on a name that is nearly one of ours.
 */
export function settingsFrom(env: Environment, schema: SchemaNode): Variable[] {
  const paths = settingPaths(schema);
  const known = new Set([...paths.map(variableName), ...FLAG_VARIABLES]);
  for (const name of Object.keys(env)) {
    if (!name.startsWith('DRIVE_') || known.has(name)) continue;
    const near = nearest(name, [...known], MISSPELT_BY);
    if (near !== null) throw new ConfigError(`${name} is no setting. Did you mean ${near}?`);
  }
  return paths.flatMap((path) => {
    const name = variableName(path);
    const value = env[name];
    return value === undefined || value === '' ? [] : [{ name, path, value }];
  });
}

/** DB_SHARD_<n>_HOST and its kin → the fields of a shard in the file. */
const SHARD_FIELDS: Readonly<Record<string, string>> = {
  HOST: 'host',
  PORT: 'port',
  USER: 'user',
  PASSWORD: 'password',
  NAME: 'database',
  SSLMODE: 'sslmode',
  SSLROOTCERT: 'sslrootcert',
  SSLCERT: 'sslcert',
  SSLKEY: 'sslkey',
};

/** Shard settings of `env`, at `['shards', '<n>', field]`. Throws ConfigError on an unknown field. */
export function shardsFrom(env: Environment): Variable[] {
  return Object.entries(env).flatMap(([name, value]) => {
    const match = /^DB_SHARD_(\d+)_([A-Z]+)$/.exec(name);
    if (match === null || value === undefined || value === '') return [];
    const field = SHARD_FIELDS[match[2] as string];
    if (field === undefined) {
      const known = Object.keys(SHARD_FIELDS).join(', ');
      throw new ConfigError(`${name}: DB_SHARD_<n>_ is followed by one of ${known}`);
    }
    return [{ name, path: ['shards', String(Number(match[1])), field], value }];
  });
}
