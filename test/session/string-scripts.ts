// Scripts of query strings with several statements, as one PostgreSQL treats their transactions.

import { type Step, say, step } from '../support/transcript.ts';

const queries = (...sql: readonly string[]): Step[] => sql.map((each) => step(say.query(each)));

/** By the fact they show. */
export const stringScripts: Readonly<Record<string, readonly Step[]>> = {
  'EXECUTE of a statement whose columns have become others': queries(
    'CREATE TABLE odd (user_id int, a int); INSERT INTO odd VALUES (1, 2), (2, 3)',
    'PREPARE s AS SELECT * FROM odd ORDER BY a; PREPARE n AS SELECT count(*) FROM odd WHERE a > $1',
    'EXECUTE s; EXECUTE n(2); ALTER TABLE odd ADD COLUMN b text',
    ...['EXECUTE s', 'EXECUTE n(2)', 'EXECUTE n', 'BEGIN; EXECUTE n(1); EXECUTE s', 'ROLLBACK'],
    'ALTER TABLE odd DROP COLUMN b; EXECUTE s',
    'DEALLOCATE s; PREPARE s AS SELECT * FROM odd ORDER BY a; EXECUTE s(1, 2); DROP TABLE odd',
  ),
  'warnings that the client does not want': queries(
    'SET client_min_messages = error',
    ...['COMMIT', 'BEGIN', 'BEGIN', 'ROLLBACK', 'ROLLBACK'],
    "SET client_min_messages TO 'warning'",
    ...['COMMIT', 'BEGIN', 'BEGIN', 'ROLLBACK', 'ROLLBACK'],
  ),
  'statements of several shards in one string': queries(
    "INSERT INTO files VALUES (7, 1, 'x'); INSERT INTO files VALUES (8, 1, 'y'); SELECT 1",
    'SELECT count(*) FROM files; SELECT name FROM files WHERE user_id = 7; SELECT * FROM notes ORDER BY id',
    "INSERT INTO files VALUES (9, 1, 'x'); INSERT INTO files VALUES (10, 1, 'y'); SELECT 1/0",
    'SELECT count(*) FROM files',
  ),
  'empty statements between others': queries(
    ';SELECT 1;;SELECT 2;',
    'SELECT 1; -- and no more',
    '/* first */ SELECT 1; /* second */ SELECT 2 /* third */',
  ),
  'COMMIT and ROLLBACK in the middle': queries(
    "BEGIN; INSERT INTO notes VALUES (3, 'x'); COMMIT; INSERT INTO notes VALUES (4, 'y'); ROLLBACK",
    'SELECT id FROM notes ORDER BY id',
    "INSERT INTO notes VALUES (5, 'x'); COMMIT; INSERT INTO notes VALUES (6, 'y'); ROLLBACK; SELECT 1",
    'SELECT id FROM notes ORDER BY id',
    'BEGIN; DELETE FROM notes; ROLLBACK; BEGIN; SELECT count(*) FROM notes; COMMIT',
    'COMMIT; BEGIN; SELECT 1',
    'ROLLBACK; SELECT 2; COMMIT',
  ),
  'COMMIT AND CHAIN in a string': queries(
    "BEGIN; INSERT INTO notes VALUES (3, 'x'); COMMIT AND CHAIN; SELECT 1",
    'ROLLBACK; SELECT count(*) FROM notes',
    'SELECT 1; COMMIT AND CHAIN',
    'SELECT 1; ROLLBACK AND CHAIN',
  ),
  'savepoints in a string': queries(
    'SELECT 1; SAVEPOINT a',
    'BEGIN; SAVEPOINT a; SELECT 1; ROLLBACK TO a; RELEASE a; COMMIT',
    'BEGIN; SAVEPOINT a; SELECT 1/0',
    'ROLLBACK TO a; SELECT 2; COMMIT',
    'SELECT 1; RELEASE a',
    'SELECT 1; ROLLBACK TO a',
  ),
  'a failed transaction and a string': queries(
    'BEGIN; SELECT 1/0; SELECT 1',
    'SELECT 1; COMMIT',
    'COMMIT; SELECT 1',
    'BEGIN; SELECT 1/0',
    'ROLLBACK; SELECT 1',
  ),
  'anything before START TRANSACTION': queries(
    ...['; START TRANSACTION', 'COMMIT', '/* a */ START TRANSACTION READ ONLY', '-- a\n;COMMIT'],
    ...['/* start */ BEGIN; START TRANSACTION', 'COMMIT'],
  ),
  'BEGIN twice in a string': queries('BEGIN; BEGIN; COMMIT; COMMIT', 'SELECT 1; BEGIN', 'COMMIT'),
  'modes of a transaction that a string has begun': queries(
    'SELECT 1; BEGIN ISOLATION LEVEL SERIALIZABLE',
    'SHOW transaction_isolation',
    'ROLLBACK',
    'BEGIN ISOLATION LEVEL REPEATABLE READ; SHOW transaction_isolation; COMMIT',
    'BEGIN READ ONLY; DELETE FROM notes',
    'ROLLBACK',
  ),
  'modes of a transaction behind what has taken its snapshot': queries(
    ...['PREPARE p AS SELECT 1; BEGIN ISOLATION LEVEL REPEATABLE READ', 'ROLLBACK'],
    ...['DEALLOCATE ALL; BEGIN ISOLATION LEVEL SERIALIZABLE', 'ROLLBACK'],
    ...['CLOSE ALL; BEGIN ISOLATION LEVEL REPEATABLE READ', 'ROLLBACK'],
    ...['DEALLOCATE ALL; BEGIN ISOLATION LEVEL READ COMMITTED', 'ROLLBACK'],
    ...['DEALLOCATE ALL; BEGIN READ ONLY', 'ROLLBACK'],
    ...['LISTEN mine; BEGIN ISOLATION LEVEL REPEATABLE READ', 'ROLLBACK', 'UNLISTEN mine'],
    ...['BEGIN', 'DEALLOCATE ALL', 'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'ROLLBACK'],
    ...['BEGIN', 'DEALLOCATE ALL; BEGIN ISOLATION LEVEL SERIALIZABLE', 'ROLLBACK'],
    ...['BEGIN ISOLATION LEVEL SERIALIZABLE', 'DEALLOCATE ALL; BEGIN ISOLATION LEVEL SERIALIZABLE'],
    'ROLLBACK',
  ),
  'EXECUTE in a string that fails': queries(
    "PREPARE p AS INSERT INTO files VALUES (7, 7, 'x'); PREPARE n AS INSERT INTO notes VALUES (7, 'x')",
    ...['EXECUTE p; EXECUTE n; SELECT 1/0', 'SELECT count(*) FROM files', 'SELECT id FROM notes'],
    ...['PREPARE kept AS SELECT 1; SELECT 1/0', 'EXECUTE kept', 'DEALLOCATE kept; SELECT 1/0'],
    'EXECUTE kept',
  ),
  'DDL in a string': queries(
    'CREATE TABLE made (a int); INSERT INTO made VALUES (1); SELECT * FROM made',
    'ALTER TABLE made ADD b int; SELECT * FROM made; DROP TABLE made; SELECT 1/0',
    'SELECT * FROM made; DROP TABLE made',
    'SELECT * FROM made',
  ),
  'what must be alone': queries(
    'SELECT 1; VACUUM notes',
    'VACUUM notes; SELECT 1',
    'DISCARD ALL; SELECT 1',
    'SELECT 1; CREATE INDEX CONCURRENTLY ON notes (id)',
  ),
  'PREPARE and EXECUTE in a string': queries(
    'PREPARE p AS SELECT 1; EXECUTE p; DEALLOCATE p',
    'PREPARE p AS SELECT 1; EXECUTE p; SELECT 1/0',
    'EXECUTE p',
    'DEALLOCATE ALL',
  ),
  'cursors in a string': queries(
    'BEGIN; DECLARE c CURSOR FOR SELECT id FROM notes ORDER BY id; FETCH 1 FROM c; COMMIT',
    'DECLARE c CURSOR FOR SELECT 1; FETCH c',
    'FETCH c',
  ),
  'COPY twice in a string, and an error between': [
    step(
      say.query('COPY notes FROM STDIN; COPY notes FROM STDIN; SELECT count(*) FROM notes'),
      'G',
    ),
    step([say.copyData('3\tx\n'), say.copyDone], 'G'),
    step([say.copyData('4\ty\n'), say.copyDone]),
    step(say.query('COPY notes FROM STDIN; SELECT 1'), 'G'),
    step([say.copyData('x\ty\n'), say.copyDone]),
    ...queries('SELECT count(*) FROM notes'),
    ...queries('COPY notes TO STDOUT; SELECT 1; COPY (SELECT 2) TO STDOUT'),
  ],
  'notices in a string': queries(
    "DO $$ BEGIN RAISE NOTICE 'one'; END $$; SELECT 1; DO $$ BEGIN RAISE WARNING 'two'; END $$",
    'DROP TABLE IF EXISTS missing; DROP TABLE IF EXISTS missing',
  ),
  'an error shows its position in the whole string': queries(
    'SELECT 1; SELECT missing',
    'SELECT 1; SELECT * FROM missing; SELECT 2',
    'SELECT 1; SELEC 2',
    "SELECT 'äöü€😀'; SELECT missing",
  ),
  'LISTEN, SET and advisory locks in one string': queries(
    'LISTEN mine; SET my.setting = 1; SELECT pg_advisory_lock(900)',
    "SELECT current_setting('my.setting'); SELECT pg_advisory_unlock(900); UNLISTEN mine",
  ),
};
