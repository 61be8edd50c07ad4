// Prepared statements and portals as one client knows them, by its own names.

import { createHash } from 'node:crypto';
import { SqlError } from '../base/errors.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { type BoundParameters, formatAt, typesOn } from '../execute/parameters.ts';
import type { Plan } from '../plan/plan.ts';
import type { Planned, Planner } from '../plan/planner.ts';
import type { BoundValues } from '../plan/route.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Topology } from '../topology/topology.ts';
import { type BindMessage, encodeParse } from '../wire/extended.ts';
import type { FieldDescription } from '../wire/row.ts';

/** A Parse of a client. The plan is made anew when the topology or the search path has changed. */
export interface PreparedStatement {
  readonly sql: string;
  /** As declared in Parse; 0 or missing: the server decides. */
  readonly parameterTypes: readonly number[];
  /** What servers know it as. */
  server: ServerStatement;
  /** Its text is likely to come again as it is: whatever varies is a parameter, or it has come before. */
  readonly isRepeatable: boolean;
  /** The client has not been told of its columns yet: they may still be any. */
  isNew: boolean;
  planned: Planned;
  planVersion: number;
  searchPath: readonly string[] | null;
  /** A leading comment gives it a route. */
  readonly byHand: boolean;
  /** What its strings were read with, as in Settings. */
  readonly dates: string;
  /** Its columns as it had them when it was prepared; undefined: as the servers', if that is known. */
  columns: Columns | undefined;
  /** By which it last had these. */
  columnsPlan: Plan;
}

/** As of columnsOf; null: it gives no rows. */
type Columns = string | null;

/** A statement under the name by which servers know it: one for all clients with its text and types. */
export interface ServerStatement {
  readonly name: string;
  /** Of the catalog by which it got the name. */
  readonly version: number;
  /** As a server has told them, in the home shard's numbers; undefined: none was asked. */
  columns: Columns | undefined;
}

/** undefined: not known. */
const columnsBefore = ({ columns, server }: PreparedStatement): Columns | undefined =>
  columns === undefined ? server.columns : columns;

/** The tables have changed since the client prepared it; whether its columns have is to be seen. */
export const mayHaveOtherColumns = (statement: PreparedStatement): boolean =>
  statement.columnsPlan !== statement.planned.plan && columnsBefore(statement) !== undefined;

/** Throws 0A000 where the rows of now are not those that the statement had when it was prepared. */
export function checkColumns(
  statement: PreparedStatement,
  now: readonly FieldDescription[] | null,
): void {
  const before = columnsBefore(statement);
  if (before === undefined || before === columnsOf(now)) return;
  throw new SqlError({
    code: SQLSTATE.featureNotSupported,
    message: 'cached plan must not change result type',
    routine: 'RevalidateCachedQuery',
  });
}

/** The same for columns that are taken for the same, however many. Source: equalRowTypes() of tupdesc.c. */
export function columnsOf(fields: readonly FieldDescription[] | null): Columns {
  if (fields === null) return null;
  const hash = createHash('sha256');
  for (const { name, typeOid, typeModifier } of fields) {
    hash.update(`${name}\0${typeOid}\0${typeModifier}\0`);
  }
  return hash.digest('base64url');
}

export interface Portal {
  readonly statement: PreparedStatement;
  readonly parameters: BoundParameters;
  readonly resultFormats: readonly number[];
}

export function portalOf(statement: PreparedStatement, bind: BindMessage): Portal {
  return {
    statement,
    parameters: {
      values: bind.parameters,
      formats: bind.parameterFormats,
      types: statement.parameterTypes,
    },
    resultFormats: bind.resultFormats,
  };
}

/** The values a route is found by: literals lifted from the text and bound parameters. */
export class StatementValues implements BoundValues {
  readonly parameterCount: number;
  #literals: readonly string[] | null;
  #parameters: BoundParameters;

  constructor(literals: readonly string[] | null, parameters: BoundParameters) {
    this.#literals = literals;
    this.#parameters = parameters;
    this.parameterCount = parameters.values.length;
  }

  literal(slot: number): string {
    return this.#literals![slot]!;
  }

  parameter(index: number): Buffer | null {
    return this.#parameters.values[index] ?? null;
  }

  parameterFormat(index: number): 0 | 1 {
    return formatAt(this.#parameters.formats, index);
  }

  parameterType(index: number): number {
    return this.#parameters.types[index] ?? 0;
  }
}

/** The statement's plan under the topology and search path of now. */
export function currentPlan(
  statement: PreparedStatement,
  planner: Planner,
  topology: Topology,
  searchPath: readonly string[] | null,
): Planned {
  if (statement.planVersion !== topology.version || statement.searchPath !== searchPath) {
    statement.planned = planner.plan(statement.sql, topology, searchPath);
    statement.planVersion = topology.version;
    statement.searchPath = searchPath;
  }
  return statement.planned;
}

/** What a server reads of a statement, and by what it understands it. */
export interface StatementText {
  readonly sql: string;
  readonly parameterTypes: readonly number[];
  /** Of the catalog. */
  readonly version: number;
  readonly searchPath: readonly string[] | null;
}

/**
 * Gives every text with its parameter types one name on all server connections. A name holds for
 * one catalog version and search path: a statement prepared after DDL gets a new name, so that "cached
 * plan must not change result type" cannot reach a client that has just prepared it.
 */
export class StatementNames {
  #names = new Map<string, ServerStatement>();
  #counter = 0;
  #max: number;

  /** `max`: names remembered; a forgotten text simply gets a new name. */
  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#names.size;
  }

  /** Every name with its text and the catalog version it holds for. */
  *entries(): Generator<{ name: string; sql: string; version: number }> {
    for (const [key, { name }] of this.#names) {
      const [version = '', , , ...sql] = key.split('\0');
      yield { name, sql: sql.join('\0'), version: Number(version) };
    }
  }

  /** Another name for the statement from here on: servers hold it in a form that is out of date. */
  renew(text: StatementText): ServerStatement {
    this.#names.delete(keyOf(text));
    return this.statementOf(text);
  }

  /** Whether it has been asked for before. */
  has(text: StatementText): boolean {
    return this.#names.has(keyOf(text));
  }

  nameOf(text: StatementText): string {
    return this.statementOf(text).name;
  }

  statementOf(text: StatementText): ServerStatement {
    const key = keyOf(text);
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    if (this.#names.size >= this.#max) this.#names.delete(this.#names.keys().next().value!);
    const statement = this.ownStatement(text.version);
    this.#names.set(key, statement);
    return statement;
  }

  /** Under a name that no other gets. */
  ownStatement(version: number): ServerStatement {
    this.#counter += 1;
    return { name: `drive_${this.#counter}`, version, columns: undefined };
  }
}

function keyOf({ sql, parameterTypes, version, searchPath }: StatementText): string {
  const path = searchPath === null ? '' : JSON.stringify(searchPath);
  return `${version}\0${parameterTypes.join(',')}\0${path}\0${sql}`;
}

/**
 * The name of a statement among those that a server was given under the same settings: what it has
 * parsed under others may be another statement. `reading` as in Settings.
 */
export const nameUnder = (reading: string, name: string): string =>
  reading === '' ? name : `${name}~${reading}`;

/** The name that nameUnder was given. */
export const nameWithin = (name: string): string => name.split('~', 1)[0]!;

/** The Parse that gives a server connection this statement under that name. */
export function serverParse(
  { sql, parameterTypes }: Pick<PreparedStatement, 'sql' | 'parameterTypes'>,
  name: string,
  connection: ServerConnection,
): Buffer {
  const types = typesOn(connection, parameterTypes, sql);
  return encodeParse({ name, sql, parameterTypes: types });
}
