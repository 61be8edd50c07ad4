// With parts: what a WITH that writes is made of, as statements of their own in an order that does the same.

import { quoteName } from '../base/quote.ts';
import type { Call } from '../sql/expression.ts';
import type { CommonTable, FromItem, RowStatement } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import { type Span, type WithText, withText } from '../sql/with-text.ts';
import type { Table } from '../topology/table.ts';
import type { PlanContext } from './context.ts';
import { engineText, tableSpan } from './engine-text.ts';
import { isUnknown, mayWrite, notifies } from './functions.ts';
import { isApart } from './queries-apart.ts';
import { attempt } from './routed.ts';
import { NoMerge } from './splice.ts';
import type { WithPart, WithWritesMerge } from './staged.ts';

type TableItem = Extract<FromItem, { kind: 'table' }>;

/** A WITH query, or the statement behind the clause. */
interface Member {
  readonly statement: RowStatement;
  readonly own: CommonTable | null;
  readonly text: { readonly whole: Span; readonly body: Span };
  /** Members that it names. */
  readonly names: ReadonlySet<number>;
  /** Where it reads tables. */
  readonly items: readonly TableItem[];
  /** Of one that writes: the table, and whether it looks for rows of it. */
  readonly target: string | null;
  readonly scans: boolean;
}

/**
 * `counted`: whose command tag is the answer, the statement's behind WITH or that of the last query in it. Throws
 * NoMerge where they would not do what the whole does.
 */
export function partsOf(
  statement: RowStatement,
  context: PlanContext,
  counted: 'main' | 'written' = 'main',
): WithWritesMerge {
  const { sql, tokens } = context.input;
  const { recursive, tables } = statement.with!;
  const text = withText(tokens, recursive);
  if (text === null || text.tables.length !== tables.length) throw new NoMerge('writingWith');
  if (tokens.some(({ kind, text: word }) => kind === 'word' && word === 'uescape')) {
    throw new NoMerge('writingWith');
  }
  if (statement.kind === 'select' && statement.body.kind === 'simple' && statement.body.into) {
    throw new NoMerge('writingWith');
  }
  if (context.configs.length > 0 || context.lastIds.length > 0 || context.pins.size > 0)
    throw new NoMerge('sequenceFunction');
  const members = membersOf(statement, text, context);
  const count = members.length - (counted === 'main' ? 1 : 2);
  const input = { sql, tokens, recursive, context };
  const made = new Parts(members, input, 'inTurn').merge(count);
  // The only part is the statement itself, which would be taken apart again, and so for ever.
  if (made.parts.length === 1) throw new NoMerge('writingWith');
  if (made.parts.every(({ watch }) => watch === null)) return made;
  const readBefore = attempt(() => new Parts(members, input, 'before').merge(count));
  return 'how' in readBefore ? { ...made, readBefore } : made;
}

function membersOf(statement: RowStatement, text: WithText, context: PlanContext): Member[] {
  const { recursive, tables } = statement.with!;
  const { with: _, ...main } = statement;
  const all = [...tables, { statement: main as RowStatement, name: '', columnAliases: [] }];
  return all.map((each, i): Member => {
    const isMain = i === tables.length;
    const { statement: own } = each;
    const inSight = new Map(
      tables.flatMap(({ name }, j) => (recursive || j < i ? [[name, j] as const] : [])),
    );
    const names = new Set<number>();
    const items: TableItem[] = [];
    for (const item of tableItems(own)) {
      const at = item.relation.schema === null ? inSight.get(item.relation.name) : undefined;
      if (at === undefined) items.push(item);
      else names.add(at);
    }
    if (!isMain && own.with !== null) throw new NoMerge('writingWith');
    const scans = own.kind === 'insert' ? (own.conflict?.assignments.length ?? 0) > 0 : true;
    return {
      statement: own,
      own: isMain ? null : each,
      text: isMain ? { whole: text.main, body: text.main } : text.tables[i]!,
      names,
      items,
      target: own.kind === 'select' ? null : nameOf(own.relation, context),
      scans: own.kind !== 'select' && scans,
    };
  });
}

/** Every place where the tree reads a table or WITH query. Throws NoMerge for unknown functions. */
function tableItems(statement: RowStatement): TableItem[] {
  const items: TableItem[] = [];
  const open: unknown[] = [statement];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const node = next as FromItem | { kind: 'call' };
    if (node.kind === 'table' && 'at' in node) items.push(node);
    if (node.kind === 'call' && mayReadTables(node as Call)) throw new NoMerge('unknownFunction');
    open.push(...Object.values(next).filter((part) => part !== undefined));
  }
  return items;
}

/** What it reads is not known. */
const mayReadTables = (call: Call): boolean => isUnknown(call) && mayWrite(call) && !notifies(call);

const tableOf = ({ schema, name }: TableItem['relation'], { input }: PlanContext): Table | null =>
  input.catalog.table(schema, name, input.searchPath ?? undefined);

function nameOf(relation: TableItem['relation'], context: PlanContext): string {
  const { schema, name } = tableOf(relation, context) ?? relation;
  return schema === null ? quoteName(name) : `${quoteName(schema)}.${quoteName(name)}`;
}

interface PartsInput {
  readonly sql: string;
  readonly tokens: readonly Token[];
  readonly recursive: boolean;
  readonly context: PlanContext;
}

/** What runs by itself: a member, or the reading of a table as it is before any part writes it. */
interface Run {
  /** Of a member, its number; of a table read before, its name as SQL. */
  readonly of: number | string;
  readonly uses: Set<number | string>;
  readonly after: Set<number | string>;
  /** Tables that it or a member within it reads from; `target` beside them. */
  readonly items: readonly TableItem[];
  readonly target: string | null;
}

class Parts {
  readonly #members: readonly Member[];
  readonly #input: PartsInput;
  readonly #reads: 'inTurn' | 'before';
  readonly #runs = new Map<number | string, Run>();

  /** `reads`: before: what a part reads that needs another's rows is read before anything is written. */
  constructor(members: readonly Member[], input: PartsInput, reads: 'inTurn' | 'before') {
    this.#members = members;
    this.#input = input;
    this.#reads = reads;
  }

  /** `counted`: the member whose command tag is the answer. Throws NoMerge. */
  merge(counted: number): WithWritesMerge {
    const needed = this.#needed();
    const apart = needed.filter((i) => this.#isApart(i, needed));
    for (const i of apart) this.#addRun(i, new Set(apart));
    for (const run of [...this.#runs.values()]) this.#orderReads(run);
    const order = this.#sorted();
    const numbers = new Map(order.map((run, n) => [run.of, n]));
    const parts = order.map((run, n) => this.#partOf(run, numbers, order.slice(n + 1)));
    const main = numbers.get(this.#members.length - 1)!;
    return {
      how: 'withWrites',
      parts,
      main,
      counted: numbers.get(counted)!,
      collated: this.#isCollated(),
      readBefore: null,
    };
  }

  /** What is run at all: PostgreSQL leaves away WITH queries that only read and that nothing uses. */
  #needed(): number[] {
    const needed = new Set<number>();
    const open = this.#members.flatMap(({ target, own }, i) =>
      target !== null || own === null ? [i] : [],
    );
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (needed.has(next)) continue;
      needed.add(next);
      open.push(...this.#members[next]!.names);
    }
    return [...needed].sort((a, b) => a - b);
  }

  /** A query that only reads and has one user is a part of that; of several, its rows are the same. */
  #isApart(i: number, needed: readonly number[]): boolean {
    const { target, own, statement } = this.#members[i]!;
    if (target !== null || own === null) return true;
    if (isApart(own.name) || (statement.kind === 'select' && statement.locks.length > 0))
      return true;
    return needed.filter((j) => j !== i && this.#members[j]!.names.has(i)).length > 1;
  }

  /** The members in the text of the i-th, itself first; what has its own run is not followed. */
  #within(i: number, apart: ReadonlySet<number>): { inline: number[]; uses: number[] } {
    const inline = new Set([i]);
    const uses = new Set<number>();
    for (const each of inline) {
      for (const name of this.#members[each]!.names) {
        if (name === i) continue;
        (apart.has(name) ? uses : inline).add(name);
      }
    }
    return { inline: [...inline], uses: [...uses] };
  }

  #addRun(i: number, apart: ReadonlySet<number>): void {
    const { inline, uses } = this.#within(i, apart);
    const { target } = this.#members[i]!;
    this.#runs.set(i, {
      of: i,
      uses: new Set(uses),
      after: new Set(uses),
      items: inline.flatMap((each) => this.#members[each]!.items),
      target,
    });
  }

  /** A table is read before another part writes it; at once, where this part needs that one. */
  #orderReads(run: Run): void {
    const { context } = this.#input;
    const scanned = this.#scanned(run);
    const reads = new Set(run.items.map((item) => nameOf(item.relation, context)));
    const writers = [...this.#runs.values()].filter((each) => each.target !== null);
    if (this.#reads === 'before' && writers.some((writer) => this.#needs(run, writer))) {
      if (run.target === null) for (const table of reads) this.#readBefore(run, table);
    }
    for (const writer of writers) {
      if (writer === run || writer.target === null) continue;
      if (!reads.has(writer.target) && scanned !== writer.target) continue;
      if (!this.#needs(run, writer)) {
        writer.after.add(run.of);
        continue;
      }
      if (scanned === writer.target) throw new NoMerge('withTwice');
      this.#readBefore(run, writer.target);
    }
  }

  #needs(run: Run, other: Run): boolean {
    return [...run.uses].some((of) => of === other.of || this.#needs(this.#runs.get(of)!, other));
  }

  #readBefore(run: Run, table: string): void {
    const items = run.items.filter((item) => nameOf(item.relation, this.#input.context) === table);
    if (items.some(({ only, sampled }) => only || sampled)) throw new NoMerge('writingWith');
    run.uses.add(table);
    run.after.add(table);
    const [item] = items;
    if (!this.#runs.has(table)) {
      this.#runs.set(table, {
        of: table,
        uses: new Set(),
        after: new Set(),
        items: [item!],
        target: null,
      });
    }
    for (const writer of this.#runs.values()) {
      if (writer.target === table || (this.#reads === 'before' && writer.target !== null))
        writer.after.add(table);
    }
  }

  #sorted(): Run[] {
    const order: Run[] = [];
    const open = new Set(this.#runs.values());
    const isDone = (of: number | string) => order.some((run) => run.of === of);
    while (open.size > 0) {
      const next = [...open].find(({ after }) => [...after].every(isDone));
      if (next === undefined) {
        this.#breakCircle([...open]);
        return this.#sorted();
      }
      open.delete(next);
      order.push(next);
    }
    return order;
  }

  /** Two parts that read what the other writes: the rows that one of them reads are read at once. */
  #breakCircle(open: readonly Run[]): void {
    for (const run of open) {
      for (const writer of open) {
        const { target } = writer;
        if (writer === run || target === null || !writer.after.has(run.of)) continue;
        const reads = run.items.some(
          (item) => nameOf(item.relation, this.#input.context) === target,
        );
        if (!reads || this.#scanned(run) === target || this.#needs(writer, run)) continue;
        writer.after.delete(run.of);
        this.#readBefore(run, target);
        return;
      }
    }
    throw new NoMerge('withTwice');
  }

  /** The table in which a member looks for rows to write. */
  #scanned({ of, target }: Run): string | null {
    return typeof of === 'number' && this.#members[of]!.scans ? target : null;
  }

  #isCollated(): boolean {
    const { context } = this.#input;
    const tables = this.#members.flatMap(({ items, statement }) => [
      ...items.map(({ relation }) => tableOf(relation, context)),
      statement.kind === 'select' ? null : tableOf(statement.relation, context),
    ]);
    return tables.some((table) => table?.columns.some(({ collation }) => collation !== null));
  }

  #partOf(
    run: Run,
    numbers: ReadonlyMap<number | string, number>,
    later: readonly Run[],
  ): WithPart {
    const watch = this.#watchOf(run, later);
    if (typeof run.of === 'string') {
      const body = `SELECT * FROM ${run.of}`;
      return { names: [], defs: [], recursive: false, body, watch };
    }
    const { recursive } = this.#input;
    const apart = new Set([...this.#runs.keys()].filter((of) => typeof of === 'number'));
    const { inline } = this.#within(run.of, apart);
    const member = this.#members[run.of]!;
    const isItself = member.names.has(run.of);
    const texts = isItself ? inline : inline.slice(1);
    const defs: WithPart['defs'][number][] = [...run.uses].map((of) => ({
      name: typeof of === 'string' ? this.#beforeName(of) : quoteName(this.#members[of]!.own!.name),
      part: numbers.get(of)!,
      inPlace: typeof of === 'number' && isApart(this.#members[of]!.own!.name),
    }));
    for (const i of texts.sort((a, b) => a - b)) {
      defs.push(this.#textOf(this.#members[i]!.text.whole, run));
    }
    return {
      names: isItself ? [] : (member.own?.columnAliases ?? []),
      defs,
      recursive,
      body: isItself
        ? `SELECT * FROM ${quoteName(member.own!.name)}`
        : this.#textOf(member.text.body, run),
      watch,
    };
  }

  /** The text with the tables that were read before in place of those that are written. */
  #textOf({ from, to }: Span, run: Run): string {
    const { sql, context } = this.#input;
    const tokens = this.#input.tokens.slice(from, to);
    const [first] = tokens;
    if (first === undefined) throw new NoMerge('writingWith');
    const end = tokens.at(-1)!.end;
    const stands = run.items.flatMap((item) => {
      const name = nameOf(item.relation, context);
      if (!run.uses.has(name) || item.at < first.start || item.at >= end) return [];
      const schema = tableOf(item.relation, context)?.schema ?? null;
      return [{ item, schema, span: tableSpan(item, tokens), text: this.#beforeName(name) }];
    });
    const { sharedNames } = context;
    return engineText({ sql, tokens, sharedNames }, stands).slice(first.start);
  }

  #watchOf(run: Run, later: readonly Run[]): WithPart['watch'] {
    if (run.target === null || typeof run.of === 'string') return null;
    const { context } = this.#input;
    const member = this.#members[run.of]!;
    const reads = later.flatMap((each) => {
      const names = each.items.map((item) => nameOf(item.relation, context));
      return [...names.filter((name) => !each.uses.has(name)), this.#scanned(each) ?? []].flat();
    });
    const writes = later.flatMap(({ target }) => target ?? []);
    if (reads.length === 0 && writes.length === 0) return null;
    const inserts = member.statement.kind === 'insert' && !member.scans;
    return { table: run.target, inserts, reads: [...new Set(reads)], writes: [...new Set(writes)] };
  }

  /** What a table is called whose rows were read before a part wrote it; names are cut at 63 bytes. */
  #beforeName(table: string): string {
    const befores = [...this.#runs.keys()].filter((of) => typeof of === 'string');
    return quoteName(`drive.before ${befores.indexOf(table) + 1}`);
  }
}
