// Scripts of the extended protocol, each to be sent to a plain server and to the proxy.

import { type Step, say, step } from '../support/transcript.ts';

const NAME_OF = 'SELECT name FROM files WHERE user_id = $1 AND id = $2';
const ALL = 'SELECT user_id, id FROM files ORDER BY user_id, id';

/** Text and int4 results in binary. */
const BINARY = { results: [1] };
const int4 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const int8 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
};
const queries = (...sql: readonly string[]): Step[] => sql.map((each) => step(say.query(each)));

/** By the fact they show. */
export const extendedScripts: Readonly<Record<string, readonly Step[]>> = {
  'a statement with parameters on one shard': [
    step([say.run(NAME_OF, ['1', '2']), say.sync]),
    step([say.run(NAME_OF, ['2', '1']), say.sync]),
    step([say.run(NAME_OF, ['99', '1']), say.sync]),
    step([say.run(NAME_OF, [null, '1']), say.sync]),
  ],
  'a statement over all shards': [
    step([say.run(ALL), say.sync]),
    step([say.run('SELECT count(*) FROM files WHERE id = $1', ['1']), say.sync]),
  ],
  'an empty statement': [
    step([
      say.parse(''),
      say.describe('statement'),
      say.bind(),
      say.describe('portal'),
      say.execute(),
      say.sync,
    ]),
    step([say.run(' ; '), say.sync]),
  ],
  'Sync alone': [step(say.sync), step([say.sync, say.sync, say.sync], 'Z', 3)],
  'Describe of a statement': [
    step([say.parse(NAME_OF, 's'), say.describe('statement', 's'), say.sync]),
    step([say.parse(ALL, 'all'), say.describe('statement', 'all'), say.sync]),
    step([
      say.parse('DELETE FROM notes WHERE id = $1', 'd'),
      say.describe('statement', 'd'),
      say.sync,
    ]),
    step([say.parse('BEGIN', 'b'), say.describe('statement', 'b'), say.sync]),
    step([say.parse('SHOW work_mem', 'w'), say.describe('statement', 'w'), say.sync]),
    step([say.describe('statement', 'missing'), say.sync]),
  ],
  'a statement whose columns have become others': [
    ...queries('CREATE TABLE odd (user_id int, a int)', 'INSERT INTO odd VALUES (1, 2)'),
    step([
      ...[say.parse('SELECT * FROM odd', 's'), say.describe('statement', 's')],
      ...[say.parse('SELECT a FROM odd', 'a'), say.describe('statement', 'a'), say.sync],
    ]),
    ...queries('ALTER TABLE odd ADD COLUMN b text'),
    step([say.bind([], 's'), say.execute(), say.sync]),
    step([say.bind([], 'a', '', BINARY), say.execute(), say.sync]),
    ...queries('ALTER TABLE odd ALTER COLUMN a TYPE bigint'),
    step([say.bind([], 'a', '', BINARY), say.execute(), say.sync]),
    ...queries('ALTER TABLE odd DROP COLUMN b, ALTER COLUMN a TYPE int'),
    step([say.bind([], 's'), say.execute(), say.sync]),
    step([say.bind([], 'a', '', BINARY), say.execute(), say.sync]),
    step([say.close('statement', 's'), say.parse('SELECT * FROM odd', 's'), say.sync]),
    step([say.bind([], 's'), say.execute(), say.sync]),
    ...queries('DROP TABLE odd'),
    step([say.bind([], 's'), say.execute(), say.sync]),
  ],
  'Describe of one text with other types or other literals': [
    ...[23, 25].map((type) =>
      step([
        say.parse('SELECT $1 FROM files', `t${type}`, [type]),
        say.bind(['7'], `t${type}`),
        say.describe('portal'),
        say.execute(),
        say.sync,
      ]),
    ),
    ...[1, 2].map((digits) =>
      step([
        say.parse(`SELECT id::numeric(5,${digits}) FROM files WHERE user_id IN (1, 2) ORDER BY id`),
        say.bind(),
        say.describe('portal'),
        say.execute(),
        say.sync,
      ]),
    ),
  ],
  'Describe with declared types': [
    step([say.parse('SELECT $1, $2::text', 's', [23]), say.describe('statement', 's'), say.sync]),
    step([say.parse(NAME_OF, 't', [20, 23]), say.describe('statement', 't'), say.sync]),
  ],
  'Describe of a portal, text and binary': [
    step([
      say.parse(ALL, 's'),
      say.bind([], 's', 'p', BINARY),
      say.describe('portal', 'p'),
      say.bind([], 's', 'q'),
      say.describe('portal', 'q'),
      say.sync,
    ]),
    step([say.describe('portal', 'p'), say.sync]),
  ],
  'named statements used again and again': [
    step([say.parse(NAME_OF, 's'), say.sync]),
    step([say.bind(['1', '1'], 's'), say.execute(), say.sync]),
    step([say.bind(['2', '2'], 's'), say.execute(), say.sync]),
    step([
      say.bind(['1', '3'], 's'),
      say.execute(),
      say.bind(['3', '1'], 's'),
      say.execute(),
      say.sync,
    ]),
  ],
  'a name that is taken': [
    step([say.parse('SELECT 1', 's'), say.sync]),
    step([say.parse('SELECT 2', 's'), say.sync]),
    step([say.bind([], 's'), say.execute(), say.sync]),
    step([say.parse('SELECT 2', 's'), say.parse('SELECT 3', 's'), say.sync]),
  ],
  'Parse of a known text, Describe and Close in one batch': [
    step([say.parse(NAME_OF, 'known'), say.sync]),
    step([say.parse(NAME_OF, 'again'), say.describe('statement', 'again'), say.sync]),
    step([
      ...[say.bind(['1', '1'], 'again'), say.close('statement', 'again'), say.execute()],
      say.sync,
    ]),
    step([say.parse('SELECT missing', 'known'), say.sync]),
  ],
  'a name taken twice in one batch': [
    step([say.parse('SELECT 1', 'twice'), say.parse('SELECT 2', 'twice'), say.sync]),
    step([say.bind([], 'twice'), say.execute(), say.sync]),
  ],
  'a name that is closed and used again': [
    step([say.parse('SELECT 1', 's'), say.sync]),
    step([say.close('statement', 's'), say.parse('SELECT 2', 's'), say.sync]),
    step([say.bind([], 's'), say.execute(), say.sync]),
    step([say.close('statement', 's'), say.bind([], 's'), say.sync]),
  ],
  'unknown names': [
    step([say.bind([], 'missing'), say.sync]),
    step([say.execute('missing'), say.sync]),
    step([say.describe('portal', 'missing'), say.sync]),
    step([say.bind(), say.sync]),
    step([say.execute(), say.sync]),
    step([say.close('statement', 'missing'), say.close('portal', 'missing'), say.sync]),
  ],
  'Close of a portal named like a statement leaves the statement': [
    step([say.parse('SELECT 1', 'x'), say.sync]),
    step([say.close('portal', 'x'), say.bind([], 'x'), say.execute(), say.sync]),
  ],
  'the unnamed statement is replaced': [
    step([say.parse('SELECT 1'), say.sync]),
    step([say.bind(), say.execute(), say.sync]),
    step([say.parse('SELECT 2'), say.sync]),
    step([say.bind(), say.execute(), say.sync]),
    step([say.parse('SELEC'), say.sync]),
  ],
  'a Query ends the unnamed statement': [
    step([say.parse('SELECT 1'), say.sync]),
    ...queries('SELECT 2'),
    step([say.bind(), say.execute(), say.sync]),
  ],
  'a Query leaves named statements': [
    step([say.parse('SELECT 1', 's'), say.sync]),
    ...queries('SELECT 2'),
    step([say.bind([], 's'), say.execute(), say.sync]),
  ],
  'an error skips to Sync': [
    step([say.run('SELECT 1/0'), say.run('SELECT 1'), say.sync]),
    step([say.run('SELECT 2'), say.sync]),
  ],
  'an error skips messages that come later, too': [
    step([say.parse('SELEC'), say.flush], 'E'),
    step([say.bind(), say.execute(), say.query('SELECT 1'), say.flush, say.sync]),
    step([say.run('SELECT 2'), say.sync]),
  ],
  'an error at every message of a batch': [
    step([say.parse('SELECT missing'), say.bind(), say.execute(), say.sync]),
    step([say.parse('SELECT $1::int'), say.bind(['x']), say.execute(), say.sync]),
    step([say.parse('SELECT $1::int'), say.bind([]), say.execute(), say.sync]),
    step([say.parse('SELECT 1'), say.bind(['1']), say.execute(), say.sync]),
    step([
      say.parse('SELECT 1'),
      say.bind([], '', '', { results: [0, 0] }),
      say.execute(),
      say.sync,
    ]),
    step([say.parse('SELECT $1::int'), say.bind(['1'], '', '', { formats: [0, 0] }), say.sync]),
  ],
  'several commands in one Parse': [step([say.parse('SELECT 1; SELECT 2'), say.sync])],
  'a batch with two statements is one transaction': [
    step([
      say.run("INSERT INTO notes VALUES (3, 'x')"),
      say.run("INSERT INTO notes VALUES (1, 'duplicate')"),
      say.sync,
    ]),
    ...queries('SELECT count(*) FROM notes'),
  ],
  'a batch with EXECUTE is one transaction': [
    ...queries("PREPARE p AS INSERT INTO notes VALUES (3, 'x')"),
    step([say.run('EXECUTE p'), say.run("INSERT INTO notes VALUES (1, 'duplicate')"), say.sync]),
    ...queries('SELECT count(*) FROM notes'),
  ],
  'Describe in a failed transaction': [
    step([say.parse("UPDATE notes SET text = 'x' WHERE id = $1", 'w'), say.sync]),
    step([say.parse('SELECT text FROM notes WHERE id = $1', 'r'), say.sync]),
    step([say.parse('UPDATE missing SET a = 1', 'm'), say.sync]),
    step([say.bind(['1'], 'w', 'p'), say.describe('statement', 'w'), say.sync]),
    ...queries('BEGIN', 'SELECT missing'),
    step([say.describe('statement', 'w'), say.sync]),
    step([say.describe('statement', 'r'), say.sync]),
    step([say.describe('statement', 'm'), say.sync]),
    step([say.run('SELEC 1'), say.sync]),
    ...queries('ROLLBACK', 'BEGIN', "SET LOCAL search_path = ''", 'SELECT * FROM notes'),
    step([say.parse("UPDATE notes SET text = 'y' WHERE id = $1", 'v'), say.sync]),
    ...queries('ROLLBACK', 'BEGIN', 'SELECT missing'),
    step([say.describe('statement', 'w'), say.sync]),
    ...queries('ROLLBACK'),
  ],
  'a batch over several shards is one transaction': [
    step([
      say.run("INSERT INTO files VALUES (7, 1, 'x')"),
      say.run("INSERT INTO files VALUES (8, 1, 'x')"),
      say.run("INSERT INTO files VALUES (1, 1, 'duplicate')"),
      say.sync,
    ]),
    ...queries('SELECT count(*) FROM files'),
  ],
  'a pipeline of batches': [
    step(
      [1, 2, 3].flatMap((user) => [say.run(NAME_OF, [`${user}`, '1']), say.sync]),
      'Z',
      3,
    ),
  ],
  'a pipeline of batches with an error in one': [
    step(
      [
        ...[say.run(NAME_OF, ['1', '1']), say.sync],
        ...[say.run('SELECT 1/0'), say.run('SELECT 1'), say.sync],
        ...[say.run(NAME_OF, ['2', '1']), say.sync],
      ],
      'Z',
      3,
    ),
  ],
  'Flush brings the answers so far': [
    step([say.parse(NAME_OF), say.flush], '1'),
    step([say.bind(['1', '1']), say.flush], '2'),
    step([say.describe('portal'), say.flush], 'T'),
    step([say.execute(), say.flush], 'C'),
    step(say.sync),
  ],
  'Flush between statements, then an error, undoes them all': [
    step([say.run("INSERT INTO notes VALUES (3, 'x')"), say.flush], 'C'),
    step([say.run("INSERT INTO notes VALUES (1, 'duplicate')"), say.flush], 'E'),
    step(say.sync),
    ...queries('SELECT count(*) FROM notes'),
  ],
  'statements behind a Flush end with their Sync': [
    step([say.parse(NAME_OF, 's'), say.bind(['1', '1'], 's'), say.execute(), say.flush], 'C'),
    step([say.bind(['2', '1'], 's'), say.execute(), say.sync]),
    step([say.run("INSERT INTO notes VALUES (3, 'x')"), say.flush], 'C'),
    step([say.run('SELECT count(*) FROM notes'), say.sync]),
    ...queries('ROLLBACK', 'SELECT count(*) FROM notes'),
  ],
  'one text with several types of its parameters': [
    step([say.parse('SELECT count(*) FROM files WHERE id = $1', 'a', [23]), say.sync]),
    step([say.describe('statement', 'a'), say.sync]),
    step([say.parse('SELECT count(*) FROM files WHERE id = $1', 'b', [20]), say.sync]),
    step([say.describe('statement', 'b'), say.sync]),
    step([say.bind([int8(1n)], 'b', '', { formats: [1] }), say.execute(), say.sync]),
    step([say.bind([int4(1)], 'a', '', { formats: [1] }), say.execute(), say.sync]),
  ],
  'Flush with nothing before it': [step([say.flush, say.sync])],
  'binary parameters and results': [
    step([
      say.parse(NAME_OF, '', [20, 23]),
      say.bind([int8(1n), int4(2)], '', '', { formats: [1], results: [1] }),
      ...[say.describe('portal'), say.execute(), say.sync],
    ]),
    step([
      say.parse('SELECT user_id, id, name FROM files WHERE user_id = $1 ORDER BY id', '', [20]),
      say.bind([int8(2n)], '', '', { formats: [1], results: [1, 0, 1] }),
      ...[say.describe('portal'), say.execute(), say.sync],
    ]),
    step([
      say.parse('SELECT user_id, count(*) FROM files GROUP BY user_id ORDER BY user_id'),
      ...[say.bind([], '', '', BINARY), say.describe('portal'), say.execute(), say.sync],
    ]),
    step([
      say.parse('SELECT $1::int4 + $2::int4', '', [23, 23]),
      say.bind([int4(-3), '5'], '', '', { formats: [1, 0], results: [1] }),
      ...[say.execute(), say.sync],
    ]),
  ],
  'a binary parameter of a wrong length': [
    step([
      say.parse('SELECT $1::int4', '', [23]),
      ...[say.bind([Buffer.of(1, 2)], '', '', { formats: [1] }), say.execute(), say.sync],
    ]),
    step([
      say.parse(NAME_OF, '', [20, 23]),
      ...[say.bind([Buffer.of(1), int4(1)], '', '', { formats: [1] }), say.execute(), say.sync],
    ]),
  ],
  'a key that is no number': [
    step([say.parse(NAME_OF), say.bind(['x', '1']), say.execute(), say.sync]),
  ],
  'a Query inside a batch': [
    step([say.parse('SELECT 1', 's'), say.bind([], 's'), say.query('SELECT 2')]),
    step([say.bind([], 's'), say.execute(), say.sync]),
  ],
  'a Query behind a failed Execute without Sync is skipped': [
    step([say.run("INSERT INTO notes VALUES (1, 'duplicate')"), say.query('SELECT 2'), say.sync]),
  ],
  'a statement after DDL sees the new table': [
    step([say.parse('SELECT * FROM later', 's'), say.sync]),
    ...queries('CREATE TABLE later (a int)'),
    step([say.parse('SELECT * FROM later', 's'), say.describe('statement', 's'), say.sync]),
    step([say.bind([], 's'), say.execute(), say.sync]),
    ...queries('DROP TABLE later'),
  ],
  'a name whose Parse has failed is free, also for the same text': [
    step([say.parse('SELECT * FROM late', 'late'), say.sync]),
    ...queries('CREATE TABLE late (a int)'),
    step([say.parse('SELECT * FROM late', 'late'), say.sync]),
    step([say.bind([], 'late'), say.describe('portal'), say.execute(), say.sync]),
    ...queries('DROP TABLE late'),
  ],
  'SET and SHOW as prepared statements': [
    step([say.run('SET work_mem = 12345'), say.sync]),
    step([say.run('SHOW work_mem'), say.sync]),
    step([say.run("SET TimeZone = 'Asia/Tokyo'"), say.sync]),
    step([say.run('RESET work_mem'), say.sync]),
  ],
  'COPY in by the extended protocol': [
    step([say.parse('COPY notes FROM STDIN'), say.bind(), say.execute(), say.sync], 'G'),
    step([say.copyData('3\tx\n'), say.copyDone, say.sync]),
    ...queries('SELECT count(*) FROM notes'),
  ],
  'COPY in by the extended protocol that fails': [
    step([say.parse('COPY notes FROM STDIN'), say.bind(), say.execute(), say.sync], 'G'),
    step([say.copyData('x\tbad\n'), say.copyDone, say.sync]),
    step([say.run('SELECT count(*) FROM notes'), say.sync]),
  ],
  'COPY in by the extended protocol that the client gives up': [
    step([say.parse('COPY notes FROM STDIN'), say.bind(), say.execute(), say.sync], 'G'),
    step([say.copyFail('no'), say.sync]),
    step([say.run('SELECT count(*) FROM notes'), say.sync]),
  ],
  'COPY in by the extended protocol behind a Flush': [
    step([say.parse('COPY notes FROM STDIN'), say.bind(), say.execute(), say.flush], 'G'),
    step([say.copyData('3\tx\n'), say.copyDone, say.sync]),
    step([say.parse('COPY notes FROM STDIN'), say.bind(), say.execute(), say.flush], 'G'),
    step([say.copyData('x\tbad\n'), say.copyDone, say.sync]),
    ...queries('SELECT count(*) FROM notes'),
  ],
  'COPY in by the extended protocol in a transaction': [
    ...queries('BEGIN'),
    step([say.parse('COPY notes FROM STDIN'), say.bind(), say.execute(), say.sync], 'G'),
    step([say.copyData('3\tx\n'), say.copyDone, say.sync]),
    ...queries('COMMIT', 'SELECT count(*) FROM notes'),
  ],
  'COPY out by the extended protocol': [step([say.run('COPY notes TO STDOUT'), say.sync])],
  'DISCARD ALL ends named statements': [
    step([say.parse('SELECT 1', 's'), say.sync]),
    ...queries('DISCARD ALL'),
    step([say.bind([], 's'), say.execute(), say.sync]),
  ],
  'an INSERT of several shards with RETURNING': [
    step([
      say.run("INSERT INTO files VALUES ($1, 1, 'a'), ($2, 1, 'b') RETURNING id", ['7', '9']),
      say.sync,
    ]),
  ],
  'writes to several shards': [
    step([say.run('UPDATE files SET name = $1 WHERE id = $2', ['x', '1']), say.sync]),
    step([say.run('DELETE FROM files'), say.sync]),
  ],
  'malformed messages of a batch skip to Sync': [
    step([Buffer.from([0x44, 0, 0, 0, 6, 0x58, 0]), say.sync]),
    step([say.parse('SELECT 1', 's'), Buffer.from([0x42, 0, 0, 0, 7, 0, 0x73, 0]), say.sync]),
    ...queries('SELECT 1'),
  ],
};
