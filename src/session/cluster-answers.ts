// Cluster answers: asks all shards what a statement wants to know of their parts, and puts it into its text.

import { textArray } from '../base/quote.ts';
import { ANSWERS, type ClusterQuestion, hasParts } from '../plan/cluster-question.ts';
import { withLeaves } from '../plan/engine-plan.ts';
import { query } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import type { Table } from '../topology/table.ts';
import { plannedAnew, type RoutedExecution } from './clock.ts';
import type { SessionContext } from './context.ts';
import type { Execution } from './execution.ts';
import type { SessionState } from './state.ts';

/** Rejects with SqlError and ServerError. */
export async function withClusterAnswers(
  execution: Execution,
  asked: ClusterQuestion,
  state: SessionState,
  context: SessionContext,
): Promise<RoutedExecution> {
  const shards = context.topology().shards.map(({ id }) => id);
  const ask = (sql: string) => askAll(shards, state, sql);
  const told = new Map<number, string>([
    [ANSWERS.sequences, await placesOf(asked, ask)],
    [ANSWERS.statistics, await statisticsOf(asked, ask, context)],
    [ANSWERS.sizes, await sizesOf(asked, ask, context)],
  ]);
  // A backslash before the quotes of a name stands for itself: strings are standard-conforming.
  const textOf = (answer: number) => told.get(answer)!.replaceAll("'", "''");
  const sql = withLeaves(asked.marked, textOf);
  const { plan, ...rest } = plannedAnew({ ...execution, sql }, state, context);
  return { ...rest, plan: { ...plan, asked: null } };
}

type Rows = readonly (readonly (string | null)[])[];

type Ask = (sql: string) => Promise<readonly Rows[]>;

/** One shard after the other: each as a transaction sees it that is there, and to be asked is no reason to be joined. */
async function askAll(
  shards: readonly number[],
  state: SessionState,
  sql: string,
): Promise<readonly Rows[]> {
  const answers: Rows[] = [];
  for (const shard of shards) {
    const use = async (connection: ServerConnection) => (await query(connection, sql)).rows;
    const joined = state.transaction?.participants.get(shard);
    if (joined !== undefined) {
      answers.push(await use(joined));
      continue;
    }
    const connection = await state.borrow(shard, state.settings.current);
    try {
      answers.push(await use(connection));
    } finally {
      state.giveBack(connection);
    }
  }
  return answers;
}

interface Place {
  readonly value: bigint;
  readonly isCalled: boolean;
  readonly upwards: boolean;
}

/** Where each sequence is, as drive.sequence_row() takes it. */
async function placesOf({ sequences }: ClusterQuestion, ask: Ask): Promise<string> {
  if (sequences !== null && sequences.length === 0) return '';
  const wanted = sequences === null ? 'NULL' : textArray(sequences);
  const places = new Map<string, Place>();
  for (const rows of await ask(`SELECT * FROM drive.sequence_states(${wanted})`)) {
    for (const [name, value, called, upwards] of rows) {
      const own = { value: BigInt(value!), isCalled: called === 't', upwards: upwards === 't' };
      const known = places.get(name!);
      if (known === undefined || isFarther(own, known)) places.set(name!, own);
    }
  }
  const text = [...places].map(([name, { value, isCalled }]) => [name, [String(value), isCalled]]);
  return JSON.stringify(Object.fromEntries(text));
}

/** The last value of all that were given; where none was, the first that will be. */
function isFarther(own: Place, known: Place): boolean {
  if (own.isCalled !== known.isCalled) return own.isCalled;
  if (own.value === known.value) return false;
  return own.value > known.value === (own.isCalled === own.upwards);
}

/** What each shard has counted, as drive.pg_class() and its kin take it. */
async function statisticsOf(
  { statistics }: ClusterQuestion,
  ask: Ask,
  context: SessionContext,
): Promise<string> {
  if (statistics.length === 0) return '';
  const names = namesOf(partedIn(context));
  const told = await ask(`SELECT drive.statistics(${textArray(statistics)}, ${names})`);
  return `[${told.map(([row]) => row![0]).join()}]`;
}

/** How large each shard's parts are, as drive.pg_table_size() and its kin take it. */
async function sizesOf(
  { sizes, database }: ClusterQuestion,
  ask: Ask,
  context: SessionContext,
): Promise<string> {
  if (sizes?.length === 0 && !database) return '';
  const names = namesOf(sizes ?? partedIn(context));
  const own = database ? 'pg_catalog.pg_database_size(current_database())' : '0';
  const told = await ask(`SELECT drive.relation_sizes(${names}), ${own}`);
  const relations = told.map(([row]) => row![0]).join();
  const total = told.reduce((sum, [row]) => sum + BigInt(row![1]!), 0n);
  const name = JSON.stringify(context.database);
  return `{"relations": [${relations}], "name": ${name}, "database": ${total}}`;
}

const partedIn = (context: SessionContext): readonly Table[] =>
  [...context.topology().catalog.tables()].filter(hasParts);

/** Two arguments, as SQL: the tables' schemas, and their names in the same order. */
function namesOf(tables: readonly Table[]): string {
  const schemas = tables.map(({ schema }) => schema);
  return `${textArray(schemas)}, ${textArray(tables.map(({ name }) => name))}`;
}
