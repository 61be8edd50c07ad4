// Time words of a session: what its strings are read as, asked of a server where only that knows.

import { SqlError } from '../base/errors.ts';
import { TIME_WORDS_BYTES_MAX } from '../base/limits.ts';
import { SQLSTATE } from '../base/sqlstate.ts';
import { describe } from '../execute/describe.ts';
import { type BoundParameters, formatAt, typesOn } from '../execute/parameters.ts';
import {
  PLAIN_TYPES,
  questionOf,
  rowsPart,
  TIME_TYPES,
  type TimeWord,
  timeWordsIn,
  typedWords,
  typesBeside,
} from '../plan/time-words.ts';
import { severalShards } from '../plan/unsupported.ts';
import { query, ServerError } from '../pool/query.ts';
import type { ServerConnection } from '../pool/server-connection.ts';
import { HOME_SHARD } from '../topology/shard.ts';
import type { SessionContext } from './context.ts';
import type { Execution } from './execution.ts';
import type { SessionState } from './state.ts';

type Asked = Pick<Execution, 'sql' | 'parameters'>;

/**
 * A statement with the types of strings such as 'today' that are times of its transaction, parameters among
 * them; the same where there are none. Throws 0A000 where `several` shards would read one of a type of the users.
 */
export async function withTimeWords<T extends Asked>(
  asked: T,
  several: boolean,
  state: SessionState,
  context: SessionContext,
): Promise<T> {
  const { parameters } = asked;
  const { searchPath } = state;
  const texts = textsOf(parameters);
  const input = { catalog: context.topology().catalog, searchPath };
  const { before, sql, after, added } = rowsPart(asked.sql);
  const words = timeWordsIn(sql, input, texts);
  if (words.length === 0) return asked;
  const isKnown = words.every(({ type }) => type !== null && TIME_TYPES.has(type));
  const read = isKnown ? words : await onServer(state, askTypes(sql, words, parameters.types));
  const times = read.filter(({ typeName }) => typeName !== null);
  if (several && times.length < read.length) throw new SqlError(severalShards('timeWord'));
  if (times.length === 0) return asked;
  const types = typesBeside(parameters, times);
  const typed = before + typedWords(sql, times).slice(added) + after;
  return { ...asked, sql: typed, parameters: { ...parameters, types } };
}

/** Short values in text; null for any other. */
const textsOf = ({ values, formats }: BoundParameters): readonly (string | null)[] =>
  values.map((value, i) => {
    const isText = value !== null && formatAt(formats, i) === 0;
    return isText && value.length <= TIME_WORDS_BYTES_MAX ? value.toString('utf8') : null;
  });

/** What the strings mean in a transaction is not to end it: a question may fail. */
async function onServer<T>(
  state: SessionState,
  ask: (connection: ServerConnection) => Promise<T>,
): Promise<T> {
  const { transaction } = state;
  if (transaction !== null) {
    const [first = await transaction.enlist(HOME_SHARD)] = transaction.participants.values();
    await query(first, 'SAVEPOINT "drive.words"');
    const answer = await ask(first);
    await query(first, 'ROLLBACK TO SAVEPOINT "drive.words"; RELEASE SAVEPOINT "drive.words"');
    return answer;
  }
  const home = await state.borrow(HOME_SHARD, state.settings.current);
  try {
    return await ask(home);
  } finally {
    state.giveBack(home);
  }
}

/** Those that are times, or larger values with dates in them, with their types. */
const askTypes =
  (sql: string, words: readonly TimeWord[], types: readonly number[]) =>
  async (connection: ServerConnection): Promise<readonly TimeWord[]> => {
    const found = await typesOf(connection, sql, words, types);
    if (found === null) return [];
    const others = new Set(
      found.flatMap(({ type }) => (TIME_TYPES.has(type!) || PLAIN_TYPES.has(type!) ? [] : [type!])),
    );
    const held = await holdingTimes(connection, [...others]);
    return found
      .filter(({ type }) => TIME_TYPES.has(type!) || held.has(type!))
      .map((word) => ({ ...word, typeName: TIME_TYPES.get(word.type!) ?? held.get(word.type!)! }));
  };

/** null: the server takes the statement, or a parameter in it, for wrong. */
async function typesOf(
  connection: ServerConnection,
  sql: string,
  words: readonly TimeWord[],
  types: readonly number[],
): Promise<readonly TimeWord[] | null> {
  const question = questionOf(sql, words);
  try {
    const given = typesOn(connection, types, question.sql);
    const { parameterTypes } = await describe(connection, question.sql, given);
    return words.map((word, i) => ({
      ...word,
      type: word.type ?? parameterTypes[question.indexes[i]!] ?? 0,
    }));
  } catch (error) {
    if (!(error instanceof ServerError) || error.fields.code === SQLSTATE.queryCanceled)
      throw error;
    // It is told by the statement itself; what gives a parameter no type gives a string no time.
    return null;
  }
}

/**
 * Those of these types that have dates or times in their values (arrays, ranges, rows and domains of such),
 * with their names as SQL; null: made by users.
 */
async function holdingTimes(
  connection: ServerConnection,
  types: readonly number[],
): Promise<ReadonlyMap<number, string | null>> {
  if (types.length === 0) return new Map();
  const { rows } = await query(
    connection,
    `SELECT t.oid, CASE WHEN t.oid < 16384 THEN coalesce(e.typname || '[]', t.typname) END
     FROM pg_catalog.pg_type t
     LEFT JOIN pg_catalog.pg_type e ON t.typcategory = 'A' AND e.oid = t.typelem
     WHERE t.oid IN (${types.join(', ')})
       AND coalesce(e.typcategory, t.typcategory) IN ('D', 'R', 'C')`,
  );
  return new Map(rows.map(([oid, name]) => [Number(oid), name ?? null]));
}
