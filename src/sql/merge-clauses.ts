// Merge clauses: where the WHENs of a MERGE and what they insert stand in its text.

import { closing, isFree, itemsBetween, nestingOf, type Range } from './clause.ts';
import { assignmentTexts, type ReturningText, returningTexts } from './modify-text.ts';
import type { Token } from './token.ts';

export interface MergeClauses {
  /** [ONLY] t [*] [AS a] */
  readonly target: string;
  /** The condition of ON. */
  readonly on: string;
  readonly whens: readonly WhenText[];
  /** Where the first of them begins in the statement's text. */
  readonly whensStart: number;
  /** RETURNING …, or ''. */
  readonly returning: string;
  /** Its items; WITH (OLD AS …) is none of them. */
  readonly items: readonly ReturningText[];
  /** Those that are a star by itself. */
  readonly stars: readonly Range[];
  /** Where `returning` begins in the statement's text. */
  readonly returningStart: number;
}

/** One WHEN. */
export interface WhenText {
  readonly text: string;
  /** Of AND; null: none. */
  readonly condition: string | null;
  /** What stands behind THEN. */
  readonly action: string;
  /** What SET assigns, one by one; empty: nothing. */
  readonly assigned: readonly string[];
  /** The items of VALUES, and the action's text before the first and behind the last; null: none. */
  readonly values: {
    readonly before: string;
    readonly items: readonly string[];
    readonly after: string;
  } | null;
}

/** Of a MERGE whose parts are certain otherwise; null where these are not. */
export function mergeClauses(sql: string, tokens: readonly Token[]): MergeClauses | null {
  const reader = new ClauseReader(sql, tokens);
  return reader.read();
}

class ClauseReader {
  readonly #sql: string;
  readonly #tokens: readonly Token[];
  /** Brackets and CASEs that are open around each token. */
  readonly #depths: readonly number[];

  constructor(sql: string, tokens: readonly Token[]) {
    this.#sql = sql;
    this.#tokens = tokens;
    this.#depths = nestingOf(tokens);
  }

  read(): MergeClauses | null {
    const merge = this.#at('merge', 0);
    const using = this.#at('using', merge + 1);
    const starts: number[] = [];
    for (let i = this.#at('when', using + 1); i >= 0; i = this.#at('when', i + 1)) starts.push(i);
    const on = conditionOf(this.#tokens, this.#depths, using, starts[0] ?? 0);
    if (merge < 0 || using < 0 || on < 0 || starts.length === 0) return null;
    if (this.#tokens[merge + 1]?.text !== 'into') return null;
    const returning = this.#at('returning', starts.at(-1)!);
    const end = returning < 0 ? this.#tokens.length : returning;
    const whens = starts.map((start, i) => this.#when(start, starts[i + 1] ?? end));
    if (!whens.every((when) => when !== null)) return null;
    return {
      target: this.#text(merge + 2, using),
      on: this.#text(on + 1, starts[0]!),
      whens,
      whensStart: this.#tokens[starts[0]!]!.start,
      returning: this.#text(end, this.#tokens.length),
      items: returning < 0 ? [] : returningTexts(this.#split, returning),
      stars: returning < 0 ? [] : this.#stars(returning),
      returningStart: this.#tokens[end]?.start ?? this.#sql.length,
    };
  }

  get #split() {
    return { sql: this.#sql, tokens: this.#tokens, depths: this.#depths };
  }

  #when(start: number, end: number): WhenText | null {
    const then = this.#at('then', start);
    if (then < 0 || then >= end) return null;
    const and = this.#at('and', start);
    const condition = and >= 0 && and < then ? this.#text(and + 1, then) : null;
    const values = this.#at('values', then);
    const text = this.#text(start, end);
    const action = this.#text(then + 1, end);
    const open = values + 1;
    const assigned = this.#assigned(then, end);
    if (assigned === null) return null;
    if (values < 0 || values >= end || this.#tokens[values - 1]!.text === 'default') {
      return { text, condition, action, assigned, values: null };
    }
    const close = closing(this.#tokens, open);
    if (this.#tokens[open]?.text !== '(' || close !== end - 1) return null;
    const items = itemsBetween(this.#tokens, this.#depths, open + 1, close);
    return {
      text,
      condition,
      action,
      assigned,
      values: {
        before: this.#text(then + 1, open + 1),
        items: items.map(([from, to]) => this.#text(from, to)),
        after: this.#text(close, end),
      },
    };
  }

  #assigned(then: number, end: number): readonly string[] | null {
    if (this.#tokens[then + 2]?.text !== 'set') return [];
    const items = assignmentTexts(this.#split, then + 3, end);
    return items?.flatMap(({ values }) => values) ?? null;
  }

  #stars(returning: number): Range[] {
    return this.#tokens.filter(({ text }, i) => {
      if (i <= returning || text !== '*' || this.#depths[i] !== 0) return false;
      const before = this.#tokens[i - 1]!.text;
      const after = this.#tokens[i + 1]?.text;
      const begins =
        i === returning + 1 || before === ',' || (before === ')' && this.#isBehindWith(i));
      return begins && (after === undefined || after === ',');
    });
  }

  /** RETURNING WITH (OLD AS o, NEW AS n) */
  #isBehindWith(i: number): boolean {
    const open = this.#tokens.findIndex(
      ({ text }, from) => text === '(' && closing(this.#tokens, from) === i - 1,
    );
    return this.#tokens[open - 1]?.text === 'with' && this.#tokens[open - 2]?.text === 'returning';
  }

  #at(word: string, from: number): number {
    return this.#tokens.findIndex(
      ({ kind, text }, i) =>
        i >= from &&
        kind === 'word' &&
        text === word &&
        this.#depths[i] === 0 &&
        isFree(this.#tokens, i),
    );
  }

  #text(from: number, to: number): string {
    if (to <= from) return '';
    return this.#sql.slice(this.#tokens[from]!.start, this.#tokens[to - 1]!.end);
  }
}

/** The ON of the MERGE itself, behind those of joins in its source; -1: none. */
export const conditionOf = (
  tokens: readonly Token[],
  depths: readonly number[],
  using: number,
  when: number,
): number =>
  tokens.findLastIndex(
    ({ kind, text }, i) =>
      i > using &&
      i < when &&
      kind === 'word' &&
      text === 'on' &&
      depths[i] === 0 &&
      isFree(tokens, i),
  );
