// DDL parts: statements of DDL within another statement, each of which sees what those before it have made.

import { parseSql } from '../sql/parser.ts';
import type { CreateTableStatement, RelationName, UtilityStatement } from '../sql/statement.ts';
import { type Token, withoutSemicolons } from '../sql/token.ts';
import type { Catalog, Column, Table } from '../topology/table.ts';
import { PlanContext } from './context.ts';
import { creationSchema } from './ddl.ts';
import type { Plan, RoutedPlan } from './plan.ts';

export interface DdlPart {
  readonly sql: string;
  readonly tokens: readonly Token[];
  readonly statement: UtilityStatement | CreateTableStatement;
}

/** Plans a statement by itself. */
export type PlanPart = (statement: DdlPart['statement'], context: PlanContext) => Plan;

/** null: the text is not one statement that may be DDL. */
export function parsePart(sql: string): DdlPart | null {
  const parsed = parseSql(sql);
  const [only, ...others] = parsed?.statements ?? [];
  if (parsed === null || only === undefined || others.length > 0) return null;
  const { statement } = only;
  if (statement.kind !== 'createTable' && statement.kind !== 'utility') return null;
  return { sql, tokens: withoutSemicolons(parsed.tokens), statement };
}

export class DdlParts {
  readonly #context: PlanContext;
  readonly #planPart: PlanPart;
  readonly #searchPath: readonly string[] | null;
  readonly #made: Table[] = [];

  /** `searchPath`: where names are looked for; the context's own, where nothing is said. */
  constructor(
    context: PlanContext,
    planPart: PlanPart,
    searchPath: readonly string[] | null = context.input.searchPath,
  ) {
    this.#context = context;
    this.#planPart = planPart;
    this.#searchPath = searchPath;
  }

  plan({ statement, sql, tokens }: DdlPart): Plan {
    const own = this.contextOf({ sql, tokens });
    const plan = this.#planPart(statement, own);
    for (const name of own.unknownTables) this.#context.unknownTables.add(name);
    const made = plan.op === 'routed' ? madeBy(statement, plan, own) : null;
    if (made !== null) this.#made.push(made);
    return plan;
  }

  /** Sequences that a table which has been made brings along: they are where it is. */
  bring({ schema, name }: RelationName, sequences: readonly string[]): void {
    const owner = this.#made.find((table) => table.schema === schema && table.name === name);
    if (owner === undefined) return;
    const each = { schema: owner.schema, kind: owner.kind, keyColumn: null, columns: [] };
    this.#made.push(...sequences.map((sequence) => ({ ...each, name: sequence })));
  }

  /** What a part sees. */
  contextOf({ sql, tokens }: Pick<DdlPart, 'sql' | 'tokens'>): PlanContext {
    const { input } = this.#context;
    const catalog = withTables(input.catalog, this.#made);
    const searchPath = this.#searchPath;
    return new PlanContext({ ...input, sql, tokens, literalStarts: [], catalog, searchPath });
  }
}

/** A new table or view, as far as statements behind it ask; null: none is made. */
function madeBy(
  statement: DdlPart['statement'],
  plan: RoutedPlan,
  context: PlanContext,
): Table | null {
  const isTable = statement.kind === 'createTable';
  if (!isTable && statement.node !== 'ViewStmt') return null;
  const relation = isTable ? statement.relation : statement.relations[0];
  if (relation === undefined) return null;
  const { name, schema } = relation;
  const creates = plan.merge?.how === 'everywhere' ? plan.merge.creates[0] : undefined;
  const isAtHome = plan.route.kind === 'home' && plan.merge === null;
  // What is everywhere and not told apart from what is there is there already.
  if (creates === undefined && isTable && !isAtHome) return null;
  return {
    schema: schema ?? creationSchema(context),
    name,
    kind: creates?.kind ?? (isAtHome ? 'home' : 'shardedView'),
    keyColumn: creates?.keyColumn ?? null,
    columns: isTable ? statement.ddl.columns.map(newColumn) : [],
  };
}

const newColumn = ({ name, generated, computed }: NewColumn): Column => ({
  name,
  typeOid: 0,
  collation: null,
  hasDefault: computed,
  notNull: false,
  generated: false,
  distinctDefault: generated,
});

type NewColumn = CreateTableStatement['ddl']['columns'][number];

function withTables(catalog: Catalog, made: readonly Table[]): Catalog {
  const find = (schema: string, name: string) =>
    made.find((table) => table.schema === schema && table.name === name) ??
    catalog.table(schema, name);
  return {
    ...catalog,
    table(schema, name, searchPath = catalog.searchPath) {
      const path = schema === null ? searchPath : [schema];
      for (const each of path) {
        const found = find(each, name);
        if (found !== null) return found;
      }
      return null;
    },
    tables: () => [...catalog.tables(), ...made],
  };
}
