// Layers of settings put over each other: defaults, file, environment, command line.

import type { Variable } from './config-environment.ts';
import type { SchemaNode } from './config-schema.ts';

type Section = Readonly<Record<string, unknown>>;

function isSection(value: unknown): value is Section {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** `over` on top of `under`: sections are merged, everything else is replaced. */
export function layer(under: unknown, over: unknown): unknown {
  if (over === undefined) return under;
  if (under === undefined) return over;
  // A section over something else would hide a mistake that the check must see.
  if (!isSection(under)) return isSection(over) ? under : over;
  if (!isSection(over)) return over;
  const result: Record<string, unknown> = { ...under };
  for (const [name, value] of Object.entries(over)) result[name] = layer(under[name], value);
  return result;
}

/** `content` with a variable's value in its place; list items are made as needed. */
export function withVariable(content: unknown, { path, value }: Variable): unknown {
  return place(content, path, value);
}

function place(content: unknown, path: readonly string[], value: string): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (/^\d+$/.test(step)) {
    if (content !== undefined && !Array.isArray(content)) return content;
    const list: unknown[] = [...((content as unknown[] | undefined) ?? [])];
    list[Number(step)] = place(list[Number(step)], rest, value);
    return list;
  }
  if (content !== undefined && !isSection(content)) return content;
  return { ...content, [step]: place(content?.[step], rest, value) };
}

/**
 * Texts become numbers and truth values where the schema wants them: that is how they come out of
 * the environment. Empty sections (`proxy:` with nothing below) become missing ones.
 */
export function fitTexts(value: unknown, node: SchemaNode | undefined): unknown {
  if (typeof value === 'string') {
    if (node?.type === 'integer' && /^-?\d{1,15}$/.test(value)) return Number(value);
    if (node?.type === 'boolean' && /^(true|false)$/.test(value)) return value === 'true';
    return value;
  }
  if (Array.isArray(value)) return value.map((item) => fitTexts(item, node?.items));
  if (!isSection(value)) return value ?? undefined;
  const [anyName] = Object.values(node?.patternProperties ?? {});
  const entries = Object.entries(value)
    .map(([name, item]) => [name, fitTexts(item, node?.properties?.[name] ?? anyName)] as const)
    .filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries);
}
