// Random scripts: valid conversations in any order, to be answered as by one PostgreSQL.

import type { Random } from '../support/random.ts';
import { type Step, say, step } from '../support/transcript.ts';

/** Statements whose answers are the same on every server, errors included. `%` is a small number. */
const STATEMENTS: readonly string[] = [
  'SELECT name FROM files WHERE user_id = % AND id = 1',
  'SELECT user_id, id, name FROM files ORDER BY 1, 2',
  'SELECT count(*), min(name) FROM files',
  'SELECT user_id, count(*) FROM files GROUP BY user_id ORDER BY user_id',
  'SELECT * FROM notes ORDER BY id',
  'SELECT text FROM notes WHERE id = %',
  'SELECT %',
  "SELECT current_setting('TimeZone')",
  "SELECT coalesce(current_setting('my.value', true), '') = 'x'",
  'SHOW work_mem',
  'SHOW transaction_isolation',
  'SELECT current_user = session_user',
  "INSERT INTO files VALUES (%, 1, 'new')",
  "INSERT INTO files VALUES (%, 50, 'a'), (%, 51, 'b')",
  "INSERT INTO notes VALUES (%, 'new')",
  "UPDATE files SET name = 'u%' WHERE user_id = %",
  "UPDATE files SET name = 'all%'",
  "UPDATE notes SET text = 't%' WHERE id = % RETURNING id, text",
  'DELETE FROM files WHERE user_id = %',
  'DELETE FROM notes WHERE id = %',
  'BEGIN',
  'BEGIN',
  'BEGIN ISOLATION LEVEL REPEATABLE READ',
  'START TRANSACTION READ ONLY',
  'COMMIT',
  'COMMIT',
  'ROLLBACK',
  'ROLLBACK',
  'COMMIT AND CHAIN',
  'ROLLBACK AND CHAIN',
  'SAVEPOINT a',
  'SAVEPOINT b',
  'ROLLBACK TO a',
  'ROLLBACK TO b',
  'RELEASE a',
  "SET TimeZone = 'Asia/Tokyo'",
  "SET LOCAL TimeZone = 'Asia/Seoul'",
  "SELECT set_config('TimeZone', 'UTC', false)",
  "SELECT set_config('TimeZone', 'Etc/GMT+%', true)",
  "SET my.value = 'x'",
  'SET work_mem = %00',
  'RESET work_mem',
  'RESET TimeZone',
  'RESET ALL',
  'SET ROLE pg_read_all_data',
  'SET LOCAL ROLE NONE',
  'RESET ROLE',
  'SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE',
  'SET TRANSACTION READ ONLY',
  'DECLARE c CURSOR FOR SELECT id FROM notes ORDER BY id',
  'DECLARE c CURSOR FOR SELECT id FROM files WHERE user_id = % ORDER BY id',
  'DECLARE h CURSOR WITH HOLD FOR SELECT id FROM notes ORDER BY id',
  'FETCH 1 FROM c',
  'FETCH 2 FROM h',
  'CLOSE c',
  'CLOSE h',
  'CLOSE ALL',
  'CREATE TEMP TABLE scratch (a int)',
  'INSERT INTO scratch VALUES (%)',
  'SELECT count(*) FROM scratch',
  'DROP TABLE scratch',
  'PREPARE p AS SELECT text FROM notes WHERE id = %',
  'PREPARE q (int8) AS SELECT name FROM files WHERE user_id = $1 AND id = 1',
  'EXECUTE p',
  'EXECUTE q (%)',
  'DEALLOCATE p',
  'DEALLOCATE ALL',
  'DISCARD ALL',
  'DISCARD TEMP',
  'LISTEN mine',
  'UNLISTEN *',
  'SELECT pg_try_advisory_lock(1#)',
  'SELECT pg_advisory_unlock(1#)',
  'SELECT pg_try_advisory_xact_lock(2#)',
  'SELECT 1 / (count(*) - count(*)) FROM notes',
  'SELECT missing',
  'SELEC 1',
  'SELECT * FROM missing',
  '',
];

/**
 * `steps` conversations of one message group each. `name`: digits that no other script has, for its
 * locks: a server may hold those of the last one for a moment after its client has left.
 */
export function randomScript(random: Random, steps: number, name: string): Step[] {
  const pickStatement = (): string =>
    random
      .pick(STATEMENTS)
      .replaceAll('%', () => String(random.int(1, 6)))
      .replaceAll('#', name);
  return Array.from({ length: steps }, () => {
    const kind = random.int(0, 9);
    if (kind < 5) return step(say.query(pickStatement()));
    if (kind < 6) {
      const several = Array.from({ length: random.int(2, 4) }, pickStatement);
      return step(say.query(several.join('; ')));
    }
    if (kind < 8) return step([say.run(pickStatement()), say.sync]);
    return step([...namedBatch(random), say.sync]);
  });
}

const NAMED = [
  'SELECT name FROM files WHERE user_id = $1 AND id = 1',
  'SELECT text FROM notes WHERE id = $1',
  'SELECT user_id, id FROM files WHERE id = $1 ORDER BY 1, 2',
  "UPDATE notes SET text = 'bound' WHERE id = $1",
  "UPDATE files SET name = 'bound' WHERE user_id = $1",
];

function namedBatch(random: Random): Buffer[] {
  const name = random.pick(['s', 't']);
  const portal = random.pick(['', 'x']);
  const value = String(random.int(1, 6));
  const messages: Buffer[] = [];
  if (random.chance(0.4)) messages.push(say.close('statement', name));
  if (random.chance(0.6)) messages.push(say.parse(random.pick(NAMED), name));
  if (random.chance(0.2)) messages.push(say.describe('statement', name));
  messages.push(say.bind([value], name, portal));
  if (random.chance(0.5)) messages.push(say.describe('portal', portal));
  messages.push(say.execute(portal, random.pick([0, 0, 1])));
  if (random.chance(0.3)) messages.push(say.execute(portal, random.pick([0, 1])));
  if (random.chance(0.3)) messages.push(say.close('portal', portal));
  return messages;
}
