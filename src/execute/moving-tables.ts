// Moving tables: those that get rows with new keys by an UPDATE, and whether one shard may run it for its rows.

import { SqlError } from '../base/errors.ts';
import { quoteName } from '../base/quote.ts';
import { type InsertedRow, type TriggerBody, triggerBody } from '../plan/trigger-body.ts';
import { refused } from '../plan/unsupported.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Catalog } from '../topology/table.ts';
import { OWN_ROW_ONLY } from '../topology/trigger-value.ts';
import { checkExact } from './carried.ts';
import { immovable, type ModifiedColumn, modifiedTable } from './modified-table.ts';
import {
  type ForeignKey,
  type MoveFacts,
  moveFacts,
  TRIGGER,
  type TriggerFacts,
} from './move-facts.ts';

export interface MovingTable {
  /** Unquoted. */
  readonly name: string;
  /** Qualified and quoted. */
  readonly sql: string;
  /** The sharding key's column, unquoted. */
  readonly key: string;
  /** All that can be given a value. */
  readonly columns: readonly ModifiedColumn[];
  /** To delete, or to insert, a row fires triggers. */
  readonly firesOnDelete: boolean;
  readonly firesOnInsert: boolean;
  readonly refersTo: readonly ForeignKey[];
  /** Rows of it get new keys: it is the written one, or is written along. */
  readonly moves: boolean;
  /** Rows with the new keys are referred to by others, or by rows that are referred to. */
  readonly isLent: boolean;
}

export interface MovingTables {
  /** What the written one is called. */
  readonly name: string;
  /** Each behind those that it refers to. */
  readonly tables: readonly MovingTable[];
  /** session_replication_role as the session has it: not replica. */
  readonly role: string;
}

/** Whether the keys that rows have got in the end are told by the statement, or only those that it assigns. */
export type ToldKeys = 'final' | 'assigned';

/** The table of the UPDATE, and whom it is asked of. */
interface Survey {
  readonly home: ServerConnection;
  readonly catalog: Catalog;
  readonly target: MoveFacts;
  readonly keys: ToldKeys;
}

/** A table that gets rows with new keys. */
interface Moving {
  readonly facts: MoveFacts;
  readonly key: string;
  /** Its rows are updated, or triggers insert them: with the key that a row has got, or none but what it had. */
  readonly by: 'update' | 'insertOfNew' | 'insertOfOld';
}

/**
 * For an UPDATE that a shard runs for rows of its own, which then are taken to the shards of their new keys.
 * Throws 0A000 where a server that has no other rows might do something else than one that has all.
 */
export async function movingTables(
  home: ServerConnection,
  table: string,
  catalog: Catalog,
  keys: ToldKeys,
): Promise<MovingTables> {
  const target = await moveFacts(home, table);
  const survey = { home, catalog, target, keys };
  const { name } = target;
  const role = await replicationRole(home);
  if (role === 'replica') throw immovable(name, 'session_replication_role is replica.');
  const found: Moving[] = [];
  const open = [movingOf(target, 'update', survey)];
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    const { facts, by } = next;
    if (found.some((each) => each.facts.sql === facts.sql && each.by === by)) continue;
    found.push(next);
    for (const inserting of insertedBy(next, survey)) {
      open.push(await writtenBy(inserting, next, survey));
    }
    if (by === 'update') open.push(...(await cascadesOf(next, survey)));
  }
  const lent = await lentTo(found, survey);
  const tables: MovingTable[] = [];
  for (const each of inOrder([...found, ...lent])) {
    const isAmong = (all: readonly Moving[]) => all.some(isOf(each.facts.sql));
    const part = { moves: isAmong(found), isLent: isAmong(lent) };
    tables.push({ ...(await movingTable(each, survey)), ...part });
  }
  return { name, tables, role };
}

const isOf =
  (sql: string) =>
  ({ facts }: Moving): boolean =>
    facts.sql === sql;

/** A trigger may give a row of the UPDATE another key than is assigned. One whose function cannot be read is taken not to. */
export async function mayChangeKey(
  home: ServerConnection,
  table: string,
  key: string,
  catalog: Catalog,
): Promise<boolean> {
  const { triggers } = await moveFacts(home, table);
  return triggers.filter(fires(TRIGGER.update)).some((trigger) => {
    const body = bodyOf(trigger, catalog);
    return body !== null && (body.assigns?.has(key) ?? true);
  });
}

/** Throws 0A000 where a trigger may give a new row another key on another shard. */
export async function checkInsertTriggers(
  home: ServerConnection,
  table: string,
  catalog: Catalog,
): Promise<void> {
  const { triggers } = await moveFacts(home, table);
  const before = triggers.filter(({ type }) => (type & BEFORE_ROW_INSERT) === BEFORE_ROW_INSERT);
  const unknown = before.find((trigger) => bodyOf(trigger, catalog)?.inserts.length !== 0);
  if (unknown === undefined) return;
  throw new SqlError({
    ...refused('triggerKey'),
    detail: `The trigger ${unknown.name} may read or write tables, of which each shard has its own rows only.`,
  });
}

const BEFORE_ROW_INSERT = TRIGGER.row | TRIGGER.before | TRIGGER.insert;

async function replicationRole(home: ServerConnection): Promise<string> {
  const { rows } = await query(
    home,
    `SELECT pg_catalog.current_setting('session_replication_role')`,
  );
  return rows[0]![0]!;
}

function movingOf(facts: MoveFacts, by: Moving['by'], { catalog, target }: Survey): Moving {
  const { name } = facts;
  const refusal = (detail: string, hint?: string) => immovable(target.name, detail, hint);
  if (!facts.isTable) {
    throw refusal(
      'By a view only rows of a table without triggers, row level security and foreign keys that act are moved, and only where it shows all columns.',
      'Write the table itself.',
    );
  }
  const key = catalog.table(facts.schema, name)?.keyColumn ?? null;
  if (key === null) throw refusal(`Rows of ${name}, which is not sharded, are written along.`);
  if (facts.rowSecurity) {
    throw refusal(
      `Row level security of ${name} looks at rows that are taken out and put in, which an UPDATE does not do.`,
    );
  }
  if (facts.hasHeirs) throw refusal(`Tables inherit from ${name}.`);
  return { facts, key, by };
}

const fires =
  (event: number) =>
  ({ type }: TriggerFacts): boolean =>
    (type & event) !== 0;

async function movingTable({ facts, key }: Moving, { home, target }: Survey) {
  const { sql, name, triggers, refersTo } = facts;
  const moves = triggers.filter(fires(TRIGGER.insert | TRIGGER.delete));
  // Where others do not fire, those would.
  const loud = moves.find(({ enabled }) => enabled !== 'O');
  if (loud !== undefined) {
    throw immovable(
      target.name,
      `The trigger ${loud.name} of ${name} fires ALWAYS, or as a REPLICA, also for a row that is taken out and put in elsewhere.`,
    );
  }
  const own = { name: sql, alias: '', kind: 'sharded', columns: [], shown: null } as const;
  const { columns } = await modifiedTable(home, own, key);
  const oids = columns.map(({ typeOid }) => typeOid);
  await checkExact(home, oids);
  const firesOnDelete = triggers.some(fires(TRIGGER.delete));
  const firesOnInsert = triggers.some(fires(TRIGGER.insert));
  const isGiven = (column: string) => columns.some((each) => each.name === column);
  if (firesOnInsert && !refersTo.every((each) => each.columns.every(isGiven))) {
    throw immovable(target.name, `A foreign key of ${name} has a generated column.`);
  }
  return { name, sql, key, columns, firesOnDelete, firesOnInsert, refersTo };
}

/** A trigger, and one of the rows that it inserts. */
interface Inserting {
  readonly trigger: TriggerFacts;
  readonly row: InsertedRow;
}

/** Throws 0A000 for what the triggers of a table may do else. */
function insertedBy(moving: Moving, survey: Survey): readonly Inserting[] {
  const bodies = bodiesOf(moving, survey);
  const inserting = bodies.flatMap(({ trigger, body }) =>
    body.inserts.map((row) => ({ trigger, row })),
  );
  // By another key than is told a row would be looked for in vain.
  const { target, keys } = survey;
  const isBehind = inserting.every(({ trigger }) => !fires(TRIGGER.before)(trigger));
  const isTold = keys === 'final' && isBehind && moving.facts === target;
  if (!isTold) checkKeepKey(moving, survey);
  return inserting;
}

function bodiesOf({ facts, by }: Moving, { target, catalog }: Survey) {
  const event = by === 'update' ? TRIGGER.update : TRIGGER.insert;
  const firing = facts.triggers.filter(fires(event)).filter(({ enabled }) => enabled !== 'R');
  return firing.map((trigger) => {
    const body = bodyOf(trigger, catalog);
    // What is inserted later is not found behind the UPDATE.
    const isLate = trigger.deferrable && body !== null && body.inserts.length > 0;
    if (body === null || isLate) throw reaching(target, facts, trigger);
    return { trigger, body };
  });
}

/** Throws 0A000 where a trigger may change the key that the UPDATE has given a row. */
function checkKeepKey(moving: Moving, survey: Survey): void {
  const bodies = bodiesOf(moving, survey);
  const changing = bodies.find(({ body }) => body.assigns?.has(moving.key) ?? true);
  if (changing !== undefined) throw reaching(survey.target, moving.facts, changing.trigger);
}

const OWN_ROW: TriggerBody = { assigns: new Set(), inserts: [] };

/** null: it may read or write tables otherwise, or that cannot be told. */
function bodyOf(trigger: TriggerFacts, catalog: Catalog): TriggerBody | null {
  if (trigger.callsWhen) return null;
  if (OWN_ROW_ONLY.has(`${trigger.origin}.${trigger.routine}`)) return OWN_ROW;
  if (trigger.language !== 'plpgsql') return null;
  const body = triggerBody(trigger.body, catalog);
  // The session's path, by which names are looked up here, is not the routine's.
  const isFound = ({ relation }: InsertedRow) =>
    relation.schema !== null || trigger.searchPath === null;
  return body?.inserts.every(isFound) ? body : null;
}

/** The table that a trigger inserts into. */
async function writtenBy(
  { trigger, row: { relation, columns, values } }: Inserting,
  { facts: of, key, by }: Moving,
  survey: Survey,
): Promise<Moving> {
  const path = relation.schema === null ? [relation.name] : [relation.schema, relation.name];
  const facts = await moveFacts(survey.home, path.map(quoteName).join('.'));
  const moving = movingOf(facts, 'insertOfOld', survey);
  const all = survey.catalog.table(facts.schema, facts.name)!.columns.map(({ name }) => name);
  const given = values[(columns ?? all).indexOf(moving.key)] ?? [];
  const isKey = given.length > 0 && given.every(({ column }) => column === key);
  if (by !== 'update' || !isKey) throw reaching(survey.target, of, trigger);
  return given.some(({ row }) => row === 'new') ? { ...moving, by: 'insertOfNew' } : moving;
}

/** Tables whose rows get a new key with the row that they refer to. */
async function cascadesOf({ facts, key }: Moving, survey: Survey): Promise<readonly Moving[]> {
  const children: Moving[] = [];
  for (const foreignKey of facts.referredBy) {
    const { onUpdate, columns, referred, sql, name, table } = foreignKey;
    if (onUpdate === 'a' || onUpdate === 'r') continue;
    const refusal = immovable(
      survey.target.name,
      `The foreign key ${name} of ${table} sets columns when a key that it refers to is changed.`,
    );
    if (onUpdate !== 'c') throw refusal;
    const child = movingOf(await moveFacts(survey.home, sql), 'update', survey);
    if (!columns.some((each, i) => each === child.key && referred[i] === key)) throw refusal;
    children.push(child);
  }
  return children;
}

/**
 * What rows refer to by their new keys: a row that still lies on its old shard must find it there, where it does not
 * surely move along.
 */
async function lentTo(found: readonly Moving[], survey: Survey): Promise<readonly Moving[]> {
  const lent: Moving[] = [];
  const open = found.filter(({ by }) => by !== 'insertOfOld');
  const isAlong = (sql: string) => found.some((each) => each.by === 'update' && isOf(sql)(each));
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    const { facts, key } = next;
    for (const { columns, referred, schema, table, sql, name } of facts.refersTo) {
      const at = columns.indexOf(key);
      if (at < 0 || survey.catalog.table(schema, table)?.kind !== 'sharded') continue;
      if (lent.some(isOf(sql))) continue;
      // A child moves with its parent; a row of the same table may stay.
      if (sql !== facts.sql && !lent.includes(next) && isAlong(sql)) continue;
      const own = found.find(isOf(sql));
      const other = own ?? movingOf(await moveFacts(survey.home, sql), 'update', survey);
      if (referred[at] !== other.key || (own !== undefined && !isAlong(sql))) {
        throw immovable(
          survey.target.name,
          `Triggers or foreign keys act on the rows where they are, and the foreign key ${name} of ${facts.name} refers to rows that may be on the shards of the new keys.`,
        );
      }
      lent.push(other);
      open.push(other);
    }
  }
  if (lent.length > 0) checkKeepKey(found[0]!, survey);
  return lent;
}

/** Each behind those that it refers to. */
function inOrder(moving: readonly Moving[]): readonly Moving[] {
  const left = new Set(new Map(moving.map((each) => [each.facts.sql, each])).values());
  const ordered: Moving[] = [];
  const refersToLeft = ({ facts }: Moving) =>
    facts.refersTo.some(({ sql }) => sql !== facts.sql && [...left].some(isOf(sql)));
  while (left.size > 0) {
    // In a circle of foreign keys any is as good as another: they can only be deferred ones.
    const next = [...left].find((each) => !refersToLeft(each)) ?? [...left][0]!;
    left.delete(next);
    ordered.push(next);
  }
  return ordered;
}

const reaching = (target: MoveFacts, { name }: MoveFacts, trigger: TriggerFacts): SqlError =>
  immovable(
    target.name,
    `The trigger ${trigger.name} of ${name} may read or write other tables, of which a shard has its own rows only.`,
    'Delete the row and insert it with the new key, or have the trigger do no more than compute columns of its row, or insert rows with the key of its OLD or NEW as it is.',
  );
