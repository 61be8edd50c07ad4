// New schema: CREATE SCHEMA with objects in it, each of which is where it would be by itself.

import { depthsOf } from '../sql/clause.ts';
import type { CreateTableStatement, RelationName } from '../sql/statement.ts';
import type { Token } from '../sql/token.ts';
import type { PlanContext } from './context.ts';
import { everywhere } from './ddl.ts';
import { type DdlPart, DdlParts, type PlanPart, parsePart } from './ddl-parts.ts';
import { isName, nameOf } from './engine-text.ts';
import type { EverywhereMerge, NewTable, Plan, RoutedPlan } from './plan.ts';
import { refusedFor } from './routed.ts';

/**
 * The home shard is sent the statement as it is, the others without what is at home only; which order the
 * objects are made in, whose they are and what their names mean is PostgreSQL's business then. null: there are no
 * objects in it. `planPart` plans one of them by itself.
 */
export function planNewSchema(
  traits: RoutedPlan,
  context: PlanContext,
  planPart: PlanPart,
): Plan | null {
  const { input } = context;
  const [head, ...texts] = pieces(input.sql, input.tokens);
  if (texts.length === 0) return null;
  const schema = schemaName(input.tokens);
  const elements = texts.flatMap((text) => elementOf(text) ?? []);
  if (schema === null || elements.length < texts.length) {
    return refusedFor(traits.verb, 'schemaElements');
  }
  const searchPath = [schema, ...(input.searchPath ?? input.catalog.searchPath)];
  const parts = new DdlParts(context, planPart, searchPath);
  const sequences = new Set<string>();
  const made: Pieces = { creates: [], alters: [], elsewhere: new Map() };
  for (const element of [...elements].sort((a, b) => a.rank - b.rank)) {
    // The server says what is wrong with a name, or a table that is temporary.
    if (isMisplaced(element, schema)) return traits;
    const part = { ...element, statement: within(element, schema) };
    if (part.rank === RANKS.get('CreateSeqStmt')) sequences.add(targetOf(part)!.name);
    if (grantsUnknown(part, sequences, parts)) return refusedFor(traits.verb, 'schemaElements');
    const plan = parts.plan(part);
    if (plan.op === 'refused') return plan;
    if (plan.op !== 'routed' || !addTo(made, element, plan, targetOf(part))) {
      return refusedFor(traits.verb, 'schemaElements');
    }
    if (part.statement.kind !== 'createTable') continue;
    const brought = serialsOf(part.statement).filter((name) => !sequences.has(name));
    parts.bring(part.statement.relation, brought);
    for (const name of brought) sequences.add(name);
  }
  const { creates, alters, elsewhere } = made;
  const kept = elements.flatMap((element) => elsewhere.get(element) ?? []);
  return everywhere(traits, { creates, alters, elsewhere: [head, ...kept].join(' ') });
}

interface Element extends DdlPart {
  readonly rank: number;
}

interface Pieces {
  readonly creates: NewTable[];
  readonly alters: EverywhereMerge['alters'][number][];
  /** The text of each element that is not at home only, as the other shards are sent it. */
  readonly elsewhere: Map<Element, string>;
}

/** In the order in which they are made: transformCreateSchemaStmtElements (parse_utilcmd.c). */
const RANKS: ReadonlyMap<string, number> = new Map(
  ['CreateSeqStmt', 'CreateStmt', 'ViewStmt', 'IndexStmt', 'CreateTrigStmt', 'GrantStmt'].map(
    (node, rank) => [node, rank],
  ),
);

/** The text up to the first object, and that of each object. */
function pieces(sql: string, tokens: readonly Token[]): string[] {
  const depths = depthsOf(tokens);
  const starts = tokens.flatMap((_, i) => (i === 0 || isStart(tokens, depths, i) ? [i] : []));
  return starts.map((start, i) => {
    const behind = starts[i + 1] ?? tokens.length;
    return sql.slice(tokens[start]!.start, tokens[behind - 1]!.end);
  });
}

/** CREATE and GRANT are reserved, but for names behind AS and dots, GRANT CREATE and WITH GRANT OPTION. */
function isStart(tokens: readonly Token[], depths: readonly number[], i: number): boolean {
  const { kind, text } = tokens[i]!;
  if (depths[i] !== 0 || kind !== 'word' || (text !== 'create' && text !== 'grant')) return false;
  return !['as', '.', ',', 'grant', 'with'].includes(tokens[i - 1]!.text);
}

/** null: it is that of whoever is current, or cannot be told. */
function schemaName(tokens: readonly Token[]): string | null {
  const isAuthorization = tokens[2]?.kind === 'word' && tokens[2].text === 'authorization';
  const named = tokens[isAuthorization ? 3 : 2];
  if (named === undefined || !isName(named)) return null;
  const isCurrent = named.kind === 'word' && /^(current|session)_/.test(named.text);
  return isCurrent ? null : nameOf(named);
}

function elementOf(sql: string): Element | null {
  const part = parsePart(sql);
  if (part === null) return null;
  const { statement } = part;
  const rank = RANKS.get(statement.kind === 'createTable' ? 'CreateStmt' : statement.node);
  return rank === undefined ? null : { ...part, rank };
}

/** What it makes, or an index or a trigger is of; undefined for GRANT. */
function targetOf({ statement }: DdlPart): RelationName | undefined {
  if (statement.kind === 'createTable') return statement.relation;
  return statement.node === 'GrantStmt' ? undefined : statement.relations[0];
}

function isMisplaced(element: Element, schema: string): boolean {
  const named = targetOf(element)?.schema ?? null;
  return element.statement.temporary || (named !== null && named !== schema);
}

/** The statement by which an object is made in the schema. */
function within({ statement }: Element, schema: string): DdlPart['statement'] {
  if (statement.kind === 'createTable') {
    return { ...statement, relation: { ...statement.relation, schema } };
  }
  const [target, ...others] = statement.relations;
  if (statement.node === 'GrantStmt' || target === undefined) return statement;
  return { ...statement, relations: [{ ...target, schema }, ...others] };
}

const SERIAL = /^(?:small|big)?serial$|^serial[248]$/;

/** A longer one is cut. Source: makeObjectName (indexcmds.c). */
const NAME_BYTES_MAX = 63;

/** The sequences of a table's serial columns, unless a name is taken. */
const serialsOf = ({ relation, columns }: CreateTableStatement): readonly string[] =>
  columns
    .filter(({ type }) => SERIAL.test(type))
    .map(({ name }) => `${relation.name}_${name}_seq`)
    .filter((name) => Buffer.byteLength(name) <= NAME_BYTES_MAX);

/** GRANT ON [TABLE | SEQUENCE] what may be at home only: the sequence of an identity. */
function grantsUnknown(
  { statement, sql, tokens }: Element,
  sequences: ReadonlySet<string>,
  parts: DdlParts,
): boolean {
  if (statement.kind !== 'utility' || statement.node !== 'GrantStmt') return false;
  const on = tokens.findIndex(({ kind, text }) => kind === 'word' && text === 'on');
  const isKind = ['table', 'sequence'].includes(tokens[on + 1]?.text ?? '');
  const isByName = ['.', ',', 'to'].includes(tokens[on + 2]?.text ?? '');
  if (!isKind && !isByName) return false;
  const context = parts.contextOf({ sql, tokens });
  return statement.relations.some(
    (relation) =>
      context.table(relation) === null &&
      context.sequence(relation) === null &&
      !sequences.has(relation.name),
  );
}

/** False: it would not run in one transaction on all shards. */
function addTo(
  { creates, alters, elsewhere }: Pieces,
  element: Element,
  { route, merge }: RoutedPlan,
  target: RelationName | undefined,
): boolean {
  if (route.kind === 'home' && merge === null) {
    const isTable = element.statement.kind === 'createTable';
    if (isTable) creates.push({ relation: target!, kind: 'home', keyColumn: null });
    return true;
  }
  if (merge?.how !== 'everywhere' || merge.mode !== 'transaction') return false;
  if (merge.onlyAtHome !== null) return false;
  creates.push(...merge.creates);
  alters.push(...merge.alters);
  elsewhere.set(element, merge.elsewhere ?? element.sql);
  return true;
}
