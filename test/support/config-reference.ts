// The reference tables of docs/config.md, made from the schema of the config file.

import { variableName } from '../../src/control/config-environment.ts';
import type { SchemaNode } from '../../src/control/config-schema.ts';

interface Row {
  readonly path: string;
  readonly takes: string;
  readonly preset: string;
  readonly variable: string;
  readonly about: string;
}

/** One Markdown table per section, in the order of the schema. */
export function configReference(schema: SchemaNode): string {
  const sections = Object.entries(schema.properties ?? {}).map(([name, node]) => {
    const about = node.description ?? '';
    const rows = node.properties === undefined ? rowsOf(node, [name]) : below(node, [name]);
    return [
      `### ${name}`,
      '',
      about.charAt(0).toUpperCase() + about.slice(1).replace(/\.?$/, '.'),
      '',
      '| setting | takes | default | environment | |',
      '|---|---|---|---|---|',
      ...rows.map(
        (row) =>
          `| \`${row.path}\` | ${row.takes} | ${row.preset} | ${row.variable} | ${row.about} |`,
      ),
    ].join('\n');
  });
  return sections.join('\n\n');
}

function below(node: SchemaNode, path: readonly string[]): Row[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, each]) =>
    rowsOf(each, [...path, name]),
  );
}

function rowsOf(node: SchemaNode, path: readonly string[]): Row[] {
  const [rule] = Object.values(node.patternProperties ?? {});
  if (node.properties !== undefined) return [row(node, path, 'section'), ...below(node, path)];
  if (rule !== undefined) {
    return [row(node, path, 'names and rules'), ...below(rule, [...path, '<table>'])];
  }
  if (node.items !== undefined) {
    return [row(node, path, 'list'), ...below(node.items, listItem(path))];
  }
  return [row(node, path, scalar(node))];
}

const listItem = (path: readonly string[]): string[] => [...path.slice(0, -1), `${path.at(-1)}[]`];

function row(node: SchemaNode, path: readonly string[], takes: string): Row {
  const isSingle = node.type !== 'array' && !('properties' in node || 'patternProperties' in node);
  const text = path.join('.');
  const shard = /^shards\[\]\.(.*)$/.exec(text)?.[1];
  const ofShard = `\`DB_SHARD_<n>_${shard === 'database' ? 'NAME' : shard?.toUpperCase()}\``;
  const own = isSingle && !/[[<]/.test(text) ? `\`${variableName(path)}\`` : '';
  return {
    path: text,
    takes,
    preset: node.default === undefined ? '' : `\`${JSON.stringify(node.default)}\``,
    variable: shard === undefined ? own : ofShard,
    about: node.description ?? '',
  };
}

function scalar({ type, enum: allowed, minimum = 0, maximum = 0 }: SchemaNode): string {
  if (allowed !== undefined) return allowed.map((each) => `\`${each}\``).join(', ');
  if (type === 'boolean') return '`true`, `false`';
  if (type !== 'integer') return 'text';
  return maximum === Number.MAX_SAFE_INTEGER ? `${minimum} or more` : `${minimum} to ${maximum}`;
}
