// Scripts of transaction commands by the extended protocol, each to be sent to a plain server and to the proxy.

import { type Step, say, step } from '../support/transcript.ts';

const NAME_OF = 'SELECT name FROM files WHERE user_id = $1 AND id = $2';
const queries = (...sql: readonly string[]): Step[] => sql.map((each) => step(say.query(each)));

/** By the fact they show. */
export const commandScripts: Readonly<Record<string, readonly Step[]>> = {
  'BEGIN with modes within a savepoint says at once which are too late': queries(
    'BEGIN',
    'SAVEPOINT a',
    'BEGIN ISOLATION LEVEL REPEATABLE READ',
    'SELECT 1',
    'ROLLBACK TO a',
    'START TRANSACTION READ ONLY',
    'SHOW transaction_read_only',
    'ROLLBACK',
  ),
  'BEGIN, statements and COMMIT in one pipeline': [
    step(
      [
        'BEGIN',
        "INSERT INTO notes VALUES (3, 'x')",
        'SELECT count(*) FROM notes',
        'COMMIT',
      ].flatMap((sql) => [say.run(sql), say.sync]),
      'Z',
      4,
    ),
  ],
  'BEGIN, statements and COMMIT in one batch': [
    step([
      ...['BEGIN', "INSERT INTO notes VALUES (3, 'x')", 'COMMIT'].map((sql) => say.run(sql)),
      say.sync,
    ]),
    ...queries('SELECT count(*) FROM notes'),
  ],
  'BEGIN along with the first statement': [
    ...["SELECT 'first'", NAME_OF].map((sql) =>
      step([
        ...[say.parse('BEGIN', 'b'), say.bind([], 'b'), say.describe('portal'), say.execute()],
        ...[say.run(sql, sql === NAME_OF ? ['1', '1'] : []), say.sync, say.close('statement', 'b')],
        ...[say.run('COMMIT'), say.sync],
      ]),
    ),
    step([say.run('BEGIN'), say.run('SELECT 1/0'), say.sync]),
    step([say.run('ROLLBACK'), say.sync]),
    step([say.run('BEGIN'), say.run('SELECT missing'), say.sync]),
    step([say.run('ROLLBACK'), say.sync]),
  ],
  'commands of transactions are prepared like others': [
    step([say.parse('BEGIN', 'b'), say.parse('COMMIT', 'c'), say.parse('ROLLBACK', 'r'), say.sync]),
    ...['b', 'c', 'b', 'r', 'r', 'b', 'b', 'c', 'c'].map((name) =>
      step([say.bind([], name), say.execute(), say.sync]),
    ),
    step([say.parse('BEGIN', 'b'), say.bind([], 'b'), say.execute(), say.sync]),
    step([say.bind(['1'], 'b'), say.execute(), say.sync]),
    step([say.bind([], 'b'), say.execute(), say.sync]),
    step([say.execute(), say.sync]),
    step([say.run('ROLLBACK'), say.sync]),
    step([say.bind(), say.execute(), say.sync]),
  ],
  'SET TRANSACTION SNAPSHOT where there can be none': queries(
    "SET TRANSACTION SNAPSHOT '00000003-0000001B-1'",
    ...[
      ['BEGIN'],
      ['BEGIN ISOLATION LEVEL REPEATABLE READ', 'SELECT count(*) FROM files'],
      ['BEGIN ISOLATION LEVEL REPEATABLE READ', 'SELECT text FROM notes WHERE id = 1'],
      ['BEGIN ISOLATION LEVEL SERIALIZABLE', 'SAVEPOINT a'],
    ].flatMap((begin) => [
      ...begin,
      "SET TRANSACTION SNAPSHOT '00000003-0000001B-1'",
      'SELECT 1',
      'ROLLBACK',
    ]),
    'BEGIN ISOLATION LEVEL REPEATABLE READ',
    "SET LOCAL TRANSACTION SNAPSHOT '00000003-0000001B-1'",
    'ROLLBACK',
  ),
  'what a COMMIT meets': [
    ...queries('CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)'),
    step([say.run('BEGIN'), say.run('INSERT INTO late VALUES (1), (1)'), say.sync]),
    step([say.run('COMMIT'), say.sync]),
    ...queries('SELECT count(*) FROM late'),
  ],
  'a failed transaction refuses Parse and Bind until its end': [
    ...queries('BEGIN', 'SELECT 1/0'),
    step([say.parse('SELECT 1'), say.sync]),
    step([say.run('SELECT 1'), say.sync]),
    step([say.run('ROLLBACK'), say.sync]),
    step([say.run('SELECT 1'), say.sync]),
  ],
  'a failed transaction describes and binds nothing that gives rows': [
    step([say.parse(NAME_OF, 's'), say.parse('', 'none'), say.parse('ROLLBACK', 'r'), say.sync]),
    ...queries('BEGIN', 'SELECT missing'),
    step([say.describe('statement', 's'), say.sync]),
    step([say.describe('statement', 'none'), say.sync]),
    step([say.bind([], 'none'), say.sync]),
    step([say.parse('BEGIN'), say.sync]),
    step([say.parse('SAVEPOINT a', 's'), say.sync]),
    step([say.bind([], 'r'), say.describe('portal'), say.execute(), say.sync]),
  ],
  'COMMIT of a failed transaction': [
    step([say.run('BEGIN'), say.sync]),
    step([say.run('SELECT 1/0'), say.sync]),
    step([say.run('COMMIT'), say.sync]),
  ],
};
