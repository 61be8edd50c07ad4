// Expressions: from the parser's tree to Expression.

import type { Call, Constant, Expression, OrderItem, TypeReference, Window } from './expression.ts';
import { type Reader, stringsOf, unwrap } from './reader.ts';
import type {
  A_Const,
  A_Expr,
  FuncCall,
  Node,
  ResTarget,
  SelectStmt,
  SortBy,
  SubLink,
  TypeName,
  WindowDef,
} from './tree.ts';

export function readExpressions(nodes: readonly Node[] | undefined, reader: Reader): Expression[] {
  return (nodes ?? []).map((node) => readExpression(node, reader));
}

export function readOptional(node: Node | undefined, reader: Reader): Expression | null {
  return node === undefined ? null : readExpression(node, reader);
}

export function readExpression(node: Node, reader: Reader): Expression {
  if ('ColumnRef' in node) {
    const fields = node.ColumnRef.fields ?? [];
    const path = stringsOf(fields);
    const last = fields.at(-1);
    if (last !== undefined && 'A_Star' in last) return { kind: 'star', path };
    return { kind: 'column', path, at: reader.position(node.ColumnRef.location) };
  }
  if ('A_Const' in node) return readConstant(node.A_Const, reader);
  if ('ParamRef' in node) return { kind: 'parameter', index: (node.ParamRef.number ?? 0) - 1 };
  if ('A_Expr' in node) return readOperator(node.A_Expr, reader);
  if ('BoolExpr' in node) {
    const args = readExpressions(node.BoolExpr.args, reader);
    if (node.BoolExpr.boolop === 'NOT_EXPR') return { kind: 'not', arg: args[0]! };
    return { kind: node.BoolExpr.boolop === 'AND_EXPR' ? 'and' : 'or', args };
  }
  if ('TypeCast' in node) {
    const { arg, typeName } = node.TypeCast;
    return { kind: 'cast', arg: readExpression(arg!, reader), type: readType(typeName) };
  }
  if ('NullTest' in node) {
    const { arg, nulltesttype } = node.NullTest;
    const negated = nulltesttype === 'IS_NOT_NULL';
    return { kind: 'isNull', arg: readExpression(arg!, reader), negated };
  }
  if ('FuncCall' in node) return readCall(node.FuncCall, reader);
  if ('SubLink' in node) return readSubLink(node.SubLink, reader);
  if ('RowExpr' in node) {
    return { kind: 'row', items: readExpressions(node.RowExpr.args, reader) };
  }
  if ('A_ArrayExpr' in node) {
    return { kind: 'array', items: readExpressions(node.A_ArrayExpr.elements, reader) };
  }
  if ('CollateClause' in node) {
    const { arg, collname } = node.CollateClause;
    return { kind: 'collate', arg: readExpression(arg!, reader), collation: stringsOf(collname) };
  }
  if ('SetToDefault' in node) return { kind: 'default' };
  if ('SelectStmt' in node) {
    const query = reader.select(node.SelectStmt);
    return { kind: 'query', link: 'array', test: null, operator: ['='], query };
  }
  return readOther(node, reader);
}

function readConstant(constant: A_Const, reader: Reader): Constant {
  const at = reader.position(constant.location ?? 0);
  const of = (type: Constant['type'], text: string): Constant => ({
    kind: 'constant',
    type,
    text,
    at,
  });
  // A zero or empty value is left out of the JSON, its field is not.
  if (constant.ival !== undefined) return of('integer', String(constant.ival.ival ?? 0));
  if (constant.fval !== undefined) return of('decimal', constant.fval.fval ?? '0');
  if (constant.sval !== undefined) return of('string', constant.sval.sval ?? '');
  if (constant.boolval !== undefined)
    return of('boolean', String(constant.boolval.boolval ?? false));
  if (constant.bsval !== undefined) return of('bits', constant.bsval.bsval ?? '');
  return of('null', '');
}

function readOperator(e: A_Expr, reader: Reader): Expression {
  const operator = stringsOf(e.name);
  const left = () => readExpression(e.lexpr!, reader);
  const right = () => readExpression(e.rexpr!, reader);
  const list = () =>
    e.rexpr !== undefined && 'List' in e.rexpr ? readExpressions(e.rexpr.List.items, reader) : [];
  switch (e.kind) {
    case 'AEXPR_OP':
      return {
        kind: 'operator',
        operator,
        left: readOptional(e.lexpr, reader),
        right: readOptional(e.rexpr, reader),
      };
    case 'AEXPR_OP_ANY':
    case 'AEXPR_OP_ALL': {
      const quantifier = e.kind === 'AEXPR_OP_ANY' ? 'any' : 'all';
      return { kind: 'quantified', quantifier, operator, left: left(), right: right() };
    }
    case 'AEXPR_DISTINCT':
    case 'AEXPR_NOT_DISTINCT': {
      const negated = e.kind === 'AEXPR_NOT_DISTINCT';
      return { kind: 'distinctFrom', negated, left: left(), right: right() };
    }
    case 'AEXPR_IN':
      return { kind: 'in', negated: operator[0] === '<>', left: left(), items: list() };
    case 'AEXPR_BETWEEN':
    case 'AEXPR_NOT_BETWEEN':
    case 'AEXPR_BETWEEN_SYM':
    case 'AEXPR_NOT_BETWEEN_SYM': {
      const [low, high] = list();
      const negated = e.kind === 'AEXPR_NOT_BETWEEN' || e.kind === 'AEXPR_NOT_BETWEEN_SYM';
      const symmetric = e.kind.endsWith('_SYM');
      return { kind: 'between', negated, symmetric, left: left(), low: low!, high: high! };
    }
    default: {
      const children = [e.lexpr, e.rexpr].filter((x) => x !== undefined);
      const detail = operator.join('.');
      return {
        kind: 'other',
        node: e.kind ?? '',
        detail,
        children: readExpressions(children, reader),
      };
    }
  }
}

export function readType(type: TypeName | undefined): TypeReference {
  const names = stringsOf(type?.names);
  return {
    schema: names.length > 1 ? names.at(-2)! : null,
    name: names.at(-1) ?? '',
    isArray: (type?.arrayBounds?.length ?? 0) > 0,
    hasModifier: (type?.typmods?.length ?? 0) > 0,
    unit: names.at(-1) === 'interval' ? unitOf(type?.typmods ?? []) : null,
  };
}

/** As the grammar marks them: 1 << MONTH and so on, of PostgreSQL's utils/timestamp.h. */
const UNITS: ReadonlyMap<number | undefined, string> = new Map([
  [1 << 1, 'month'],
  [1 << 2, 'year'],
  [1 << 3, 'day'],
  [1 << 10, 'hour'],
  [1 << 11, 'minute'],
  [1 << 12, 'second'],
]);

function unitOf(modifiers: readonly Node[]): string | null {
  const [only, ...others] = modifiers;
  if (only === undefined || !('A_Const' in only) || others.length > 0) return null;
  return UNITS.get(only.A_Const.ival?.ival) ?? null;
}

function readCall(call: FuncCall, reader: Reader): Call {
  const names = stringsOf(call.funcname);
  return {
    kind: 'call',
    schema: names.length > 1 ? names.at(-2)! : null,
    name: names.at(-1) ?? '',
    args: readExpressions(call.args, reader),
    star: call.agg_star ?? false,
    distinct: call.agg_distinct ?? false,
    order: readOrder(call.agg_order, reader),
    withinGroup: call.agg_within_group ?? false,
    filter: readOptional(call.agg_filter, reader),
    over: call.over === undefined ? null : readWindow(call.over, reader),
    at: reader.position(call.location ?? 0),
  };
}

export function readOrder(nodes: readonly Node[] | undefined, reader: Reader): OrderItem[] {
  const items: OrderItem[] = [];
  for (const node of nodes ?? []) {
    const sort: SortBy = 'SortBy' in node ? node.SortBy : { node };
    const descending = sort.sortby_dir === 'SORTBY_DESC';
    const nulls = sort.sortby_nulls;
    items.push({
      expression: readExpression(sort.node!, reader),
      descending,
      nullsFirst: nulls === 'SORTBY_NULLS_FIRST' || (nulls !== 'SORTBY_NULLS_LAST' && descending),
      using: (sort.useOp?.length ?? 0) > 0,
    });
  }
  return items;
}

export function readWindow(window: WindowDef, reader: Reader): Window {
  const bounds = [window.startOffset, window.endOffset].filter((x) => x !== undefined);
  return {
    name: window.name ?? null,
    refersTo: window.refname ?? null,
    partition: readExpressions(window.partitionClause, reader),
    order: readOrder(window.orderClause, reader),
    children: readExpressions(bounds, reader),
  };
}

const LINKS = {
  EXISTS_SUBLINK: 'exists',
  ANY_SUBLINK: 'any',
  ALL_SUBLINK: 'all',
  ARRAY_SUBLINK: 'array',
} as const;

function readSubLink(link: SubLink, reader: Reader): Expression {
  const operator = stringsOf(link.operName);
  return {
    kind: 'query',
    link: LINKS[link.subLinkType as keyof typeof LINKS] ?? 'value',
    test: readOptional(link.testexpr, reader),
    operator: operator.length === 0 ? ['='] : operator,
    query: reader.select((link.subselect as { SelectStmt: SelectStmt }).SelectStmt),
  };
}

/** Nodes with no meaning of their own: their parts are what counts. */
const TRANSPARENT = new Set(['List', 'ResTarget', 'NamedArgExpr']);

/** Everything else keeps its name, its plain fields as detail and the expressions in it. */
function readOther(node: Node, reader: Reader): Expression {
  const { tag, value } = unwrap(node);
  const children: Expression[] = [];
  const plain = collect(value, children, reader);
  return { kind: 'other', node: tag, detail: JSON.stringify(plain), children };
}

/** Puts the expressions found below into `into`; gives what is left, without locations. */
function collect(value: unknown, into: Expression[], reader: Reader): unknown {
  if (Array.isArray(value)) return value.map((item) => collect(item, into, reader));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [first] = entries;
  if (entries.length === 1 && first !== undefined && /^[A-Z]/.test(first[0])) {
    if (TRANSPARENT.has(first[0])) {
      const name = (first[1] as ResTarget).name;
      return [first[0], name, collect({ ...(first[1] as object), name: null }, into, reader)];
    }
    if (first[0] === 'String') return first[1];
    into.push(readExpression(value as Node, reader));
    return into.length;
  }
  const rest: Record<string, unknown> = {};
  for (const [key, field] of entries) {
    if (key !== 'location') rest[key] = collect(field, into, reader);
  }
  return rest;
}
