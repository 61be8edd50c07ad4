// The configuration file: YAML or JSON text, with ${NAME} taken from the environment.

import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { ConfigError } from './config-error.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The file's content as data, not yet checked. Throws ConfigError. */
export function readConfigFile(path: string, env: Environment): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    throw new ConfigError(`the config file ${path} ${reason}: give another with --config`, {
      cause: error,
    });
  }
  // JSON is YAML as well.
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    const { line, col } = lineCounter.linePos(problem.pos[0]);
    throw new ConfigError(`${path}:${line}:${col}: ${problem.message.replaceAll('\n', ' ')}`);
  }
  return interpolate(document.toJS() as unknown, env, path);
}

/**
 * Puts environment variables into the texts of `value`: `${NAME}`, or `${NAME:-default}` where the
 * variable may be missing or empty; `$${` is a literal `${`.
 */
function interpolate(value: unknown, env: Environment, place: string): unknown {
  if (typeof value === 'string') return interpolateText(value, env, place);
  if (Array.isArray(value)) return value.map((item) => interpolate(item, env, place));
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([name, item]) => [
    name,
    interpolate(item, env, place),
  ]);
  return Object.fromEntries(entries);
}

function interpolateText(text: string, env: Environment, place: string): string {
  return text.replace(/\$\$\{|\$\{([^}]*)\}?/g, (whole, inside: string | undefined) => {
    if (inside === undefined) return '${';
    const match = /^([A-Za-z_][A-Za-z0-9_]*)(:-(.*))?$/s.exec(inside);
    if (match === null || !whole.endsWith('}')) {
      throw new ConfigError(
        `${place}: ${whole} is no variable: write \${NAME}, \${NAME:-default}, or $\${ for itself`,
      );
    }
    const [, name = '', hasDefault, fallback = ''] = match;
    const value = env[name];
    if (hasDefault !== undefined) return value === undefined || value === '' ? fallback : value;
    if (value !== undefined) return value;
    throw new ConfigError(
      `${place}: the environment has no ${name}: set it, or write \${${name}:-default}`,
    );
  });
}
