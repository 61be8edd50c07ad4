// Explain: the plans of several servers put together as the answer to one EXPLAIN.

import type { ExplainMerge } from '../plan/plan.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { decodeDataRow } from '../wire/row.ts';
import { type Cost, costIn, costOfAll, costText } from './explain-cost.ts';
import type { BoundParameters } from './parameters.ts';
import { openShardStream } from './shard-stream.ts';

/** What one server answered: lines of text, or one JSON document. */
export interface ExplainedPart {
  /** What it was asked about. */
  readonly title: string;
  readonly shard: number;
  readonly lines: readonly string[];
}

export interface Explanation {
  /** 0 to 3, as in the manual; null: no SELECT. */
  readonly planClass: number | null;
  readonly shards: readonly number[];
  /** What is pushed to the shards and what is done with their answers. */
  readonly steps: readonly string[];
  readonly parts: readonly ExplainedPart[];
}

/** The text of a row's only column. */
const onlyText = (row: Buffer): string => decodeDataRow(row)[0]?.toString('utf8') ?? '';

/** Asks one server. By the simple protocol where it can be: GENERIC_PLAN wants parameters unbound. */
export async function explainOn(
  connection: ServerConnection,
  sql: string,
  parameters: BoundParameters,
): Promise<readonly string[]> {
  if (parameters.values.length === 0) {
    const { rows } = await query(connection, sql);
    return rows.map(([text]) => text ?? '');
  }
  const lines: string[] = [];
  const stream = await openShardStream(connection, { sql, parameters, resultFormats: [] });
  for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
    lines.push(...batch.map(onlyText));
  }
  await stream.done;
  return lines;
}

/** The values of the answer's one column: a line each as text, else one document. */
export function writeExplanation(
  explanation: Explanation,
  format: ExplainMerge['format'],
): readonly string[] {
  switch (format) {
    case 'text':
      return textLines(explanation);
    case 'json':
      return [jsonText([treeOf(explanation)], 0)];
    case 'yaml':
      return [yamlItems([treeOf(explanation)], 0).join('\n')];
    case 'xml':
      return [
        [
          '<explain xmlns="http://www.postgresql.org/2009/explain">',
          ...xmlElement('Query', treeOf(explanation), 2),
          '</explain>',
        ].join('\n'),
      ];
  }
}

function textLines({ planClass, shards, steps, parts }: Explanation): string[] {
  const kind = planClass === null ? '' : ` (class ${planClass})`;
  const cost = costOfAll(
    planClass,
    parts.map(({ lines: [first] }) => costIn(first)),
  );
  const costs = cost === null ? '' : `  ${costText(cost)}`;
  const lines = [
    `Drive${kind} on ${shards.length === 1 ? 'shard' : 'shards'} ${shards.join(', ')}${costs}`,
  ];
  lines.push(...steps.map((step) => `  ${step}`));
  for (const { title, shard, lines: own } of parts) {
    lines.push(`  ->  ${title} on shard ${shard}`, ...own.map((line) => `        ${line}`));
  }
  return lines;
}

/** A number in the digits that the server has written. */
class Numeral {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Branch = { readonly [key: string]: Tree };
type Tree = string | boolean | null | Numeral | readonly Tree[] | Branch;

const numeral = (value: number): Tree => new Numeral(String(value));

function treeOf({ planClass, shards, steps, parts }: Explanation): Tree {
  const read = parts.map((part) => ({ ...part, tree: parse(part.lines.join('\n'))[0] }));
  const cost = costOfAll(
    planClass,
    read.map(({ tree }) => costOf(tree.Plan)),
  );
  return {
    Plan: {
      'Node Type': 'Drive',
      ...(planClass === null ? {} : { Class: numeral(planClass) }),
      Shards: shards.map(numeral),
      ...(cost === null ? {} : costBranch(cost)),
      Steps: steps,
      Plans: read.map(({ title, shard, tree: { Plan: plan, ...rest } }) => {
        return { 'Node Type': title, Shard: numeral(shard), ...rest, Plans: [plan!] };
      }),
    },
  };
}

/** Of a plan written as JSON; null: it does not say. */
function costOf(plan: Tree | undefined): Cost | null {
  const number = (key: string) => {
    const value = plan !== undefined && isBranch(plan) ? plan[key] : undefined;
    return value instanceof Numeral ? Number(value.text) : null;
  };
  const [startup, total] = [number('Startup Cost'), number('Total Cost')];
  const [rows, width] = [number('Plan Rows'), number('Plan Width')];
  if (startup === null || total === null || rows === null || width === null) return null;
  return { startup, total, rows, width };
}

const costBranch = ({ startup, total, rows, width }: Cost): Branch => ({
  'Startup Cost': new Numeral(startup.toFixed(2)),
  'Total Cost': new Numeral(total.toFixed(2)),
  'Plan Rows': numeral(rows),
  'Plan Width': numeral(width),
});

function parse(json: string): readonly [Branch] {
  return JSON.parse(json, (_, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' ? new Numeral(context?.source ?? String(value)) : value,
  ) as readonly [Branch];
}

const isBranch = (tree: Tree): tree is Branch =>
  typeof tree === 'object' && tree !== null && !Array.isArray(tree) && !(tree instanceof Numeral);

const isList = (tree: Tree): tree is readonly Tree[] => Array.isArray(tree);

/** A value that is neither a list nor a branch, as JSON. */
const scalarText = (tree: Tree): string =>
  tree instanceof Numeral ? tree.text : JSON.stringify(tree);

function jsonText(tree: Tree, indent: number): string {
  const pad = ' '.repeat(indent);
  const inner = ' '.repeat(indent + 2);
  if (isList(tree)) {
    if (tree.every((each) => !isBranch(each))) return `[${tree.map(scalarText).join(', ')}]`;
    const items = tree.map((each) => inner + jsonText(each, indent + 2));
    return `[\n${items.join(',\n')}\n${pad}]`;
  }
  if (!isBranch(tree)) return scalarText(tree);
  const pairs = Object.entries(tree).map(
    ([key, value]) => `${inner}${JSON.stringify(key)}: ${jsonText(value, indent + 2)}`,
  );
  return `{\n${pairs.join(',\n')}\n${pad}}`;
}

/** As PostgreSQL writes YAML: strings quoted as in JSON, numbers bare. */
function yamlItems(items: readonly Tree[], indent: number): string[] {
  const pad = ' '.repeat(indent);
  return items.flatMap((item) => {
    if (!isBranch(item)) return [`${pad}- ${scalarText(item)}`];
    const lines = yamlPairs(item, indent + 2);
    return [`${pad}- ${lines[0]!.trimStart()}`, ...lines.slice(1)];
  });
}

function yamlPairs(branch: Branch, indent: number): string[] {
  const pad = ' '.repeat(indent);
  return Object.entries(branch).flatMap(([key, value]) => {
    if (isList(value)) return [`${pad}${key}: `, ...yamlItems(value, indent + 2)];
    if (isBranch(value)) return [`${pad}${key}: `, ...yamlPairs(value, indent + 2)];
    return [`${pad}${key}: ${scalarText(value)}`];
  });
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

/** As PostgreSQL names elements: the key with hyphens, the items of a list Item, of Plans Plan. */
function xmlElement(key: string, value: Tree, indent: number): string[] {
  const pad = ' '.repeat(indent);
  const name = key.replaceAll(' ', '-').replace(/[^\w.-]/g, '_');
  if (isList(value)) {
    const item = key === 'Plans' ? 'Plan' : 'Item';
    const inner = value.flatMap((each) => xmlElement(item, each, indent + 2));
    return [`${pad}<${name}>`, ...inner, `${pad}</${name}>`];
  }
  if (isBranch(value)) {
    const inner = Object.entries(value).flatMap(([k, v]) => xmlElement(k, v, indent + 2));
    return [`${pad}<${name}>`, ...inner, `${pad}</${name}>`];
  }
  const written = typeof value === 'string' ? value : scalarText(value);
  const text = written.replace(/[&<>]/g, (c) => ESCAPES[c]!);
  return [`${pad}<${name}>${text}</${name}>`];
}
