// Explain staged: writes whose rows are computed first, as short readable lines.

import type {
  ApartMerge,
  AssignedColumn,
  FoundMerge,
  InsertRowsMerge,
  MergeRowsMerge,
  ModifyRowsMerge,
  ReturnedItem,
  ValuesQuery,
  WithPart,
  WithWritesMerge,
} from './staged.ts';

export function insertLines(merge: InsertRowsMerge): string[] {
  const { source, before, after, key, table, whole, defaulted } = merge;
  const by = key?.index == null ? 'without a key' : `by column ${key.index}`;
  const to = table.kind === 'sharded' ? by : `to ${table.kind}`;
  return [
    `rows: ${typeof source === 'string' ? source : valuesQueryText(source)}`,
    `merge: insert rows ${to}${whole ? ' at once' : ''}${defaulted === null ? '' : ', with defaults'}: ${before}…${after}`,
  ];
}

export function mergeRowsLines(merge: MergeRowsMerge): string[] {
  const { source, split, bySource, table, before, aliases, after, apart, found } = merge;
  if (apart !== null) return apartLines(merge, apart);
  if (found !== null) return [...foundLines(merge, found), ...behindLines(merge)];
  const to = split === null ? 'everywhere' : `by ${split.column}`;
  const words = table.kind === 'home' ? 'to home' : bySource ? `${to}, on all shards` : to;
  return [`rows: ${source}`, `merge: rows ${words}: ${before}… AS ${aliases.join(', ')}${after}`];
}

/** A WITH that writes, part by part. */
export const withLines = ({ parts, main }: WithWritesMerge): string[] =>
  parts.map((part, i) => withPartText(part, i, i === main));

function behindLines({ behind }: ModifyRowsMerge | MergeRowsMerge): string[] {
  if (behind === null) return [];
  const lines = withLines(behind).map((line) => `  ${line}`);
  return ['or, where something else may change a new row:', ...lines];
}

function withPartText({ defs, body }: WithPart, i: number, isMain: boolean): string {
  const texts = defs.map((each) =>
    typeof each === 'string' ? each : `${each.name} of ${each.part + 1}`,
  );
  const clause = texts.length === 0 ? '' : `WITH ${texts.join(', ')} `;
  return `part ${i + 1}${isMain ? ', the answer' : ''}: ${clause}${body}`;
}

export function modifyLines(merge: ModifyRowsMerge): string[] {
  const { verb, table, target, from, where, assignments, evaluated } = merge;
  const values = assignments.map((each) => assignedText(each, evaluated));
  const items = values.length === 0 ? '' : ` ${values.join(', ')}`;
  const source = [`${merge.with}FROM ${target}`, ...(from === '' ? [] : [from])].join(', ');
  return [
    `rows:${items} ${source}${where === '' ? '' : ` ${where}`}`,
    `merge: ${verb} rows of ${table.kind} ${table.name} by ${merge.once ? 'place' : 'key or place'}${returnedText(merge.returning)}`,
    ...behindLines(merge),
  ];
}

const assignedText = ({ column, sql }: AssignedColumn, evaluated: readonly string[]): string =>
  `${column} = ${evaluated.includes(column) ? 'DEFAULT, evaluated before' : (sql ?? 'DEFAULT')}`;

function apartLines({ source, before, aliases }: MergeRowsMerge, apart: ApartMerge): string[] {
  const { on, matched, unmatched, returning } = apart;
  const inserts = unmatched.map(({ condition, insert }) => {
    const when = condition === null ? 'when not matched' : `when not matched and ${condition}`;
    if (insert === null) return `${when}: nothing`;
    return `${when}, by ${insert.key ?? 'its default'}: ${insert.before}…${insert.after}`;
  });
  return [
    `rows: ${source}`,
    `match: ${before}… AS ${aliases.join(', ')} ON ${on}`,
    ...(matched === '' ? [] : [`merge: rows that match: ${matched}`]),
    ...inserts,
    ...(returning === '' ? [] : [`answer: ${returning}`]),
  ];
}

function foundLines(
  { source, before, aliases, table }: MergeRowsMerge,
  found: FoundMerge,
): string[] {
  const clauses = found.clauses.map(({ when, condition, command, values, evaluated }) => {
    const which = `when ${WHENS[when]}${condition === null ? '' : ` and ${condition}`}`;
    const given = values.map((each) => ` ${assignedText(each, evaluated)}`).join(',');
    return `${which}: ${command}${given}`;
  });
  return [
    `rows: ${source}`,
    `match: ${before}… AS ${aliases.join(', ')} ON ${found.on}`,
    ...clauses,
    `merge: rows of ${table.kind} ${table.name} by ${found.once ? 'place' : 'primary key'}`,
    ...(found.returning.length === 0 ? [] : [`answer: ${shownText(found)}`]),
  ];
}

/** What is found with the rows stands in brackets, as the first clause finds it. */
function shownText({ returning, clauses }: FoundMerge): string {
  const texts = returning.map((part) => {
    if (typeof part === 'string') return part;
    return 'found' in part ? `[${clauses[0]!.returned[part.found]!.sql}]` : 'old';
  });
  return texts.join('');
}

const WHENS = {
  matched: 'matched',
  notMatched: 'not matched',
  notMatchedBySource: 'not matched by source',
} as const;

/** What is found with the rows stands in brackets. */
function returnedText(items: readonly ReturnedItem[]): string {
  const texts = items.map((item) => {
    if (item.shows === 'own') return item.sql;
    if (item.shows !== 'parts')
      return `[${item.sql}${item.of === 'found' ? '' : ` of ${item.of}`}]`;
    return item.parts.map((part) => (typeof part === 'string' ? part : `[${part.found}]`)).join('');
  });
  return texts.length === 0 ? '' : ` RETURNING ${texts.join(', ')}`;
}

function valuesQueryText({ with: clause, rows, columns }: ValuesQuery): string {
  const items = rows.map((row) => `(${row.map((item) => item ?? 'DEFAULT').join(', ')})`);
  return `${clause}VALUES ${items.join(', ')} as ${columns.join(', ')}`;
}
