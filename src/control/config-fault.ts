// What the schema objects to, in words: the place, the value, what is allowed there.

import { ConfigError } from './config-error.ts';
import type { SchemaFault, SchemaNode } from './config-schema.ts';

/** `shards[0].port` for ['shards', '0', 'port']. */
export function pathText(path: readonly string[]): string {
  return path
    .map((step, i) => (/^\d+$/.test(step) && i > 0 ? `[${step}]` : `${i === 0 ? '' : '.'}${step}`))
    .join('');
}

/** The schema of the place; undefined where it has none. */
function nodeAt(schema: SchemaNode, path: readonly string[]): SchemaNode | undefined {
  let node: SchemaNode | undefined = schema;
  for (const step of path) {
    node =
      node?.items ?? node?.properties?.[step] ?? Object.values(node?.patternProperties ?? {})[0];
  }
  return node;
}

/** `place` says where the value was given: the file or the environment's variable. */
export function describeFault(
  fault: SchemaFault,
  content: unknown,
  schema: SchemaNode,
  place: string,
): ConfigError {
  const { path, keyword } = fault;
  const where = `${place}: ${pathText(path)}`;
  const parent = nodeAt(schema, path.slice(0, -1));
  const name = path.at(-1) ?? '';
  if (keyword === 'required') return new ConfigError(`${where} is missing`);
  if (keyword === 'boolean' || keyword === 'additionalProperties') {
    const known = Object.keys(parent?.properties ?? {});
    const near = nearest(name, known);
    const advice = near === null ? '' : ` Did you mean ${near}?`;
    return new ConfigError(
      `${where} is no setting.${advice} There are: ${known.sort().join(', ')}`,
    );
  }
  const expected = expectation(nodeAt(schema, path) ?? {});
  if (name === 'password') return new ConfigError(`${where} must be ${expected}`);
  return new ConfigError(`${where} is ${shown(valueAt(content, path))}: it must be ${expected}`);
}

/** What a place takes: "a whole number from 0 to 65535". */
function expectation(node: SchemaNode): string {
  if (node.enum !== undefined) return `one of ${node.enum.join(', ')}`;
  switch (node.type) {
    case 'integer': {
      const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = node;
      const range = maximum === Number.MAX_SAFE_INTEGER ? `${minimum}` : `${minimum} to ${maximum}`;
      return `a whole number from ${range}${maximum === Number.MAX_SAFE_INTEGER ? ' up' : ''}`;
    }
    case 'boolean':
      return 'true or false';
    case 'array':
      return `a list${node.minItems === undefined ? '' : ` of at least ${node.minItems}`}${
        node.maxItems === undefined ? '' : ` of at most ${node.maxItems}`
      }`;
    case 'string':
      return node.minLength === 0 ? 'a text' : 'a text that is not empty';
    default:
      return 'a section (names and values)';
  }
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function valueAt(content: unknown, path: readonly string[]): unknown {
  let value = content;
  for (const step of path) value = (value as Record<string, unknown> | undefined)?.[step];
  return value;
}

/** The known name that a typing mistake is closest to; null if none is as close as `most` letters. */
export function nearest(
  name: string,
  known: readonly string[],
  most = Math.max(2, name.length / 3),
): string | null {
  const lower = name.toLowerCase();
  const ranked = known
    .map((candidate) => ({ candidate, distance: distance(lower, candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= most ? best.candidate : null;
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(change, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
