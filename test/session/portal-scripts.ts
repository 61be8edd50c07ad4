// Scripts about portals: rows in parts, names, how long they live.

import { type Step, say, step } from '../support/transcript.ts';

const ALL = 'SELECT user_id, id FROM files ORDER BY user_id, id';

const queries = (...sql: readonly string[]): Step[] => sql.map((each) => step(say.query(each)));

/** By the fact they show. */
export const portalScripts: Readonly<Record<string, readonly Step[]>> = {
  'a portal read in parts on one shard': [
    ...queries('BEGIN'),
    step([
      say.parse('SELECT id FROM files WHERE user_id = $1 ORDER BY id'),
      say.bind(['1'], '', 'p'),
      say.execute('p', 2),
      say.sync,
    ]),
    step([say.execute('p', 2), say.sync]),
    step([say.execute('p', 2), say.sync]),
    step([say.close('portal', 'p'), say.sync]),
    step([say.execute('p'), say.sync]),
    ...queries('ROLLBACK'),
  ],
  'a portal read in parts over several shards': [
    ...queries('BEGIN'),
    step([say.parse(ALL), say.bind([], '', 'p'), say.execute('p', 2), say.sync]),
    step([say.execute('p', 3), say.sync]),
    step([say.execute('p', 1), say.sync]),
    step([say.execute('p', 1), say.sync]),
    ...queries('COMMIT'),
    step([say.execute('p', 1), say.sync]),
  ],
  'a portal with a limit of exactly its rows': [
    ...queries('BEGIN'),
    step([say.parse(ALL), say.bind([], '', 'p'), say.execute('p', 6), say.sync]),
    step([say.execute('p', 6), say.sync]),
    ...queries('COMMIT'),
  ],
  'two portals in turns': [
    ...queries('BEGIN'),
    step([say.parse(ALL, 's'), say.bind([], 's', 'p'), say.bind([], 's', 'q'), say.sync]),
    step([say.execute('p', 1), say.execute('q', 2), say.execute('p', 1), say.sync]),
    step([say.execute('q', 0), say.execute('p', 0), say.sync]),
    ...queries('ROLLBACK'),
  ],
  'two portals of one shard in turns': [
    ...queries('BEGIN'),
    step([
      say.parse('SELECT id FROM files WHERE user_id = 1 ORDER BY id', 's'),
      ...[say.bind([], 's', 'p'), say.bind([], 's', 'q')],
      say.sync,
    ]),
    step([say.execute('p', 1), say.execute('q', 2), say.execute('p', 1), say.sync]),
    step([say.execute('q', 0), say.execute('p', 0), say.sync]),
    ...queries('ROLLBACK'),
  ],
  'a suspended portal within one batch': [
    step([
      ...[say.parse(ALL), say.bind(), say.execute('', 2), say.execute('', 2)],
      ...[say.execute('', 10), say.sync],
    ]),
    step([say.execute('', 1), say.sync]),
  ],
  'a suspended portal of one shard within one batch': [
    step([
      say.parse('SELECT id FROM files WHERE user_id = 1 ORDER BY id'),
      ...[say.bind(), say.execute('', 1), say.execute('', 1), say.execute('', 10), say.sync],
    ]),
  ],
  'a portal ends with its implicit transaction': [
    step([say.parse(ALL, 's'), say.bind([], 's', 'p'), say.execute('p', 1), say.sync]),
    step([say.execute('p', 1), say.sync]),
    step([say.bind([], 's', 'p'), say.execute('p', 1), say.sync]),
  ],
  'a portal name that is taken': [
    ...queries('BEGIN'),
    step([say.parse('SELECT 1', 's'), say.bind([], 's', 'p'), say.sync]),
    step([say.bind([], 's', 'p'), say.sync]),
    ...queries('ROLLBACK'),
  ],
  'a portal that has ended is executed again': [
    ...queries('BEGIN'),
    step([
      say.parse('SELECT 1', 's'),
      say.bind([], 's', 'p'),
      say.execute('p'),
      say.execute('p'),
      say.sync,
    ]),
    ...queries('ROLLBACK'),
  ],
  'a merged portal that has ended is executed again': [
    ...queries('BEGIN'),
    step([
      say.parse(ALL, 's'),
      say.bind([], 's', 'p'),
      say.execute('p'),
      say.execute('p'),
      say.sync,
    ]),
    step([say.execute('p', 1), say.sync]),
    step([
      say.bind([], 's', 'q'),
      say.execute('q', 4),
      say.execute('q'),
      say.execute('q'),
      say.sync,
    ]),
    ...queries('ROLLBACK'),
  ],
  ...Object.fromEntries(
    Object.entries({
      'a scatter': [ALL, 4],
      groups: ['SELECT user_id, count(*) FROM files GROUP BY 1 ORDER BY 1', 2],
      'what the merge engine computes': [
        'SELECT id, rank() OVER (ORDER BY user_id, id) FROM files',
        6,
      ],
      'no rows of several shards': ['SELECT id FROM files WHERE id < 0', 1],
      'rows of no columns': ['SELECT FROM files WHERE id = 1', 2],
      VALUES: ['VALUES (1), (2)', 1],
      'one shard': ['SELECT id FROM files WHERE user_id = 1 ORDER BY id', 1],
      'a home table': ['SELECT id FROM notes ORDER BY id', 1],
      'an update': ["UPDATE files SET name = 'x' WHERE id < 3 RETURNING 1", 2],
      'an update of nothing': ["UPDATE files SET name = 'x' WHERE id < 0 RETURNING 1", 2],
      'an update of one shard': ["UPDATE files SET name = 'x' WHERE user_id = 1 RETURNING 1", 2],
      'a delete': ['DELETE FROM files RETURNING 1', 4],
      'an insert of several shards': [
        "INSERT INTO files VALUES (5, 1, 'x'), (6, 1, 'y') RETURNING id",
        1,
      ],
      'an insert of what is read': [
        'INSERT INTO files SELECT user_id + 8, id FROM files RETURNING 1',
        5,
      ],
      'a merge': [
        `MERGE INTO files f USING (SELECT user_id, max(id) AS id FROM files GROUP BY 1) s
          ON f.user_id = s.user_id AND f.id = s.id WHEN MATCHED THEN DELETE RETURNING 1`,
        1,
      ],
      'a WITH that writes': [
        'WITH d AS (DELETE FROM files WHERE id = 1 RETURNING 1) SELECT * FROM d',
        2,
      ],
      'a write without rows': ["UPDATE files SET name = 'x'", 2],
      'a write of nothing, without rows': ['DELETE FROM files WHERE id < 0', 0],
      SHOW: ['SHOW search_path', 1],
      SET: ['SET enable_seqscan = off', 1],
      'no statement': ['', 1],
      BEGIN: ['BEGIN', 0],
      SAVEPOINT: ['SAVEPOINT s', 0],
      COPY: ['COPY (SELECT id FROM files WHERE id = 1) TO STDOUT', 0],
      'CREATE TABLE': ['CREATE TABLE again (id int)', 0],
      'a cursor': ['DECLARE c CURSOR FOR SELECT id FROM files', 0],
      'EXECUTE of several shards': ['EXECUTE whole', 0],
      'EXECUTE of one shard': ['EXECUTE one(1)', 0],
      'EXECUTE of a write': ['EXECUTE write', 0],
      'EXECUTE of a write of one shard': ['EXECUTE write_one(1)', 0],
      'EXECUTE of a write without rows': ['EXECUTE quiet', 0],
      'a value of the session': ['SELECT pg_backend_pid() > 0', 1],
      'a setval': ["SELECT setval('counts', max(id)) FROM files", 1],
    } satisfies Record<string, readonly [sql: string, maxRows: number]>).map(
      ([what, [sql, maxRows]]) => [
        `a portal that has ended is executed again: ${what}`,
        [
          ...queries(
            'BEGIN',
            'PREPARE whole AS SELECT id FROM files ORDER BY user_id, id',
            'PREPARE one(int) AS SELECT id FROM files WHERE user_id = $1',
            'PREPARE write AS DELETE FROM files WHERE id = 1 RETURNING 1',
            'PREPARE write_one(int) AS INSERT INTO files VALUES ($1, 77) RETURNING 1',
            'PREPARE quiet AS DELETE FROM files WHERE id = 1',
          ),
          step([say.parse(sql, 's'), say.bind([], 's', 'p'), say.execute('p', maxRows), say.sync]),
          step([say.execute('p', maxRows), say.sync]),
          step([say.execute('p'), say.sync]),
          step([say.execute('p', 3), say.sync]),
          step([say.close('portal', 'p'), say.execute('p'), say.sync]),
          step([say.execute('p'), say.sync]),
          ...queries('ROLLBACK', 'DEALLOCATE ALL', 'SELECT count(*) FROM files'),
        ],
      ],
    ),
  ),
  'FETCH is executed again, from a cursor on one shard, over several and beside the transaction': [
    ...queries(
      'BEGIN',
      'DECLARE a CURSOR FOR SELECT id FROM files WHERE user_id = 1 ORDER BY id',
      'DECLARE b CURSOR FOR SELECT id FROM files ORDER BY user_id, id',
      'DECLARE c CURSOR FOR SELECT rank() OVER (ORDER BY user_id, id) FROM files',
    ),
    ...['a', 'b', 'c'].flatMap((cursor) => [
      step([
        say.parse(`FETCH 3 FROM ${cursor}`),
        say.bind([], '', 'p'),
        say.execute('p', 2),
        say.sync,
      ]),
      step([say.execute('p', 2), say.sync]),
      step([say.execute('p', 2), say.sync]),
      step([say.execute('p'), say.sync]),
      step([say.close('portal', 'p'), say.sync]),
      step([
        say.parse(`FETCH 2 FROM ${cursor}`),
        say.bind([], '', 'p'),
        say.execute('p'),
        say.sync,
      ]),
      step([say.execute('p'), say.sync]),
      step([say.close('portal', 'p'), say.sync]),
      step([
        say.parse(`FETCH 2 FROM ${cursor}`),
        say.bind([], '', 'p'),
        say.execute('p', 1),
        say.sync,
      ]),
      step([say.close('portal', 'p'), say.sync]),
      step([
        say.parse(`MOVE BACKWARD ALL FROM ${cursor}`),
        say.bind([], '', 'p'),
        say.execute('p'),
        say.sync,
      ]),
      step([say.execute('p'), say.sync]),
      step([say.close('portal', 'p'), say.sync]),
      ...queries('SAVEPOINT s', 'RELEASE s'),
    ]),
    ...queries('ROLLBACK'),
  ],
  'a portal of a transaction that has failed': [
    ...queries('BEGIN'),
    step([say.parse(ALL, 's'), say.bind([], 's', 'p'), say.execute('p', 2), say.sync]),
    step([say.bind([], 's', 'q'), say.execute('q'), say.sync]),
    step([say.parse('', 'n'), say.bind([], 'n', 'r'), say.execute('r'), say.sync]),
    ...queries('SAVEPOINT a', 'SELECT missing'),
    step([say.execute('p', 2), say.sync]),
    step([say.execute('q', 2), say.sync]),
    step([say.execute('r'), say.sync]),
    ...queries('ROLLBACK TO a'),
    step([say.execute('p', 2), say.sync]),
    step([say.execute('q', 2), say.sync]),
    ...queries('ROLLBACK'),
  ],
  'a suspended merged portal, and other statements before its end': [
    ...queries('BEGIN'),
    step([say.parse(ALL, 's'), say.bind([], 's', 'p'), say.execute('p', 1), say.sync]),
    ...queries('SELECT count(*) FROM files WHERE user_id = 1', "UPDATE notes SET text = 'x'"),
    step([say.run('SELECT id FROM files WHERE user_id = 2 ORDER BY id'), say.sync]),
    ...queries('SELECT count(*) FROM files', 'SAVEPOINT a', 'SELECT missing', 'ROLLBACK TO a'),
    step([say.execute('p', 2), say.sync]),
    ...queries('COMMIT', 'SELECT 1'),
  ],
  'a suspended merged portal without a name is replaced': [
    ...queries('BEGIN'),
    step([say.parse(ALL, 's'), say.bind([], 's'), say.execute('', 1), say.sync]),
    step([say.run('SELECT id FROM files WHERE user_id = 1 ORDER BY id'), say.sync]),
    step([say.bind([], 's'), say.execute('', 1), say.sync]),
    ...queries('SELECT 1'),
    step([say.execute('', 1), say.sync]),
    ...queries('ROLLBACK'),
  ],
  'a name that a merged portal has is taken for a portal of one shard, too': [
    ...queries('BEGIN'),
    step([say.parse(ALL, 's'), say.bind([], 's', 'p'), say.execute('p', 1), say.sync]),
    step([
      say.parse('SELECT id FROM files WHERE user_id = 1', 'o'),
      say.bind([], 'o', 'p'),
      say.sync,
    ]),
    ...queries('ROLLBACK'),
  ],
  'an update over several shards executed twice': [
    ...queries('BEGIN'),
    step([
      say.parse("UPDATE files SET name = name || '!'", 's'),
      ...[say.bind([], 's', 'p'), say.execute('p'), say.execute('p'), say.sync],
    ]),
    ...queries('ROLLBACK'),
  ],
  'a name that is free again': [
    ...queries('BEGIN'),
    ...['1', '2'].map((key) =>
      step([
        say.parse('SELECT id FROM files WHERE user_id = $1 ORDER BY id'),
        ...[say.bind([key], '', 'p'), say.execute('p', 1), say.close('portal', 'p'), say.sync],
      ]),
    ),
    // A connection of its own takes it the careful way.
    ...queries('SELECT pg_advisory_lock(77)'),
    ...['1', '2'].map((key) =>
      step([
        say.parse('SELECT id FROM files WHERE user_id = $1 ORDER BY id'),
        ...[say.bind([key], '', 'p'), say.execute('p', 1), say.close('portal', 'p'), say.sync],
      ]),
    ),
    ...queries('SELECT pg_advisory_unlock(77)', 'SAVEPOINT a', 'SAVEPOINT b'),
    step([say.parse(ALL), say.bind([], '', 'p'), say.execute('p', 2), say.sync]),
    step([say.parse('SELECT 1', 's'), say.bind([], 's', 'q'), say.sync]),
    ...queries('RELEASE b', 'ROLLBACK TO a'),
    step([say.execute('p', 2), say.sync]),
    ...queries('ROLLBACK TO a'),
    step([say.parse(ALL), say.bind([], '', 'p'), say.execute('p', 2), say.sync]),
    step([say.bind([], 's', 'q'), say.execute('q'), say.sync]),
    ...queries('SAVEPOINT c', 'ROLLBACK TO c'),
    step([say.execute('p', 2), say.sync]),
    ...queries('ROLLBACK'),
  ],
  'an update executed twice': [
    ...queries('BEGIN'),
    step([
      say.parse("INSERT INTO notes VALUES (3, 'x')", 's'),
      ...[say.bind([], 's', 'p'), say.execute('p'), say.execute('p'), say.sync],
    ]),
    ...queries('ROLLBACK'),
  ],
};
