// Scripts of COPY in both directions, formats and protocols, on one shard and over several.

import { type Step, say, step } from '../support/transcript.ts';

const queries = (...sql: readonly string[]): Step[] => sql.map((each) => step(say.query(each)));

/** By the fact they show. */
export const copyScripts: Readonly<Record<string, readonly Step[]>> = {
  'COPY of a sharded table in and out': [
    step(say.query('COPY files FROM STDIN'), 'G'),
    step([say.copyData('21\t1\ta\n22\t1\tb\n23\t1'), say.copyData('\tc\n'), say.copyDone]),
    ...queries('SELECT * FROM files WHERE user_id > 20 ORDER BY 1'),
    ...queries('COPY (SELECT * FROM files WHERE user_id = 21) TO STDOUT'),
    ...queries('COPY (SELECT id, name FROM files WHERE user_id = 22) TO STDOUT (FORMAT csv)'),
    ...queries('COPY (SELECT 1) TO STDOUT (FORMAT binary)'),
  ],
  'COPY of a sharded table by the extended protocol': [
    step([say.run('COPY files (user_id, id) FROM STDIN'), say.sync], 'G'),
    step([say.copyData('21\t1\n22\t1\n'), say.copyDone, say.sync]),
    ...queries('SELECT count(*) FROM files'),
    step([say.run('COPY files (user_id, id) FROM STDIN'), say.sync], 'G'),
    step([say.copyData('23\t1\n22\t1\n'), say.copyDone, say.sync]),
    ...queries('SELECT count(*) FROM files'),
    step([say.run('COPY files FROM STDIN'), say.sync], 'G'),
    step([say.copyFail('no more'), say.sync]),
    ...queries('SELECT count(*) FROM files'),
  ],
  'COPY of a sharded table in a transaction, and a failure in it': [
    ...queries('BEGIN'),
    step(say.query('COPY files FROM STDIN (FORMAT csv, HEADER)'), 'G'),
    step([say.copyData('user_id,id,name\n31,1,a\n32,1,"b,c"\n'), say.copyDone]),
    ...queries('SELECT count(*) FROM files', 'SAVEPOINT a'),
    step(say.query('COPY files FROM STDIN'), 'G'),
    step([say.copyData('33\t1\tx\n34\tone\ty\n'), say.copyDone]),
    ...queries('SELECT 1', 'ROLLBACK TO a', 'SELECT count(*) FROM files', 'COMMIT'),
    ...queries('SELECT count(*) FROM files'),
  ],
  'COPY that cannot begin': queries(
    'COPY missing FROM STDIN',
    'COPY notes (missing) FROM STDIN',
    'COPY notes FROM STDIN (FORMAT nonsense)',
    "COPY notes FROM STDIN (DELIMITER 'xx')",
    'COPY (SELECT missing) TO STDOUT',
    'COPY (DELETE FROM notes) TO STDOUT',
    'SELECT 1',
  ),
  'COPY of a query that writes': queries(
    "COPY (INSERT INTO notes VALUES (50, 'x') RETURNING id) TO STDOUT",
    'COPY (DELETE FROM notes RETURNING id) TO STDOUT',
    'SELECT count(*) FROM notes',
  ),
  'COPY into a temporary table': [
    ...queries('CREATE TEMP TABLE scratch (a int, b text)'),
    step(say.query('COPY scratch FROM STDIN WITH CSV'), 'G'),
    step([say.copyData('1,one\n2,"t\nwo"\n'), say.copyDone]),
    ...queries('COPY scratch TO STDOUT WITH CSV HEADER', 'SELECT * FROM scratch ORDER BY a'),
  ],
  'COPY in binary': [
    step(say.query('COPY notes FROM STDIN (FORMAT binary)'), 'G'),
    step([say.copyData('PGCOPY\n\xff\r\n\0'), say.copyDone]),
    ...queries('COPY (SELECT id, text FROM notes ORDER BY id) TO STDOUT (FORMAT binary)'),
  ],
  'a COPY in a pipeline with what comes behind it': [
    step(
      [
        ...[say.query('COPY notes FROM STDIN'), say.copyData('60\tx\n'), say.copyDone],
        ...[say.query('SELECT count(*) FROM notes')],
      ],
      'Z',
      2,
    ),
    step(
      [
        ...[say.query('COPY notes FROM STDIN'), say.copyData('x\tx\n'), say.copyData('61\tx\n')],
        ...[say.copyDone, say.query('SELECT count(*) FROM notes')],
      ],
      'Z',
      2,
    ),
  ],
  'a COPY whose data come in one byte after the other': [
    step(say.query('COPY notes FROM STDIN'), 'G'),
    step([...'70\tseventy\n71\t\\N\n'].map((char) => say.copyData(char)).concat([say.copyDone])),
    ...queries('SELECT * FROM notes WHERE id >= 70 ORDER BY id'),
  ],
  'a COPY with no data at all': [
    step(say.query('COPY notes FROM STDIN'), 'G'),
    step(say.copyDone),
    step(say.query('COPY files FROM STDIN'), 'G'),
    step(say.copyDone),
    ...queries('COPY (SELECT 1 WHERE false) TO STDOUT'),
  ],
  'COPY FREEZE, ON_ERROR and a WHERE': [
    step(say.query('COPY notes FROM STDIN (ON_ERROR ignore)'), 'G'),
    step([say.copyData('80\tx\nbad\ty\n81\tz\n'), say.copyDone]),
    step(say.query('COPY notes FROM STDIN WHERE id > 90'), 'G'),
    step([say.copyData('90\tx\n91\ty\n'), say.copyDone]),
    ...queries('SELECT id FROM notes WHERE id >= 80 ORDER BY id', 'COPY notes FROM STDIN (FREEZE)'),
  ],
};
