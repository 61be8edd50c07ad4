// DDL facts from the parser's tree: CREATE TABLE, ALTER TABLE, indexes, sequences.

import {
  type DdlFacts,
  type ForeignKey,
  type NewColumn,
  NO_FACTS,
  type UniqueRule,
} from './ddl.ts';
import type { Expression } from './expression.ts';
import { readExpression, readType } from './read-expression.ts';
import { type Reader, relationOf, stringsOf, unwrap } from './reader.ts';
import type { RelationName } from './statement.ts';
import { HAS_TIME_WORD } from './token.ts';
import type { Node, RangeVar, TypeName } from './tree.ts';

type Fields = { readonly [field: string]: unknown };

interface Collected {
  readonly columns: NewColumn[];
  readonly uniques: UniqueRule[];
  readonly foreignKeys: ForeignKey[];
  readonly timeWords: string[];
  readonly changed: string[];
  readonly conversions: Expression[];
  readonly parents: RelationName[];
  readonly attached: RelationName[];
  readonly sequenceOptions: string[];
}

/** The facts of a statement by its node; none for statements that are about other things. */
export function readDdl(node: Node, reader: Reader): DdlFacts {
  const { tag, value } = unwrap(node);
  const fields = value as Fields;
  const into: Collected = {
    columns: [],
    uniques: [],
    foreignKeys: [],
    timeWords: [],
    changed: [],
    conversions: [],
    parents: tag === 'CreateStmt' ? nodes(fields.inhRelations).flatMap(rangeOf) : [],
    attached: [],
    sequenceOptions: [],
  };
  if (tag === 'CreateStmt') for (const each of nodes(fields.tableElts)) tableElement(each, into);
  else if (tag === 'AlterTableStmt')
    for (const each of nodes(fields.cmds)) command(each, into, reader);
  else if (tag === 'IndexStmt') index(fields, into);
  else if (tag === 'RenameStmt' && fields.renameType === 'OBJECT_COLUMN') {
    into.changed.push(String(fields.subname));
  } else if (tag === 'CreateSeqStmt' || tag === 'AlterSeqStmt') options(fields.options, into);
  return {
    ...NO_FACTS,
    ...into,
    renamed: renamedOf(tag, fields),
    ownedBy: ownerOf(fields.options),
    concurrently: tag !== 'RefreshMatViewStmt' && isConcurrent(fields),
  };
}

const nodes = (value: unknown): readonly Node[] => (Array.isArray(value) ? (value as Node[]) : []);

const rangeOf = (node: Node): RelationName[] =>
  'RangeVar' in node ? [relationOf(node.RangeVar)] : [];

function tableElement(node: Node, into: Collected): void {
  const { tag, value } = unwrap(node);
  if (tag === 'ColumnDef') column(value as Fields, into);
  else if (tag === 'Constraint') constraint(value as Fields, [], into);
}

const SERIAL = new Set(['serial', 'bigserial', 'smallserial', 'serial2', 'serial4', 'serial8']);

/** Defaults that no two rows share, on whichever shard. */
const GENERATORS = new Set(['nextval', 'gen_random_uuid', 'uuidv4', 'uuidv7', 'uuid_generate_v4']);

function column(definition: Fields, into: Collected): void {
  const name = String(definition.colname ?? '');
  const type = readType(definition.typeName as TypeName | undefined).name;
  let generated = SERIAL.has(type);
  let computed = generated;
  for (const node of nodes(definition.constraints)) {
    const fields = unwrap(node).value as Fields;
    if (fields.contype === 'CONSTR_IDENTITY') {
      generated = true;
      computed = true;
      newIdentity(fields.options, into);
    } else if (fields.contype === 'CONSTR_DEFAULT') {
      generated ||= isGenerator(fields.raw_expr);
      computed ||= !isConstant(fields.raw_expr);
      if (DATES.has(type) && isTimeWord(fields.raw_expr)) into.timeWords.push(name);
    } else constraint(fields, [name], into);
  }
  into.columns.push({ name, type, generated, computed });
}

const DATES = new Set(['date', 'time', 'timetz', 'timestamp', 'timestamptz']);

function isGenerator(expression: unknown): boolean {
  const { tag, value } = unwrap((expression ?? {}) as Node);
  if (tag !== 'FuncCall') return false;
  return GENERATORS.has(stringsOf(nodes((value as Fields).funcname)).at(-1) ?? '');
}

/** A literal, cast or not, that means the same whenever it is read. */
function isConstant(expression: unknown): boolean {
  const { tag, value } = unwrap((expression ?? {}) as Node);
  if (tag === 'TypeCast') return isConstant((value as Fields).arg);
  if (tag !== 'A_Const') return false;
  const { sval } = value as { sval?: { sval?: string } };
  return !HAS_TIME_WORD.test(sval?.sval ?? '');
}

/** A string that a server reads, once, as the time at which it does. */
function isTimeWord(expression: unknown): boolean {
  const { tag, value } = unwrap((expression ?? {}) as Node);
  if (tag !== 'TypeCast') return tag === 'A_Const' && !isConstant(expression);
  const { arg, typeName } = value as { arg?: Node; typeName?: TypeName };
  return DATES.has(readType(typeName).name) && isTimeWord(arg);
}

const UNIQUE_KINDS: { readonly [type: string]: UniqueRule['what'] } = {
  CONSTR_PRIMARY: 'PRIMARY KEY',
  CONSTR_UNIQUE: 'UNIQUE',
  CONSTR_EXCLUSION: 'EXCLUDE',
};

/** `own`: the column of a constraint that stands behind one. */
function constraint(fields: Fields, own: readonly string[], into: Collected): void {
  const type = String(fields.contype);
  if (type === 'CONSTR_FOREIGN') {
    const attributes = stringsOf(nodes(fields.fk_attrs));
    into.foreignKeys.push({
      columns: attributes.length > 0 ? attributes : own,
      table: relationOf(fields.pktable as RangeVar | undefined),
      referenced: stringsOf(nodes(fields.pk_attrs)),
    });
    return;
  }
  const what = UNIQUE_KINDS[type];
  // USING INDEX takes an index that was checked when it was made.
  if (what === undefined || typeof fields.indexname === 'string') return;
  const keys = what === 'EXCLUDE' ? equalColumns(fields) : stringsOf(nodes(fields.keys));
  into.uniques.push({ what, columns: keys.length > 0 || own.length === 0 ? keys : own });
}

/** The columns that an EXCLUDE compares by `=`. */
function equalColumns(fields: Fields): string[] {
  return nodes(fields.exclusions).flatMap((each) => {
    if (!('List' in each)) return [];
    const [element, operator] = each.List.items ?? [];
    if (element === undefined || operator === undefined || !('IndexElem' in element)) return [];
    const isEqual = 'List' in operator && stringsOf(operator.List.items).at(-1) === '=';
    return isEqual && element.IndexElem.name !== undefined ? [element.IndexElem.name] : [];
  });
}

function command(node: Node, into: Collected, reader: Reader): void {
  const { subtype, name, def } = unwrap(node).value as Fields;
  const inner = unwrap((def ?? {}) as Node);
  switch (subtype) {
    case 'AT_AddColumn':
      column(inner.value as Fields, into);
      break;
    case 'AT_ColumnDefault':
      if (isTimeWord(def)) into.timeWords.push(String(name));
      break;
    case 'AT_AddConstraint':
      constraint(inner.value as Fields, [], into);
      break;
    case 'AT_AddIdentity':
      newIdentity((inner.value as Fields).options, into);
      break;
    case 'AT_SetIdentity':
      options((inner.value as Fields).items, into);
      break;
    case 'AT_AlterColumnType': {
      const { raw_default: using } = inner.value as Fields;
      if (using !== undefined) into.conversions.push(readExpression(using as Node, reader));
      into.changed.push(String(name));
      break;
    }
    case 'AT_DropColumn':
      into.changed.push(String(name));
      break;
    case 'AT_AddInherit':
      into.parents.push(...rangeOf((def ?? {}) as Node));
      break;
    case 'AT_AttachPartition':
      into.attached.push(relationOf((inner.value as Fields).name as RangeVar | undefined));
      break;
    default:
  }
}

function index(fields: Fields, into: Collected): void {
  if (fields.unique !== true) return;
  const columns = nodes(fields.indexParams).flatMap((each) =>
    'IndexElem' in each && each.IndexElem.name !== undefined ? [each.IndexElem.name] : [],
  );
  into.uniques.push({ what: 'UNIQUE INDEX', columns });
}

/** Its INCREMENT is no change: the steps of the shards are made of it, as of a new sequence's. */
function newIdentity(value: unknown, into: Collected): void {
  const others = nodes(value).filter(
    (node) => !('DefElem' in node) || node.DefElem.defname !== 'increment',
  );
  options(others, into);
}

function options(value: unknown, into: Collected): void {
  for (const node of nodes(value)) {
    if (!('DefElem' in node)) continue;
    const { defname = '', arg } = node.DefElem;
    // NO CYCLE and RESTART without a value are what every sequence does anyway.
    if (defname === 'cycle' && arg !== undefined && 'Boolean' in arg && !arg.Boolean.boolval) {
      continue;
    }
    into.sequenceOptions.push(defname);
  }
}

function ownerOf(value: unknown): RelationName | null {
  for (const node of nodes(value)) {
    if (!('DefElem' in node) || node.DefElem.defname !== 'owned_by') continue;
    const { arg } = node.DefElem;
    const path = arg !== undefined && 'List' in arg ? stringsOf(arg.List.items) : [];
    if (path.length < 2) return null;
    return { catalog: null, schema: path.at(-3) ?? null, name: path.at(-2)! };
  }
  return null;
}

/** What is found by a name where a table is looked for. */
const RELATIONS: ReadonlySet<unknown> = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_SEQUENCE',
  'OBJECT_INDEX',
  'OBJECT_FOREIGN_TABLE',
]);

function renamedOf(tag: string, fields: Fields): DdlFacts['renamed'] {
  const text = (value: unknown) => (typeof value === 'string' ? value : null);
  if (tag === 'RenameStmt' && RELATIONS.has(fields.renameType)) {
    return { schema: null, name: text(fields.newname) };
  }
  if (tag === 'AlterObjectSchemaStmt' && RELATIONS.has(fields.objectType)) {
    return { schema: text(fields.newschema), name: null };
  }
  return null;
}

function isConcurrent(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { concurrent, defname } = value as { concurrent?: unknown; defname?: unknown };
  if (concurrent === true || defname === 'concurrently') return true;
  return Object.values(value).some(isConcurrent);
}
