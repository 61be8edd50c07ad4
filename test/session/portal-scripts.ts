// Scripts about portals: rows in parts, names, how long they live.

import { type Step, say, step } from '../support/transcript.ts';

const ALL = 'SELECT user_id, id FROM files ORDER BY user_id, id';

const queries = (...sql: readonly string[]): Step[] => sql.map((each) => step(say.query(each)));

/** By the fact they show. */
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
