// Row statements: SELECT, INSERT, UPDATE, DELETE and MERGE from the parser's tree.

import type { Expression } from './expression.ts';
import {
  readExpression,
  readExpressions,
  readOptional,
  readOrder,
  readWindow,
} from './read-expression.ts';
import { isTemporary, type Reader, relationOf, stringsOf, unwrap } from './reader.ts';
import type {
  Assignment,
  CommonTable,
  DeleteStatement,
  FromItem,
  InsertStatement,
  LockingClause,
  LockStrength,
  LockWait,
  MergeAction,
  MergeStatement,
  RowStatement,
  SelectBody,
  SelectStatement,
  Target,
  UpdateStatement,
  With,
} from './statement.ts';
import type {
  DeleteStmt,
  InsertStmt,
  JoinExpr,
  LockingClause as LockingNode,
  MergeStmt,
  MergeWhenClause,
  Node,
  RangeFunction,
  RangeSubselect,
  RangeVar,
  SelectStmt,
  UpdateStmt,
  WithClause,
} from './tree.ts';

/** A reader of trees whose locations are translated by `position`. */
export function createReader(position: (location: number | undefined) => number): Reader {
  const reader: Reader = {
    position,
    select: (statement) => readSelect(statement, reader),
    rows: (node) => readRows(node, reader),
  };
  return reader;
}

function readRows(node: Node, reader: Reader): RowStatement | null {
  if ('SelectStmt' in node) return readSelect(node.SelectStmt, reader);
  if ('InsertStmt' in node) return readInsert(node.InsertStmt, reader);
  if ('UpdateStmt' in node) return readUpdate(node.UpdateStmt, reader);
  if ('DeleteStmt' in node) return readDelete(node.DeleteStmt, reader);
  if ('MergeStmt' in node) return readMerge(node.MergeStmt, reader);
  return null;
}

function readSelect(s: SelectStmt, reader: Reader): SelectStatement {
  return {
    kind: 'select',
    with: readWith(s.withClause, reader),
    body: readBody(s, reader),
    order: readOrder(s.sortClause, reader),
    limit: readOptional(s.limitCount, reader),
    offset: readOptional(s.limitOffset, reader),
    withTies: s.limitOption === 'LIMIT_OPTION_WITH_TIES',
    locks: (s.lockingClause ?? []).flatMap((node) =>
      'LockingClause' in node ? [readLocking(node.LockingClause)] : [],
    ),
  };
}

const STRENGTHS: Readonly<Record<string, LockStrength>> = {
  LCS_FORKEYSHARE: 'KEY SHARE',
  LCS_FORSHARE: 'SHARE',
  LCS_FORNOKEYUPDATE: 'NO KEY UPDATE',
};

const WAITS: Readonly<Record<string, LockWait>> = { LockWaitSkip: 'skip', LockWaitError: 'error' };

const readLocking = ({ lockedRels, strength, waitPolicy }: LockingNode): LockingClause => ({
  strength: STRENGTHS[strength ?? ''] ?? 'UPDATE',
  wait: WAITS[waitPolicy ?? ''] ?? 'wait',
  of: (lockedRels ?? []).flatMap((node) =>
    'RangeVar' in node ? [node.RangeVar.relname ?? ''] : [],
  ),
});

function readBody(s: SelectStmt, reader: Reader): SelectBody {
  if (s.op !== undefined && s.op !== 'SETOP_NONE') {
    const operation = s.op.slice('SETOP_'.length) as 'UNION' | 'INTERSECT' | 'EXCEPT';
    const [left, right] = [readSelect(s.larg!, reader), readSelect(s.rarg!, reader)];
    return { kind: 'set', operation, all: s.all ?? false, left, right };
  }
  if (s.valuesLists !== undefined) {
    const rows = s.valuesLists.map((row) =>
      'List' in row ? readExpressions(row.List.items, reader) : [],
    );
    return { kind: 'values', rows };
  }
  const distinctOn = (s.distinctClause ?? []).filter((node) => Object.keys(node).length > 0);
  const sets = (s.groupClause ?? []).some((node) => 'GroupingSet' in node);
  const into = s.intoClause?.rel;
  return {
    kind: 'simple',
    distinct: s.distinctClause === undefined ? 'no' : distinctOn.length > 0 ? 'on' : 'all',
    distinctOn: readExpressions(distinctOn, reader),
    targets: readTargets(s.targetList, reader),
    from: (s.fromClause ?? []).map((node) => readFrom(node, reader)),
    where: readOptional(s.whereClause, reader),
    group: readExpressions(s.groupClause, reader),
    groupingSets: sets || (s.groupDistinct ?? false),
    having: readOptional(s.havingClause, reader),
    windows: (s.windowClause ?? []).flatMap((node) =>
      'WindowDef' in node ? [readWindow(node.WindowDef, reader)] : [],
    ),
    into: into === undefined ? null : { relation: relationOf(into), temporary: isTemporary(into) },
  };
}

function readTargets(nodes: readonly Node[] | undefined, reader: Reader): Target[] {
  return (nodes ?? []).flatMap((node) =>
    'ResTarget' in node && node.ResTarget.val !== undefined
      ? [
          {
            name: node.ResTarget.name ?? null,
            expression: readExpression(node.ResTarget.val, reader),
          },
        ]
      : [],
  );
}

function readWith(clause: WithClause | undefined, reader: Reader): With | null {
  if (clause === undefined) return null;
  const tables: CommonTable[] = [];
  for (const node of clause.ctes ?? []) {
    if (!('CommonTableExpr' in node)) continue;
    const { ctename, aliascolnames, ctequery } = node.CommonTableExpr;
    const statement = ctequery === undefined ? null : readRows(ctequery, reader);
    if (statement === null) continue;
    tables.push({ name: ctename ?? '', columnAliases: stringsOf(aliascolnames), statement });
  }
  return { recursive: clause.recursive ?? false, tables };
}

function readFrom(node: Node, reader: Reader): FromItem {
  if ('RangeVar' in node) return readTable(node.RangeVar, null, reader);
  if ('JoinExpr' in node) return readJoin(node.JoinExpr, reader);
  if ('RangeSubselect' in node) return readDerived(node.RangeSubselect, reader);
  if ('RangeTableSample' in node) {
    const { relation, method } = node.RangeTableSample;
    if (relation !== undefined && 'RangeVar' in relation)
      return readTable(relation.RangeVar, stringsOf(method).at(-1) ?? '', reader);
  }
  const range = unwrap(node).value as RangeFunction;
  // The alias is no expression; what remains holds the functions or the document.
  const { alias, ...content } = range;
  return {
    kind: 'function',
    parts: [readExpression({ RangeFunction: content } as Node, reader)],
    alias: alias?.aliasname ?? null,
    columnAliases: stringsOf(alias?.colnames),
  };
}

/** `sampling`: the method of TABLESAMPLE. */
function readTable(range: RangeVar, sampling: string | null, reader: Reader): FromItem {
  return {
    kind: 'table',
    relation: relationOf(range),
    alias: range.alias?.aliasname ?? null,
    columnAliases: stringsOf(range.alias?.colnames),
    sampled: sampling !== null,
    sampledRows: sampling === 'system_rows',
    only: range.inh !== true,
    at: reader.position(range.location),
  };
}

const JOIN_TYPES = { JOIN_LEFT: 'left', JOIN_RIGHT: 'right', JOIN_FULL: 'full' } as const;

function readJoin(join: JoinExpr, reader: Reader): FromItem {
  return {
    kind: 'join',
    type: JOIN_TYPES[join.jointype as keyof typeof JOIN_TYPES] ?? 'inner',
    left: readFrom(join.larg!, reader),
    right: readFrom(join.rarg!, reader),
    on: readOptional(join.quals, reader),
    using: stringsOf(join.usingClause),
    usingAlias: join.join_using_alias?.aliasname ?? null,
    natural: join.isNatural ?? false,
    alias: join.alias?.aliasname ?? null,
  };
}

function readDerived(range: RangeSubselect, reader: Reader): FromItem {
  const query = (range.subquery as { SelectStmt: SelectStmt }).SelectStmt;
  return {
    kind: 'query',
    query: readSelect(query, reader),
    alias: range.alias?.aliasname ?? null,
    columnAliases: stringsOf(range.alias?.colnames),
    lateral: range.lateral ?? false,
  };
}

const writingOf = (s: InsertStmt | UpdateStmt | DeleteStmt | MergeStmt, reader: Reader) => ({
  with: readWith(s.withClause, reader),
  relation: relationOf(s.relation),
  alias: s.relation?.alias?.aliasname ?? null,
  returning: readTargets(s.returningClause?.exprs, reader),
});

function readInsert(s: InsertStmt, reader: Reader): InsertStatement {
  const columns = s.cols?.flatMap((node) =>
    'ResTarget' in node ? [node.ResTarget.name ?? ''] : [],
  );
  const source = s.selectStmt === undefined ? null : readRows(s.selectStmt, reader);
  const conflict = s.onConflictClause;
  const parts: Expression[] = [];
  if (conflict?.whereClause !== undefined) parts.push(readExpression(conflict.whereClause, reader));
  const { assignments, sources } = readAssignments(conflict?.targetList, reader);
  return {
    kind: 'insert',
    ...writingOf(s, reader),
    columns: columns ?? null,
    source: source?.kind === 'select' ? source : null,
    conflict: conflict === undefined ? null : { assignments, parts: [...parts, ...sources] },
  };
}

function readUpdate(s: UpdateStmt, reader: Reader): UpdateStatement {
  const { assignments, sources } = readAssignments(s.targetList, reader);
  return {
    kind: 'update',
    ...writingOf(s, reader),
    assignments,
    rowSources: sources,
    from: (s.fromClause ?? []).map((node) => readFrom(node, reader)),
    where: readOptional(s.whereClause, reader),
    cursor: cursorOf(s.whereClause),
  };
}

const cursorOf = (where: Node | undefined): string | null =>
  where !== undefined && 'CurrentOfExpr' in where ? (where.CurrentOfExpr.cursor_name ?? '') : null;

function readAssignments(nodes: readonly Node[] | undefined, reader: Reader) {
  const assignments: Assignment[] = [];
  const sources: Expression[] = [];
  for (const node of nodes ?? []) {
    if (!('ResTarget' in node)) continue;
    const { name, indirection, val } = node.ResTarget;
    const partial = (indirection?.length ?? 0) > 0;
    if (val !== undefined && 'MultiAssignRef' in val) {
      const { source, colno } = val.MultiAssignRef;
      if (colno === 1) sources.push(readExpression(source!, reader));
      assignments.push({ column: name ?? '', partial, value: null });
    } else {
      assignments.push({ column: name ?? '', partial, value: readOptional(val, reader) });
    }
  }
  return { assignments, sources };
}

function readDelete(s: DeleteStmt, reader: Reader): DeleteStatement {
  return {
    kind: 'delete',
    ...writingOf(s, reader),
    from: (s.usingClause ?? []).map((node) => readFrom(node, reader)),
    where: readOptional(s.whereClause, reader),
    cursor: cursorOf(s.whereClause),
  };
}

function readMerge(s: MergeStmt, reader: Reader): MergeStatement {
  return {
    kind: 'merge',
    ...writingOf(s, reader),
    source: readFrom(s.sourceRelation!, reader),
    on: readExpression(s.joinCondition!, reader),
    parts: readExpressions(s.mergeWhenClauses, reader),
    actions: (s.mergeWhenClauses ?? []).flatMap((node) =>
      'MergeWhenClause' in node ? [readMergeAction(node.MergeWhenClause, reader)] : [],
    ),
  };
}

const MERGE_WHENS = {
  MERGE_WHEN_MATCHED: 'matched',
  MERGE_WHEN_NOT_MATCHED_BY_SOURCE: 'notMatchedBySource',
} as const;

const MERGE_COMMANDS = {
  CMD_INSERT: 'insert',
  CMD_UPDATE: 'update',
  CMD_DELETE: 'delete',
} as const;

function readMergeAction(clause: MergeWhenClause, reader: Reader): MergeAction {
  const targets = clause.targetList ?? [];
  const columns = targets.flatMap((each) =>
    'ResTarget' in each ? [each.ResTarget.name ?? ''] : [],
  );
  const command = MERGE_COMMANDS[clause.commandType as keyof typeof MERGE_COMMANDS] ?? 'nothing';
  const assigned = readAssignments(clause.targetList, reader).assignments;
  return {
    when: MERGE_WHENS[clause.matchKind as keyof typeof MERGE_WHENS] ?? 'notMatched',
    command,
    columns: columns.length === 0 ? null : columns,
    values:
      command === 'insert'
        ? readExpressions(clause.values, reader)
        : assigned.map(({ value }): Expression => value ?? { kind: 'default' }),
    partial: assigned.some(({ partial }) => partial),
  };
}
