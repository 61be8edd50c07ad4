// Settings: the configuration as a list of names and values, and which of them RELOAD can change.

import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { type Config, loadConfig } from '../control/config.ts';
import type { SeatRules } from '../session/seats.ts';

export interface Setting {
  /** `proxy.port`, `shards[0].host`. */
  readonly key: string;
  readonly value: string | null;
  readonly preset: string | null;
}

const SECRET = '[secret]';

/** What takes effect while clients stay connected; everything else needs a new start. */
const RELOADABLE: readonly RegExp[] = [
  /^proxy\.(users|admins|trust|tls|authQuery)\b/,
  /^proxy\.(auth|clientsMax|authTimeoutMs|drainTimeoutMs)$/,
  /^proxy\.(statementTimeoutMs|idleInTransactionTimeoutMs|idleTimeoutMs)$/,
  /^pool\./,
  /^shards\[\d+\]\.pool(Size|Mode)$/,
  /^merge\./,
  /^log\.level$/,
];

export function isReloadable(key: string): boolean {
  return RELOADABLE.some((pattern) => pattern.test(key));
}

/** Every setting in the order of the configuration; passwords are not shown. */
export function listSettings(config: Config): Setting[] {
  const presets = new Map(flat(loadConfig({ env: {} }), ''));
  return flat(config, '').map(([key, value]) => ({ key, value, preset: presets.get(key) ?? null }));
}

/** The places that a configuration gives to clients. */
export function seatRules({ proxy: { clientsMax, users } }: Config): SeatRules {
  const bounded = users.flatMap(({ name, clientsMax: own }) =>
    own === undefined ? [] : [[name, own] as const],
  );
  return { clientsMax, clientsMaxOf: new Map(bounded) };
}

/** What `read` makes of the configuration of now. Throws SqlError F0000 with what is wrong with it. */
export function readAgain<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new SqlError({ code: SQLSTATE.configFileError, message }, { cause: error });
  }
}

/** What of `next` a running proxy cannot put in force, a line each. */
export function waitingSettings(current: Config, next: Config): readonly string[] {
  return changedSettings(current, next)
    .filter((key) => !isReloadable(key))
    .map((key) => `${key} takes effect when the proxy is started anew`);
}

/** The keys whose values differ, secrets included. */
export function changedSettings(before: Config, after: Config): string[] {
  const old = new Map(flat(before, '', true));
  const now = new Map(flat(after, '', true));
  const keys = new Set([...old.keys(), ...now.keys()]);
  return [...keys].filter((key) => old.get(key) !== now.get(key));
}

function flat(value: unknown, path: string, withSecrets = false): [string, string | null][] {
  if (value === null || typeof value !== 'object') {
    const isSecret = /(^|\.)password$/.test(path) && !withSecrets;
    return [[path, isSecret ? SECRET : value === null ? null : String(value)]];
  }
  const entries: [string, unknown][] = Array.isArray(value)
    ? value.map((item, i) => [`${path}[${i}]`, item])
    : Object.entries(value).map(([name, item]) => [path === '' ? name : `${path}.${name}`, item]);
  return entries.flatMap(([key, item]) => flat(item, key, withSecrets));
}
