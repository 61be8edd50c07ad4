// Scripts of what drivers and tools are known to send, each to be answered as by one PostgreSQL.

import { type Step, say, step } from '../support/transcript.ts';

const queries = (...sql: readonly string[]): Step[] => sql.map((each) => step(say.query(each)));

/** As JDBC sends a statement it wants no rows of: unnamed, described, with a row limit of 1. */
const jdbcSet = (sql: string): Step =>
  step([say.parse(sql), say.bind(), say.execute('', 1), say.sync]);

const jdbcQuery = (sql: string, maxRows = 0): Step =>
  step([say.parse(sql), say.bind(), say.describe('portal'), say.execute('', maxRows), say.sync]);

/** By the habit. */
export const driverScripts: Readonly<Record<string, readonly Step[]>> = {
  'JDBC sets what it wants in the extended protocol with a row limit of 1': [
    jdbcSet('SET extra_float_digits = 3'),
    jdbcSet("SET application_name = 'PostgreSQL JDBC Driver'"),
    jdbcSet('SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED'),
    jdbcQuery('SHOW application_name'),
    jdbcQuery('SHOW TRANSACTION ISOLATION LEVEL'),
    jdbcQuery('SELECT 0.1::float8 + 0.2'),
  ],
  'JDBC begins and runs in one batch': [
    step([
      ...[say.parse('BEGIN'), say.bind(), say.execute()],
      ...[say.parse('SELECT id FROM notes ORDER BY id'), say.bind(), say.describe('portal')],
      ...[say.execute(), say.sync],
    ]),
    step([
      ...[say.parse('UPDATE notes SET text = $1 WHERE id = $2', '', [1043, 23])],
      ...[say.bind(['new', '1']), say.describe('portal'), say.execute('', 1), say.sync],
    ]),
    step([say.parse('COMMIT', 'S_1'), say.bind([], 'S_1'), say.execute('', 1), say.sync]),
    ...queries('SELECT text FROM notes WHERE id = 1'),
  ],
  'JDBC fetches by portals of a fetch size': [
    step([
      ...[say.parse('BEGIN', 'S_1'), say.bind([], 'S_1'), say.execute('', 0)],
      ...[say.parse('SELECT user_id, id FROM files ORDER BY 1, 2', 'S_2')],
      ...[say.bind([], 'S_2', 'C_3'), say.describe('portal', 'C_3'), say.execute('C_3', 2)],
      say.sync,
    ]),
    step([say.execute('C_3', 2), say.sync]),
    step([say.execute('C_3', 2), say.sync]),
    step([say.execute('C_3', 2), say.sync]),
    step([say.close('portal', 'C_3'), say.close('statement', 'S_2'), say.sync]),
    step([say.bind([], 'S_1'), say.execute('', 1), say.sync]),
    ...queries('ROLLBACK'),
  ],
  'JDBC sends a batch of inserts over both shards': [
    step([
      say.parse('INSERT INTO files VALUES ($1, $2, $3)', 'S_1', [20, 23, 1043]),
      say.describe('statement', 'S_1'),
      ...[11, 12, 13, 14].flatMap((user) => [
        say.bind([`${user}`, '1', 'x'], 'S_1'),
        say.describe('portal'),
        say.execute('', 1),
      ]),
      say.sync,
    ]),
    ...queries('SELECT count(*) FROM files'),
    step([
      ...[15, 16, 1].flatMap((user) => [
        say.bind([`${user}`, '1', 'x'], 'S_1'),
        say.execute('', 1),
      ]),
      say.sync,
    ]),
    ...queries('SELECT count(*) FROM files'),
  ],
  'DBeaver asks who it is': [
    jdbcQuery('SELECT current_schema(), session_user = current_user'),
    jdbcQuery('SHOW search_path'),
    jdbcQuery(
      'SELECT db.datname = current_database() FROM pg_catalog.pg_database db WHERE datallowconn AND datname = current_database()',
    ),
    jdbcQuery("SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE nspname = 'public'"),
    jdbcQuery('SELECT count(*) > 300 FROM pg_catalog.pg_settings'),
    jdbcQuery(
      `SELECT c.relname, a.attname FROM pg_catalog.pg_attribute a
       JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
       WHERE c.relname IN ('files', 'notes') AND a.attnum > 0 ORDER BY 1, a.attnum`,
      200,
    ),
  ],
  'pgAdmin sets several things in one string': queries(
    "SET DateStyle=ISO; SET client_min_messages=notice; SELECT set_config('bytea_output','hex',false) FROM pg_show_all_settings() WHERE name = 'bytea_output'; SET client_encoding='UTF8';",
    "SELECT '\\x00ff'::bytea",
  ),
  'TablePlus asks for a column that is gone': queries(
    "SELECT proname, proisagg FROM pg_proc WHERE proname = 'x'",
    'SELECT 1; SELECT 2',
  ),
  'Prisma migrates under an advisory lock and asks by arrays': [
    ...queries('SELECT 1', "SELECT current_setting('server_version_num')::int >= 100000"),
    ...queries('SELECT pg_advisory_lock(72707369)'),
    step([
      say.run('SELECT name FROM files WHERE user_id = ANY($1) ORDER BY user_id, id', ['{1,2}']),
      say.sync,
    ]),
    step([say.run('SELECT id FROM notes WHERE id = ANY($1) ORDER BY 1', ['{1,2,3}']), say.sync]),
    ...queries('SELECT pg_advisory_unlock(72707369)'),
  ],
  TypeORM: queries(
    'SELECT * FROM current_schema()',
    'SHOW server_version_num',
    'START TRANSACTION',
    "SELECT * FROM information_schema.tables WHERE table_name = 'absent'",
    'COMMIT',
  ),
  'Sequelize sets the time zone by interval and runs DO blocks': queries(
    "SET client_min_messages TO warning;SET TIME ZONE INTERVAL '+00:00' HOUR TO MINUTE;",
    'SHOW TimeZone',
    "DO 'BEGIN CREATE TYPE mood AS ENUM (''ok'', ''sad''); EXCEPTION WHEN duplicate_object THEN null; END';",
    "SELECT 'ok'::mood::text",
    'DROP TYPE mood',
  ),
  'Kysely locks within a WITH': queries(
    'BEGIN',
    "WITH c AS (SELECT set_config('my.lock_timeout', '1s', true)) SELECT pg_advisory_xact_lock(3853314791062309107)::text FROM c",
    'COMMIT',
  ),
  'Django sets its zone and keeps savepoints': queries(
    "SET TIME ZONE 'UTC'",
    "SELECT set_config('TimeZone', 'Asia/Tokyo', false)",
    'SHOW TimeZone',
    'BEGIN',
    'SAVEPOINT "s140_x1"',
    "INSERT INTO notes VALUES (1, 'duplicate')",
    'ROLLBACK TO SAVEPOINT "s140_x1"',
    'RELEASE SAVEPOINT "s140_x1"',
    "INSERT INTO notes VALUES (9, 'nine') RETURNING id",
    'COMMIT',
    'DECLARE "_django_curs_1" NO SCROLL CURSOR WITH HOLD FOR SELECT id FROM notes ORDER BY id',
    'FETCH FORWARD 2 FROM "_django_curs_1"',
    'FETCH FORWARD 2 FROM "_django_curs_1"',
    'CLOSE "_django_curs_1"',
  ),
  'Rails names its statements a1, a2, …': [
    ...queries('SET client_min_messages TO warning', 'SET standard_conforming_strings = on'),
    ...queries("SET SESSION timezone TO 'UTC'", "SET statement_timeout TO '30s'"),
    step([say.parse('SELECT name FROM files WHERE user_id = $1 AND id = $2', 'a1'), say.sync]),
    step([say.bind(['1', '1'], 'a1'), say.describe('portal'), say.execute(), say.sync]),
    step([say.parse('SELECT text FROM notes WHERE id = $1 LIMIT $2', 'a2'), say.sync]),
    step([say.bind(['1', '1'], 'a2'), say.describe('portal'), say.execute(), say.sync]),
    step([say.bind(['2', '1'], 'a1'), say.describe('portal'), say.execute(), say.sync]),
    ...queries('DEALLOCATE a1', 'SELECT pg_try_advisory_lock(2854263694235)'),
    ...queries('SELECT pg_advisory_unlock(2854263694235)'),
  ],
  'Metabase sets the zone of its session': queries(
    "SET SESSION TIMEZONE TO 'Asia/Tokyo'",
    "SELECT '2020-01-01 00:00Z'::timestamptz",
    "SET SESSION TIME ZONE 'UTC'",
    "SELECT '2020-01-01 00:00Z'::timestamptz",
  ),
  'pg_dump empties the path and reads under one snapshot': queries(
    "SELECT pg_catalog.set_config('search_path', '', false)",
    'SET DATESTYLE = ISO',
    'SET INTERVALSTYLE = POSTGRES',
    'SET extra_float_digits TO 3',
    'SET synchronize_seqscans TO off',
    'SET statement_timeout = 0',
    'SET lock_timeout = 0',
    'SET idle_in_transaction_session_timeout = 0',
    'SET row_security = off',
    'BEGIN',
    'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY',
    'SELECT count(*) FROM public.notes',
    'LOCK TABLE public.notes IN ACCESS SHARE MODE',
    'ROLLBACK',
    'SELECT count(*) FROM notes',
  ),
  'Npgsql parses ahead, flushes and goes on later': [
    step(
      [say.parse('SELECT name FROM files WHERE user_id = $1 AND id = 1'), say.bind(['1'])].concat([
        say.execute(),
        say.sync,
      ]),
    ),
    step([say.parse('SELECT text FROM notes WHERE id = $1', 'p1'), say.flush], '1'),
    step([say.bind(['1'], 'p1'), say.describe('portal'), say.execute(), say.flush], 'C'),
    step([say.bind(['2'], 'p1'), say.execute(), say.sync]),
    step([say.describe('statement', 'p1'), say.flush], 'T'),
    step(say.sync),
    ...queries('DISCARD ALL'),
    step([say.bind(['2'], 'p1'), say.execute(), say.sync]),
  ],
  'Npgsql resets a connection of its pool': queries(
    'CLOSE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD SEQUENCES; DISCARD TEMP',
    'SET SESSION AUTHORIZATION DEFAULT; RESET ALL',
    'SELECT 1',
  ),
  'asyncpg resets a connection of its pool': queries(
    `SELECT pg_advisory_unlock_all();
CLOSE ALL;
UNLISTEN *;
RESET ALL;`,
    `DO $$ BEGIN PERFORM 1; END $$`,
  ),
  'pgx closes statements it does not know and describes anew': [
    step([say.close('statement', 'lrupsc_1'), say.sync]),
    step([
      say.parse('SELECT $1::int4 + 1', 'lrupsc_1'),
      say.describe('statement', 'lrupsc_1'),
      say.sync,
    ]),
    step([
      say.bind([Buffer.from([0, 0, 0, 41])], 'lrupsc_1', '', { formats: [1], results: [1] }),
      ...[say.describe('portal'), say.execute(), say.sync],
    ]),
  ],
  'pgx sends a batch that begins with what must be alone': [
    step([say.run('VACUUM files'), say.run('SELECT count(*) FROM files'), say.sync]),
    step([
      say.run('CREATE INDEX CONCURRENTLY alone ON files (name)'),
      ...[say.run('DROP INDEX CONCURRENTLY alone'), say.run('SELECT 1'), say.sync],
    ]),
    step([say.run('DISCARD ALL'), say.run('SELECT 1'), say.run('DISCARD ALL'), say.sync]),
    step([say.run('LOCK TABLE files'), say.run('SELECT 1'), say.sync]),
    step([say.run('SELECT 1'), say.run('LOCK TABLE files'), say.sync]),
    step([say.run('VACUUM missing'), say.run('SELECT 1'), say.sync]),
    ...queries('DROP INDEX alone', 'SELECT 1'),
  ],
};
