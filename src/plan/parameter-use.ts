// Parameter use: parameters whose type the server may take from elsewhere than the sharding key.

import type { Expression } from '../sql/expression.ts';
import type { InsertStatement, RowStatement } from '../sql/statement.ts';
import type { Catalog } from '../topology/table.ts';
import { TYPE } from '../value/type-oid.ts';
import { isBuiltInType } from './functions.ts';

const INTEGER_TYPES = new Set(['int2', 'int4', 'int8']);
const INTEGER_OIDS: ReadonlySet<number> = new Set([TYPE.int2, TYPE.int4, TYPE.int8]);
const INTEGER_OPERATORS = new Set(['=', '<>', '<', '<=', '>', '>=', '+', '-', '*', '/', '%']);

/**
 * Indexes of parameters that stand where their type may be taken to be other than an integer. The
 * server gives an undeclared parameter one type for the whole statement, by its first use: `$1` of
 * `size = $1 AND user_id = $1` may come as the bytes of a float8, which are another integer's bytes.
 */
export function uncertainParameters(
  statement: RowStatement,
  catalog: Catalog,
): ReadonlySet<number> {
  const use = new ParameterUse(catalog);
  use.visit(statement, false);
  return use.uncertain;
}

class ParameterUse {
  readonly uncertain = new Set<number>();
  readonly #catalog: Catalog;
  #columns: ReadonlyMap<string, boolean> | null = null;
  /** Names given in the statement: a column of that name may be of any type. */
  readonly #given = new Set<string>();

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** `integer`: a parameter in this very place is taken for an integer. */
  visit(value: unknown, integer: boolean): void {
    if (typeof value !== 'object' || value === null) return;
    if (Array.isArray(value)) {
      for (const item of value) this.visit(item, false);
      return;
    }
    const node = value as { readonly kind?: string };
    if (node.kind === 'parameter') {
      if (!integer) this.uncertain.add((value as { readonly index: number }).index);
      return;
    }
    if (node.kind === 'insert') this.#insert(value as InsertStatement);
    else if (!this.#known(value as Expression)) this.#parts(value);
  }

  /** The expressions whose operands' types are known to go together; false for any other. */
  #known(e: Expression): boolean {
    switch (e.kind) {
      case 'cast': {
        const { schema, name, hasModifier } = e.type;
        const integer = INTEGER_TYPES.has(name) && isBuiltInType(schema, name) && !hasModifier;
        this.visit(e.arg, integer);
        return true;
      }
      case 'isNull':
        // Without another use the server takes it for text, and nothing is read from it.
        this.visit(e.arg, true);
        return true;
      case 'operator':
        if (e.left?.kind === 'row' && e.right?.kind === 'row') return this.#rows(e.left, e.right);
        this.#together(e.operator.length === 1 && INTEGER_OPERATORS.has(e.operator[0]!), [
          e.left,
          e.right,
        ]);
        return true;
      case 'distinctFrom':
        this.#together(true, [e.left, e.right]);
        return true;
      case 'between':
        this.#together(true, [e.left, e.low, e.high]);
        return true;
      case 'in':
        if (e.left.kind === 'row') {
          return e.items.every((item) => item.kind === 'row' && this.#rows(e.left, item));
        }
        this.#together(true, [e.left, ...e.items]);
        return true;
      case 'quantified': {
        const items = e.right.kind === 'array' ? e.right.items : [e.right];
        this.#together(true, [e.left, ...items]);
        return true;
      }
      default:
        return false;
    }
  }

  /** Operands that get one common type: an integer where nothing among them says otherwise. */
  #together(compares: boolean, operands: readonly (Expression | null)[]): void {
    const given = operands.filter((each) => each !== null);
    const integer =
      compares &&
      given.some((each) => each.kind !== 'parameter') &&
      given.every((each) => each.kind === 'parameter' || this.#isInteger(each));
    for (const each of given) this.visit(each, integer);
  }

  #rows(left: Expression, right: Expression): boolean {
    if (left.kind !== 'row' || right.kind !== 'row') return false;
    left.items.forEach((item, i) => {
      this.#together(true, [item, right.items[i] ?? null]);
    });
    return true;
  }

  #isInteger(e: Expression): boolean {
    switch (e.kind) {
      case 'column':
        return this.#isIntegerColumn(e.path.at(-1)!);
      case 'constant':
        // A string or NULL takes the type of the others.
        return e.type !== 'decimal' || /^-?\d{1,18}$/.test(e.text);
      case 'cast':
        return INTEGER_TYPES.has(e.type.name);
      default:
        return false;
    }
  }

  #insert(statement: InsertStatement): void {
    const { source, columns, relation } = statement;
    const table = this.#catalog.table(relation.schema, relation.name);
    const names = columns ?? table?.columns.map((column) => column.name) ?? [];
    if (source?.body.kind === 'values') {
      for (const row of source.body.rows) {
        row.forEach((item, i) => {
          this.visit(item, this.#isIntegerColumn(names[i] ?? ''));
        });
      }
      this.#parts({ ...statement, source: { ...source, body: null } });
    } else this.#parts(statement);
  }

  #parts(value: object): void {
    if ('name' in value && 'expression' in value && typeof value.name === 'string') {
      this.#given.add(value.name);
    }
    if ('columnAliases' in value) {
      for (const name of value.columnAliases as readonly string[]) this.#given.add(name);
    }
    for (const [field, part] of Object.entries(value)) {
      const assigns = field === 'value' && 'column' in value;
      const integer =
        field === 'limit' ||
        field === 'offset' ||
        (assigns && this.#isIntegerColumn(value.column as string));
      this.visit(part, integer);
    }
  }

  #isIntegerColumn(name: string): boolean {
    this.#columns ??= integerColumns(this.#catalog);
    return this.#columns.get(name) === true && !this.#given.has(name);
  }
}

/** For each column name whether it is an integer in every table that has it. */
function integerColumns(catalog: Catalog): ReadonlyMap<string, boolean> {
  const columns = new Map<string, boolean>();
  for (const table of catalog.tables()) {
    for (const { name, typeOid } of table.columns) {
      columns.set(name, INTEGER_OIDS.has(typeOid) && (columns.get(name) ?? true));
    }
  }
  return columns;
}
