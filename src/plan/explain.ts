// Explain: a plan as short readable text, and as JSON.

import type { SqlErrorFields } from '../base/errors.ts';
import type { ClusterQuestion } from './cluster-question.ts';
import { filterText } from './engine-filter.ts';
import { type LeafJoin, withLeaves } from './engine-plan.ts';
import { insertLines, mergeRowsLines, modifyLines, withLines } from './explain-staged.ts';
import type {
  Condition,
  ConditionOperand,
  CursorMerge,
  EngineInput,
  EngineLeaf,
  EngineMerge,
  EverywhereMerge,
  GroupValue,
  KeySource,
  LockedTable,
  Merge,
  Plan,
  Route,
  RoutedPlan,
  RowBound,
  ShardColumn,
  ShardSql,
  SortKey,
} from './plan.ts';
import type { ComputedRow } from './staged.ts';
import type { StrayKeys } from './stray-keys.ts';
import { severalShards } from './unsupported.ts';

/** Lines joined by newlines, without one at the end; parts of a sequence are indented. */
export function explainPlan(plan: Plan): string {
  return linesOf(plan).join('\n');
}

/** bigint values become strings, as JSON numbers would lose digits. */
export function planToJson(plan: Plan): string {
  return JSON.stringify(plan, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
}

function linesOf(plan: Plan): string[] {
  switch (plan.op) {
    case 'empty':
      return ['empty'];
    case 'refused':
      return [`refused: ${errorText(plan.error)}`];
    case 'session':
      return [`session: ${objectText(plan.action)}`];
    case 'sequence':
      return [
        'sequence',
        ...plan.parts.flatMap(({ plan: part }) => linesOf(part).map((line) => `  ${line}`)),
      ];
    case 'routed':
      return routedLines(plan);
  }
}

function routedLines(plan: RoutedPlan): string[] {
  const {
    verb,
    route,
    effect,
    pins,
    releases,
    action,
    copy,
    merge,
    refusal,
    replan,
    unknownTables,
  } = plan;
  const lines = [`${verb || 'unparsed'} ${effect} on ${routeText(route)}`];
  if (copy !== null) lines.push(`copy ${copy}`);
  if (pins.length > 0) lines.push(`pins: ${pins.join(', ')}`);
  if (releases.length > 0) lines.push(`may release: ${releases.join(', ')}`);
  if (action !== null) lines.push(`session: ${objectText(action)}`);
  if (replan) lines.push('planned again for several shards');
  if (unknownTables.length > 0) lines.push('names an unknown table');
  if (plan.asked !== null) lines.push(...askedLines(plan.asked));
  if (plan.asIsAtHome) lines.push('as it is on home only');
  if (plan.strays !== null) lines.push(strayText(plan.strays));
  if (plan.alike.length > 0) {
    lines.push(`copies are made alike behind it: ${plan.alike.map(({ sql }) => sql).join(', ')}`);
  }
  if (refusal !== null) lines.push(`on several shards: ${errorText(refusal)}`);
  if (plan.clock !== null) lines.push(`$${plan.clock + 1} is the time of all`);
  if (merge !== null) lines.push(...mergeLines(merge));
  return lines;
}

function askedLines({ sequences, statistics, sizes, database, marked }: ClusterQuestion): string[] {
  const places = sequences ?? ['every sequence'];
  const measured = sizes === null ? ['every table'] : sizes.map(({ name }) => name);
  const all = database ? [...measured, 'the database'] : measured;
  const asked = [
    ...(places.length === 0 ? [] : [`the places of ${places.join(', ')}`]),
    ...(statistics.length === 0 ? [] : [`the counts of ${statistics.join(', ')}`]),
    ...(all.length === 0 ? [] : [`the size of ${all.join(', ')}`]),
  ];
  const told = asked.length === 0 ? [] : [`told of all shards: ${asked.join('; ')}`];
  return [...told, `as: ${withLeaves(marked, () => '…')}`];
}

function strayText({ onInsert, onUpdate, returned }: StrayKeys): string {
  const events = [...(onInsert ? ['INSERT'] : []), ...(onUpdate ? ['UPDATE'] : [])];
  const found =
    returned === null ? 'looked for behind it' : `told by${returned.replace(',', ' RETURNING')}`;
  return `keys that rows get on ${events.join(' or ')} are ${found}`;
}

const errorText = ({ code, message }: SqlErrorFields) => `${code} ${message}`;

const objectText = (object: object) =>
  Object.entries(object)
    .map(([name, value]) => (name === 'action' ? value : `${name}=${valueText(value)}`))
    .join(' ');

function valueText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return `(${objectText(value)})`;
}

function routeText(route: Route): string {
  switch (route.kind) {
    case 'home':
      return 'home';
    case 'any':
      return 'any shard';
    case 'all':
      return 'all shards';
    case 'shard':
      return `shard ${route.shard}`;
    case 'keys':
      return `keys [${route.keys.map(keyText).join(', ')}]`;
  }
}

function keyText(key: KeySource): string {
  if (key.from === 'constant') return key.value === null ? 'NULL' : String(key.value);
  if (key.from === 'literal') return `${key.negated ? '-' : ''}literal ${key.slot}`;
  return `${key.array ? 'each of ' : ''}$${key.index + 1}`;
}

function mergeLines(merge: Merge): string[] {
  switch (merge.how) {
    case 'write':
      return ['merge: add counts'];
    case 'exportSnapshot':
      return ['each exports its part of one snapshot'];
    case 'setval':
      return [`setval() on every shard of what this gives: ${merge.query}`];
    case 'engine':
      return engineLines(merge);
    case 'engineCopy':
      return ['copied from the engine', ...engineLines(merge.engine)];
    case 'cursor':
      return cursorLines(merge);
    case 'explain': {
      const words = [merge.format, ...(merge.analyzes ? ['run'] : [])];
      const inner = routedLines(merge.inner).map((line) => `  ${line}`);
      return [`explained as ${words.join(', ')}: ${merge.prefix.trimEnd()}`, ...inner];
    }
    case 'reference':
      return [`everywhere: ${merge.rows === null ? 'repeated' : 'rows of home copied'}`];
    case 'everywhere':
      return [everywhereText(merge)];
    case 'copyIn': {
      const { format, key, timed } = merge;
      const by = key === null ? 'to every shard' : `by column ${key.index} (${key.column})`;
      const times = timed === null ? '' : `, at one time: ${timed.sql}`;
      return [`merge: ${format.format} rows ${by}${times}`];
    }
    case 'copyOut':
      return [`merge: ${merge.format} streams${merge.header ? ' with one header' : ''}`];
    case 'insert': {
      const rows = merge.rows.map((row, i) => `  ${keyText(merge.keys[i]!)}: ${row}`);
      rows.push(...(merge.computed?.rows ?? []).map(computedText));
      return [`merge: insert by row: ${merge.before}…${merge.after}`, ...rows];
    }
    case 'insertRows':
      return insertLines(merge);
    case 'modifyRows':
      return modifyLines(merge);
    case 'makeTable':
      return [`home: ${merge.create}`, ...mergeLines(merge.rows)];
    case 'keepView':
      return ['home: fills it', ...merge.tables.map(({ name }) => `  with all rows of ${name}`)];
    case 'withWrites':
      return withLines(merge);
    case 'mergeRows':
      return mergeRowsLines(merge);
    case 'concat': {
      const line = [merge.sort.length > 0 ? 'merge: sorted' : 'merge: concat'];
      if (merge.hiddenColumns > 0) line.push(`hidden ${merge.hiddenColumns}`);
      if (merge.locks === 'byShard') line.push('in shard order');
      else if (merge.locks !== null) line.push(...merge.locks.map(lockText));
      return [
        `each: ${shardText(merge.shardSql)}`,
        line.concat(tailOf(merge, columnText)).join(' '),
      ];
    }
    case 'aggregate': {
      const states = merge.states.map(({ combine, column }) => `${combine}@${column}`);
      const line = [`merge: groups by ${merge.groupCount}`];
      if (states.length > 0) line.push(`states [${states.join(', ')}]`);
      line.push(`output [${merge.output.map(groupText).join(', ')}]`);
      if (merge.having !== null) line.push(`having ${conditionText(merge.having)}`);
      return [
        `each: ${shardText(merge.shardSql)}`,
        line.concat(tailOf(merge, groupText)).join(' '),
      ];
    }
  }
}

function cursorLines({ streamed, engine, options }: CursorMerge): string[] {
  if (streamed !== null) return ['a cursor of each shard', ...mergeLines(streamed)];
  return [
    'a cursor of the engine',
    ...(engine === null ? [] : engineLines(engine)),
    `WHERE CURRENT OF it: ${errorText(severalShards('currentOf'))}`,
    `of some whole rows: ${errorText(severalShards('cursorRow'))}`,
    ...(options.hold ? [`beside other state: ${errorText(severalShards('cursorHold'))}`] : []),
  ];
}

const lockText = ({ table, strength, wait }: LockedTable) =>
  `then FOR ${strength} of ${table}${wait === 'wait' ? '' : ` ${WAITS[wait]}`}`;

const WAITS = { skip: 'SKIP LOCKED', error: 'NOWAIT' } as const;

function computedText({ before, key, after }: ComputedRow): string {
  const isText = typeof key === 'string';
  const name = isText ? key : 'sql' in key ? `computed ${key.sql}` : keyText(key);
  return `  ${name}: (${[...before, '…', ...after].join(', ')})`;
}

const joinText = ({ column, from, fromColumn }: LeafJoin): string =>
  `${column} in leaf ${from + 1} ${fromColumn}`;

function engineLines(merge: EngineMerge): string[] {
  const { alone, within, tellsTime, readsHome, refusal } = merge;
  const leafLine = (all: readonly LeafJoin[], leaf: EngineLeaf, i: number) => {
    const { table, only, sample, columns, format, isSharded, keys, filters, identified } = leaf;
    const where = filters.length === 0 ? '' : ` where ${filters.map(filterText).join(' and ')}`;
    const which = isSharded ? '' : ' of home';
    const by = keys === null ? '' : ` keys [${keys.map(keyText).join(', ')}]`;
    const drawn = sample === '' ? '' : ` ${sample}`;
    const name = `${only ? 'ONLY ' : ''}${table} (${columns.join(', ')})${drawn}`;
    const how = `${format === 'text' ? ' as text' : ''}${identified ? ' with places' : ''}`;
    const joins = all.filter((join) => join.leaf === i).map(joinText);
    const wanted = joins.length === 0 ? '' : ` wanted by ${joins.join(' or ')}`;
    return `leaf ${i + 1}: ${name}${which}${by}${where}${how}${wanted}`;
  };
  const linesOf = (leaves: readonly EngineLeaf[], { joins }: EngineInput) =>
    leaves.map((leaf, i) => leafLine(joins, leaf, i));
  const all = linesOf([...alone.leaves, ...merge.beside], alone);
  const lines = [...all, `merge: engine: ${alone.sql}`];
  if (merge.locks !== null) {
    const { tables, limit, offset } = merge.locks;
    const rest = tailOf({ sort: [], distinct: false, limit, offset }, columnText);
    lines.push([...tables.map(lockText), ...rest].join(' '));
  }
  for (const { small, route, merge: rest } of merge.broadcasts) {
    const given = small.map((leaf) => `leaf ${leaf + 1}`).join(', ');
    const parts = mergeLines(rest).map((line) => `  ${line}`);
    lines.push(`or, where only ${given} is small, on ${routeText(route)}`, ...parts);
  }
  if (readsHome) lines.push('with home tables');
  if (within === null) return [...lines, `in a transaction: ${errorText(refusal)}`];
  if (tellsTime) lines.push(`in a transaction block: ${errorText(refusal)}`);
  if (within === alone) return lines;
  return [...lines, `in a transaction: ${within.sql}`, ...linesOf(within.leaves, within)];
}

const MODES = {
  transaction: 'in one transaction',
  each: 'shard by shard',
  either: 'shard by shard outside of a transaction block',
  apart: `shard by shard, in a transaction block: ${errorText(severalShards('refreshBlock'))}`,
  block: 'in a transaction block',
  servers: 'once on each server',
} as const;

function everywhereText(merge: EverywhereMerge): string {
  const { mode, homeMayBeAlone, creates, converts, onlyAtHome, elsewhere, pieces } = merge;
  const words: string[] = [`everywhere: ${MODES[mode]}`];
  if (homeMayBeAlone) words.push('or on home alone');
  const by = (keyColumn: string | null) => (keyColumn === null ? '' : ` by ${keyColumn}`);
  for (const { kind, keyColumn } of creates) words.push(`makes a ${kind} table${by(keyColumn)}`);
  for (const { relation, kind, keyColumn } of converts) {
    words.push(`behind making ${relation.name} a ${kind} table${by(keyColumn)}`);
  }
  if (onlyAtHome !== null) words.push(`elsewhere ${errorText(onlyAtHome)}`);
  if (elsewhere !== null) words.push(`but for home: ${elsewhere}`);
  if (pieces.length > 0) words.push('each by itself where not all is there');
  return words.join(', ');
}

interface Tail<Column> {
  readonly sort: readonly SortKey<Column>[];
  readonly distinct: boolean;
  readonly limit: RowBound;
  readonly offset: RowBound;
}

function tailOf<Column>(tail: Tail<Column>, text: (column: Column) => string): string[] {
  const words: string[] = [];
  if (tail.distinct) words.push('distinct');
  if (tail.sort.length > 0) {
    const keys = tail.sort.map(({ column, descending, nullsFirst }) =>
      [text(column), descending ? 'desc' : 'asc', nullsFirst ? 'nulls first' : 'nulls last'].join(
        ' ',
      ),
    );
    words.push(`by [${keys.join(', ')}]`);
  }
  if (tail.limit !== null) words.push(`limit ${boundText(tail.limit)}`);
  if (tail.offset !== null) words.push(`offset ${boundText(tail.offset)}`);
  return words;
}

function boundText(bound: Exclude<RowBound, null>): string {
  if (bound.from === 'parameter') return `$${bound.index + 1}`;
  return bound.value === null ? 'NULL' : String(bound.value);
}

const shardText = ({ before, after, pushLimit }: ShardSql) =>
  before + (pushLimit ? ' LIMIT …' : '') + after;

const columnText = (column: ShardColumn) =>
  'index' in column ? `column ${column.index}` : `last-${column.fromEnd}`;

const groupText = ({ from, index }: GroupValue) => `${from} ${index}`;

function conditionText(condition: Condition): string {
  switch (condition.op) {
    case 'and':
    case 'or':
      return `(${condition.args.map(conditionText).join(` ${condition.op} `)})`;
    case 'not':
      return `not ${conditionText(condition.arg)}`;
    case 'isNull':
      return `${groupText(condition.value)} is null`;
    default:
      return `${operandText(condition.left)} ${condition.op} ${operandText(condition.right)}`;
  }
}

function operandText(operand: ConditionOperand): string {
  if (operand.from === 'literal') return operand.kind === 'null' ? 'NULL' : operand.text;
  if (operand.from === 'parameter') return `$${operand.index + 1}`;
  return groupText(operand);
}
