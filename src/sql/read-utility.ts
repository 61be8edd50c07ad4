// Utility statements: what is not SELECT, INSERT, UPDATE, DELETE or MERGE, from the parser's tree.

import type { DdlFacts } from './ddl.ts';
import type { TypeReference } from './expression.ts';
import { readCopy } from './read-copy.ts';
import { readDdl } from './read-ddl.ts';
import { readExpression, readType } from './read-expression.ts';
import { isTemporary, type Reader, relationOf, stringsOf, unwrap } from './reader.ts';
import type {
  CreateTableStatement,
  CursorOptions,
  FetchClause,
  RelationName,
  SetStatement,
  Statement,
  TransactionStatement,
  UtilityStatement,
} from './statement.ts';
import type {
  CreateStmt,
  FetchStmt,
  Node,
  RangeVar,
  TransactionStmt,
  VariableSetStmt,
} from './tree.ts';

export function readStatement(node: Node, reader: Reader): Statement {
  const rows = reader.rows(node);
  if (rows !== null) return rows;
  if ('VariableSetStmt' in node) return readSet(node.VariableSetStmt);
  if ('TransactionStmt' in node) return readTransaction(node.TransactionStmt);
  if ('CopyStmt' in node) return readCopy(node.CopyStmt, reader);
  if ('CreateStmt' in node) return readCreateTable(node.CreateStmt, readDdl(node, reader));
  return readUtility(node, reader);
}

const SET_FORMS = {
  VAR_SET_VALUE: 'value',
  VAR_SET_DEFAULT: 'default',
  VAR_SET_CURRENT: 'current',
  VAR_SET_MULTI: 'multi',
  VAR_RESET: 'reset',
  VAR_RESET_ALL: 'resetAll',
} as const;

function readSet(set: VariableSetStmt): SetStatement {
  const values: string[] = [];
  for (const arg of set.args ?? []) {
    if (!('A_Const' in arg)) continue;
    const { ival, fval, sval, boolval } = arg.A_Const;
    if (ival !== undefined) values.push(String(ival.ival ?? 0));
    else if (fval !== undefined) values.push(fval.fval ?? '0');
    else if (sval !== undefined) values.push(sval.sval ?? '');
    else if (boolval !== undefined) values.push(String(boolval.boolval ?? false));
  }
  return {
    kind: 'set',
    form: SET_FORMS[set.kind as keyof typeof SET_FORMS] ?? 'value',
    name: (set.name ?? '').toLowerCase(),
    values,
    modes: (set.args ?? []).flatMap(readMode),
    local: set.is_local ?? false,
  };
}

function readMode(node: Node): [name: string, value: string][] {
  if (!('DefElem' in node)) return [];
  const { defname = '', arg } = node.DefElem;
  if (arg === undefined || !('A_Const' in arg)) return [];
  const { sval, ival } = arg.A_Const;
  return [[defname, sval?.sval ?? String(ival?.ival ?? 0)]];
}

function readTransaction(statement: TransactionStmt): TransactionStatement {
  return {
    kind: 'transaction',
    verb: (statement.kind ?? '').slice('TRANS_STMT_'.length),
    savepoint: statement.savepoint_name ?? null,
    chain: statement.chain ?? false,
    modes: (statement.options?.length ?? 0) > 0,
  };
}

function readCreateTable(create: CreateStmt, ddl: DdlFacts): CreateTableStatement {
  const columns = (create.tableElts ?? []).flatMap((node) =>
    'ColumnDef' in node
      ? [{ name: node.ColumnDef.colname ?? '', type: readType(node.ColumnDef.typeName).name }]
      : [],
  );
  const { relation, ...rest } = create;
  return {
    kind: 'createTable',
    relation: relationOf(relation),
    temporary: relation !== undefined && isTemporary(relation),
    columns,
    mentions: [...rangesIn(rest)].map(relationOf),
    ddl,
  };
}

const TYPE_FIELDS = [
  'removeType',
  'renameType',
  'targtype',
  'objtype',
  'objectType',
  'kind',
] as const;
const NAME_FIELDS = ['portalname', 'conditionname', 'name', 'target'] as const;

function readUtility(node: Node, reader: Reader): UtilityStatement {
  const { tag, value } = unwrap(node);
  const fields = value as { readonly [field: string]: unknown };
  const inner = 'query' in fields ? reader.rows(fields.query as Node) : null;
  const outside = inner === null ? fields : { ...fields, query: null };
  const ranges = [...rangesIn(outside)];
  return {
    kind: 'utility',
    node: tag,
    relations: [...ranges.map(relationOf), ...objectsOf(fields)],
    temporary: ranges.some(isTemporary) || makesTemporary(fields),
    objectType: firstString(fields, TYPE_FIELDS),
    name: firstString(fields, NAME_FIELDS),
    body: bodyOf(fields),
    inner,
    cursor: tag === 'DeclareCursorStmt' ? cursorOptions(Number(fields.options)) : null,
    fetch: 'FetchStmt' in node ? fetchClause(node.FetchStmt) : null,
    calls:
      'funccall' in fields ? [readExpression({ FuncCall: fields.funccall } as Node, reader)] : [],
    parameterTypes: tag === 'PrepareStmt' ? typesOf(fields.argtypes) : [],
    args:
      tag === 'ExecuteStmt' ? nodesOf(fields.params).map((arg) => readExpression(arg, reader)) : [],
    ddl: readDdl(node, reader),
  };
}

/** CREATE of a function, an aggregate or a type in pg_temp; these are named as a list of words. */
const makesTemporary = (fields: { readonly [field: string]: unknown }): boolean =>
  ['funcname', 'typeName', 'domainname', 'defnames'].some(
    (name) => stringsOf(nodesOf(fields[name]))[0] === 'pg_temp',
  );

const nodesOf = (value: unknown): readonly Node[] => (Array.isArray(value) ? value : []);

function typesOf(value: unknown): TypeReference[] {
  return nodesOf(value).flatMap((node) => ('TypeName' in node ? [readType(node.TypeName)] : []));
}

function firstString(
  fields: { readonly [field: string]: unknown },
  names: readonly string[],
): string | null {
  const found = names.map((name) => fields[name]).find((x) => typeof x === 'string');
  return (found as string | undefined) ?? null;
}

/** CURSOR_OPT_BINARY and its kin. Source: parsenodes.h. */
function cursorOptions(bits: number): CursorOptions {
  const scroll = (bits & 0x2) !== 0 ? true : (bits & 0x4) !== 0 ? false : null;
  return { binary: (bits & 0x1) !== 0, hold: (bits & 0x20) !== 0, scroll };
}

const DIRECTIONS = {
  FETCH_FORWARD: 'forward',
  FETCH_BACKWARD: 'backward',
  FETCH_ABSOLUTE: 'absolute',
  FETCH_RELATIVE: 'relative',
} as const;

/** ALL is the largest count, FETCH_ALL of parsenodes.h. */
const FETCH_ALL = 2_147_483_647;

function fetchClause({ direction, howMany, ismove = false }: FetchStmt): FetchClause {
  const count = Number(howMany ?? 0);
  return {
    direction: DIRECTIONS[direction ?? 'FETCH_FORWARD'],
    count: count === FETCH_ALL ? null : count,
    isMove: ismove,
  };
}

/** Relations anywhere below, by the one field that only a RangeVar has. */
function* rangesIn(value: unknown): Generator<RangeVar> {
  if (typeof value !== 'object' || value === null) return;
  if ('relname' in value && !Array.isArray(value)) yield value as RangeVar;
  for (const part of Object.values(value)) yield* rangesIn(part);
}

/** How many names stand behind that of the relation. A schema, a collation, a function is none, whatever it is called. */
const NAMES_BEHIND: ReadonlyMap<unknown, number> = new Map([
  ['OBJECT_TABLE', 0],
  ['OBJECT_VIEW', 0],
  ['OBJECT_MATVIEW', 0],
  ['OBJECT_SEQUENCE', 0],
  ['OBJECT_INDEX', 0],
  ['OBJECT_FOREIGN_TABLE', 0],
  ['OBJECT_COLUMN', 1],
  ['OBJECT_TABCONSTRAINT', 1],
  ['OBJECT_TRIGGER', 1],
  ['OBJECT_RULE', 1],
  ['OBJECT_POLICY', 1],
]);

/** The relations of DROP, COMMENT, ALTER … that name their objects as lists of strings. */
function objectsOf(fields: { readonly [field: string]: unknown }): RelationName[] {
  const types = [fields.removeType, fields.renameType, fields.objtype, fields.objectType];
  const behind = NAMES_BEHIND.get(types.find((type) => typeof type === 'string'));
  if (behind === undefined) return [];
  const nodes = [...nodesOf(fields.objects)];
  if (typeof fields.object === 'object') nodes.push(fields.object as Node);
  return nodes.flatMap((node) => {
    const names = 'List' in node ? stringsOf(node.List.items) : [];
    const [name, schema = null] = names.slice(0, names.length - behind).reverse();
    return name === undefined ? [] : [{ catalog: null, schema, name }];
  });
}

/** The `AS` of DO and CREATE FUNCTION. */
function bodyOf(fields: { readonly [field: string]: unknown }): string | null {
  const options = [fields.args, fields.options].find(Array.isArray) as Node[] | undefined;
  for (const option of options ?? []) {
    if (!('DefElem' in option) || option.DefElem.defname !== 'as') continue;
    const arg = option.DefElem.arg;
    if (arg === undefined) continue;
    return stringsOf('List' in arg ? arg.List.items : [arg]).join('\n');
  }
  return null;
}
