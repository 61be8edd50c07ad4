// Aggregation: a SELECT whose groups span shards, as partial aggregates that the merge combines.

import { callText } from '../sql/clause.ts';
import type { Call, Expression } from '../sql/expression.ts';
import { groupsByBytes, sortsByBytes } from './collation.ts';
import { hasWindows } from './distributable.ts';
import { isAggregate } from './functions.ts';
import { type Operands, planHaving } from './having.ts';
import type { AggregateMerge, AggregateState, GroupValue, ShardSql, SortKey } from './plan.ts';
import { keyClassOf } from './restriction.ts';
import { sameExpression } from './same.ts';
import {
  isRepeatable,
  NoMerge,
  outputColumn,
  rowBound,
  type SplicedSelect,
  sortExpression,
  targetText,
  type Written,
} from './splice.ts';

/** Throws NoMerge where the groups of several shards cannot be combined exactly. */
export function planAggregate(spliced: SplicedSelect): AggregateMerge {
  const { select, body, clauses } = spliced;
  if (body.groupingSets) throw new NoMerge('groupingSets');
  if (body.distinct === 'on') throw new NoMerge('distinctOn');
  if (hasWindows(select, body)) throw new NoMerge('window');
  if (select.withTies) throw new NoMerge('limitExpression');
  if (clauses.clauses.has('for')) throw new NoMerge('lockLimit');
  const groups = body.group.map((_, index) => groupExpression(spliced, index));
  const builder = new GroupBuilder(spliced, groups);
  const output = body.targets.map(({ expression }) => builder.value(expression));
  const sort = select.order.map((item, index): SortKey<GroupValue> => {
    if (item.using) throw new NoMerge('sortUsing');
    const { expression } = sortExpression(spliced, index);
    if (!sortsByBytes(expression, spliced.level.scope, spliced.context)) {
      throw new NoMerge('sortCollation');
    }
    const { descending, nullsFirst } = item;
    return { column: builder.value(expression), descending, nullsFirst };
  });
  const { scope } = spliced.level;
  const operands: Operands = {
    find: (each) => builder.find(each),
    comparesByBytes: (each, sorts) =>
      sorts
        ? sortsByBytes(each, scope, spliced.context)
        : groupsByBytes(each, scope, spliced.context),
  };
  const having = body.having === null ? null : planHaving(body.having, operands);
  return {
    how: 'aggregate',
    shardSql: builder.sql(),
    groupCount: groups.length,
    states: builder.states,
    output,
    having,
    sort,
    distinct: body.distinct === 'all',
    limit: rowBound(select.limit),
    offset: rowBound(select.offset),
  };
}

/** What a GROUP BY item means: a column, else an output column by alias or number. */
function groupExpression(spliced: SplicedSelect, index: number): Written {
  const { body, level, clauses, sql, context } = spliced;
  const { scope } = level;
  const expression = body.group[index]!;
  const range = clauses.groupItems[index]!;
  let written: Written = { expression, text: sql.slice(range.start, range.end) };
  if (expression.kind === 'constant' && expression.type === 'integer') {
    written = outputColumn(spliced, Number(expression.text) - 1);
  } else if (expression.kind === 'column' && expression.path.length === 1) {
    const found = scope.find(expression.path);
    if (found === null || found.outer) {
      const alias = body.targets.findIndex((target) => target.name === expression.path[0]);
      if (!scope.knowsAllColumns || alias < 0) throw new NoMerge('sortExpression');
      const target = body.targets[alias]!;
      written = { expression: target.expression, text: targetText(spliced, alias) };
    }
  }
  if (!isRepeatable(written.expression, context.input.catalog)) throw new NoMerge('sortExpression');
  if (!groupsByBytes(written.expression, scope, context)) throw new NoMerge('collatedGroup');
  return written;
}

const COMBINED = new Set(['count', 'sum', 'min', 'max', 'avg']);

class GroupBuilder {
  readonly states: AggregateState[] = [];
  readonly #spliced: SplicedSelect;
  readonly #groups: readonly Written[];
  readonly #calls: Call[] = [];
  readonly #columns: string[];

  constructor(spliced: SplicedSelect, groups: readonly Written[]) {
    this.#spliced = spliced;
    this.#groups = groups;
    this.#columns = groups.flatMap(({ text }) => [text, text]);
  }

  /** The value of an output or sort expression. Throws NoMerge for an expression over several. */
  value(expression: Expression): GroupValue {
    const value = this.find(expression);
    if (value === null) throw new NoMerge('aggregateExpression');
    return value;
  }

  /** null: neither a grouping expression nor an aggregate alone. */
  find(expression: Expression): GroupValue | null {
    const { scope } = this.#spliced.level;
    const group = this.#groups.findIndex((g) => sameExpression(g.expression, expression, scope));
    if (group >= 0) return { from: 'group', index: group };
    if (expression.kind !== 'call' || !isAggregate(expression)) return null;
    const known = this.#calls.findIndex((call) => sameExpression(call, expression, scope));
    if (known >= 0) return { from: 'state', index: known };
    this.#add(expression);
    return { from: 'state', index: this.states.length - 1 };
  }

  #add(call: Call): void {
    const { context, level, sql } = this.#spliced;
    const { name, schema } = call;
    if (!COMBINED.has(name) || (schema !== null && schema !== 'pg_catalog')) {
      throw new NoMerge('aggregate');
    }
    // What it computes of values that it may mean is known to the servers only.
    if (schema === null && context.input.catalog.ownAggregates.has(name)) {
      throw new NoMerge('aggregate');
    }
    if (call.order.length > 0 || call.withinGroup) throw new NoMerge('aggregate');
    const picks = name === 'min' || name === 'max';
    const [arg] = call.args;
    if (call.distinct && !picks && !this.#isOneKey(arg)) throw new NoMerge('aggregate');
    if (picks && !(arg !== undefined && sortsByBytes(arg, level.scope, context))) {
      throw new NoMerge('sortCollation');
    }
    if (call.args.some((each) => !isRepeatable(each, context.input.catalog)))
      throw new NoMerge('sortExpression');
    if (call.filter !== null && !isRepeatable(call.filter, context.input.catalog, true))
      throw new NoMerge('sortExpression');
    const text = callText(sql, context.input.tokens, call.at);
    if (text === null) throw new NoMerge('text');
    const callOf = (of: string) => `${of}(${text.inner})${text.filter}`;
    const partial = (of: string) => `pg_catalog.${callOf(of)}`;
    // A type of an extension's may have its own, which its name means then.
    const own = schema === null ? callOf(name) : partial(name);
    const combine = name as AggregateState['combine'];
    const column = this.#columns.length;
    this.states.push(
      combine === 'avg'
        ? { combine, column, variance: partial('var_pop'), varianceColumn: null }
        : { combine, column },
    );
    this.#calls.push(call);
    if (picks) this.#columns.push(own, own);
    else if (name === 'avg') this.#columns.push(partial('sum'), partial('count'));
    else this.#columns.push(own);
  }

  /** Values of the sharding key on two shards are never the same. */
  #isOneKey(arg: Expression | undefined): boolean {
    return arg !== undefined && keyClassOf(arg, this.#spliced.level.scope) !== null;
  }

  /** The shard's statement: its own select list, FROM and WHERE as they are, all groups. */
  sql(): ShardSql {
    const { clauses, sql } = this.#spliced;
    const { select } = clauses;
    const from = clauses.clauses.get('from')!;
    const end = clauses.clauses.get('where')?.end ?? from.end;
    const groups = this.#groups.map((_, index) => 2 * index + 1);
    const groupBy = groups.length === 0 ? '' : ` GROUP BY ${groups.join(', ')}`;
    // A select list without columns is no way to ask for groups alone.
    return {
      before: `${sql.slice(0, select.end)} ${this.#columns.join(', ')}`,
      after: ` ${sql.slice(from.start, end)}${groupBy}`,
      pushLimit: false,
    };
  }
}
