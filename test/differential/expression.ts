// Generator of expressions of a wanted type over the columns in sight.

import type { Random } from '../support/random.ts';
import { condition } from './condition.ts';
import { operation } from './operation.ts';
import { expression, list, literal, type Node, option, type Part } from './tree.ts';
import { LITERALS, type Type } from './type.ts';

export interface Column {
  readonly name: string;
  readonly type: Type;
  /** What stands for it where it is no column but a group or an aggregate. */
  readonly part?: Part;
  /** What the table computes it of: no statement gives it a value. */
  readonly generated?: string;
  /** A value given to it is looked for in another table. */
  readonly refers?: boolean;
}

export interface Relation {
  /** As expressions call it. */
  readonly name: string;
  readonly columns: readonly Column[];
}

/** What names can mean at a place; the relations of outer queries come last. */
export interface Sight {
  readonly own: readonly Relation[];
  readonly outer: readonly Relation[];
}

export const TYPES = Object.keys(LITERALS) as readonly Type[];
export const TEXT_TYPES: readonly Type[] = ['text', 'vc', 'bp', 'ci', 'de', 'cc', 'label', 'named'];
export const ORDERED_TYPES = TYPES.filter((type) => type !== 'jsonb');
/** Types whose values PostgreSQL cannot compare. */
export const WITHOUT_EQUALITY: ReadonlySet<Type> = new Set([
  'json',
  'point',
  'xml',
  'path',
  'box',
  'circle',
]);

/** What gives queries to expressions. */
export interface Queries {
  /** The name of a table. */
  anyTable(): string;
  /** `SELECT …` of one row at most and one column of that type. */
  value(type: Type, sight: Sight, depth: number): Part;
  /** The same of several columns. */
  row(types: readonly Type[], sight: Sight, depth: number): Part;
  /** Any number of rows. */
  rows(types: readonly Type[], sight: Sight, depth: number): Part;
}

export class Expressions {
  readonly random: Random;
  readonly queries: Queries;
  /** Sub-queries that may still be made for this statement. */
  subQueries = 3;

  constructor(random: Random, queries: Queries) {
    this.random = random;
    this.queries = queries;
  }

  literal(type: Type): Node {
    const known = LITERALS[type];
    const value = this.random.chance(0.05) ? 'NULL' : this.random.pick(known.values);
    const written = value === 'NULL' ? `NULL::${known.sql}` : value;
    return literal(type, written, value !== 'NULL' && this.random.chance(0.5));
  }

  /** null: no column of that type is in sight. */
  column(type: Type, sight: Sight): Part | null {
    const outer = sight.outer.length > 0 && this.random.chance(0.25);
    const from = outer ? sight.outer : sight.own;
    const found = from.flatMap((relation) =>
      relation.columns
        .filter((column) => column.type === type)
        .map((column) => ({ relation, column })),
    );
    if (found.length === 0) return null;
    const { relation, column } = this.random.pick(found);
    return this.reference(relation, column, from);
  }

  reference(relation: Relation, column: Column, all: readonly Relation[]): Part {
    if (column.part !== undefined) return column.part;
    const same = all.flatMap((each) => each.columns).filter(({ name }) => name === column.name);
    const bare = same.length === 1 && this.random.chance(0.6);
    return bare ? column.name : `${relation.name}.${column.name}`;
  }

  anyColumn(sight: Sight): { part: Part; type: Type } | null {
    const found = sight.own.flatMap((relation) =>
      relation.columns.map((column) => ({ relation, column })),
    );
    if (found.length === 0) return null;
    const { relation, column } = this.random.pick(found);
    return { part: this.reference(relation, column, sight.own), type: column.type };
  }

  typeInSight(sight: Sight): Type {
    const types = sight.own.flatMap((relation) => relation.columns.map(({ type }) => type));
    const type =
      types.length === 0 || this.random.chance(0.15)
        ? this.random.pick(TYPES)
        : this.random.pick(types);
    // What most is done with a type fails on those.
    return WITHOUT_EQUALITY.has(type) && this.random.chance(0.7) ? 'int' : type;
  }

  of(type: Type, sight: Sight, depth: number): Node {
    const { random } = this;
    if (depth <= 0 || random.chance(0.35)) return this.leaf(type, sight);
    if (random.chance(0.25)) return this.#anyType(type, sight, depth - 1);
    if (this.subQueries > 0 && random.chance(0.06)) {
      this.subQueries -= 1;
      return expression(type, '(', this.queries.value(type, sight, depth - 1), ')');
    }
    return operation(this, type, sight, depth - 1) ?? this.leaf(type, sight);
  }

  leaf(type: Type, sight: Sight): Node {
    const column = this.random.chance(0.85) ? this.column(type, sight) : null;
    return column === null ? this.literal(type) : expression(type, column);
  }

  #anyType(type: Type, sight: Sight, depth: number): Node {
    const { random } = this;
    const one = () => this.of(type, sight, depth);
    switch (random.int(0, 5)) {
      case 0:
        return expression(
          type,
          'CASE WHEN ',
          condition(this, sight, depth),
          ' THEN ',
          one(),
          option(' ELSE ', one()),
          ' END',
        );
      case 1:
        return expression(type, 'coalesce(', list([one(), one()]), ')');
      case 2:
        return type === 'jsonb' ? one() : expression(type, 'nullif(', one(), ', ', one(), ')');
      case 3:
        return expression(type, random.pick(['greatest(', 'least(']), list([one(), one()]), ')');
      case 4: {
        const test = this.typeInSight(sight);
        const [a, b] = [this.of(test, sight, depth), this.literal(test)];
        return expression(type, 'CASE ', a, ' WHEN ', b, ' THEN ', one(), ' ELSE ', one(), ' END');
      }
      default:
        return expression(
          type,
          '(',
          one(),
          `)::${LITERALS[type].column?.split(' COLLATE')[0] ?? LITERALS[type].sql}`,
        );
    }
  }
}
