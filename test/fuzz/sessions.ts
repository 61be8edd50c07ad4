// Valid conversations of a client, as lists of messages: what the fuzzer damages.

import { encodeQuery } from '../../src/wire/query.ts';
import { PROTOCOL_3_0, PROTOCOL_3_2 } from '../../src/wire/startup.ts';
import type { Login } from '../support/proxy.ts';
import type { Random } from '../support/random.ts';
import { rawMessage, startupPacket } from '../support/raw-client.ts';
import { say } from '../support/transcript.ts';

/** Keys that the fuzzer's statements use; the oracle's are far above. */
const KEY_MAX = 400;

/** Reads that leave no trace. `%` stands for a key. */
const READS = [
  'SELECT 1',
  'SELECT % AS key, repeat($$x$$, %)',
  'SELECT * FROM junk WHERE user_id = %',
  'SELECT count(*), min(note) FROM junk',
  'SELECT user_id, note FROM junk ORDER BY user_id, note LIMIT 20',
  'SELECT user_id, count(*) FROM junk GROUP BY user_id ORDER BY user_id',
  'SELECT note FROM tagged WHERE user_id = %',
  'SELECT user_id, tag FROM tagged ORDER BY user_id, id',
  'SELECT repeat($$y$$, 2000), user_id, n FROM junk, generate_series(1, 50) n WHERE user_id = %',
  'SHOW TimeZone',
  'SHOW drive.shards',
  '/* drive.shard=1 */ SELECT count(*) FROM junk',
  'EXPLAIN SELECT * FROM junk WHERE user_id = %',
  '',
  ';',
  'SELECT 1; SELECT 2; SELECT %',
  'SELECT 1 / (% - %)',
  'SELEC 1',
  'SELECT nothing FROM nowhere',
  'SELECT pg_sleep(0.02), %',
];

/** What changes something, but only in the table junk or in the session itself. */
const WRITES = [
  "INSERT INTO junk (user_id, note) VALUES (%, 'n%')",
  "INSERT INTO junk (user_id, note) VALUES (%, 'a'), (%, 'b') RETURNING user_id",
  "UPDATE junk SET note = 'u%' WHERE user_id = %",
  'DELETE FROM junk WHERE user_id = %',
  "SET application_name = 'fuzz %'",
  'SET drive.shard = 1',
  'RESET drive.shard',
  "SET drive.key = '%'",
  "SET statement_timeout = '5s'",
  'SET search_path = nowhere',
  'RESET ALL',
  'DISCARD ALL',
  'CREATE TEMPORARY TABLE mine (n int) ON COMMIT DROP',
  'LISTEN fuzz',
  "NOTIFY fuzz, 'from a fuzzer'",
  'PREPARE p% AS SELECT % + $1::int',
  'EXECUTE p%(1)',
  'DEALLOCATE ALL',
  'BEGIN',
  'BEGIN ISOLATION LEVEL REPEATABLE READ',
  'SAVEPOINT s',
  'ROLLBACK TO s',
  'COMMIT',
  'ROLLBACK',
  "SELECT set_config('application_name', 'fuzz %', false)",
  "SELECT set_config('work_mem', '%MB', true)",
  'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY',
  'SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE',
  'SET ROLE NONE',
  'SET seed = 0.%',
  'SELECT pg_try_advisory_lock(%)',
  'SELECT pg_advisory_unlock(%)',
  'SELECT pg_advisory_unlock_all()',
  'UNLISTEN *',
  'DECLARE h CURSOR WITH HOLD FOR SELECT n FROM generate_series(1, %) n',
  'FETCH 3 FROM h',
  'CLOSE h',
  'CLOSE ALL',
  'SELECT pg_backend_pid()',
  'SELECT pg_cancel_backend(%)',
  'BEGIN; SELECT %; COMMIT; SELECT %',
  'SELECT %; BEGIN READ ONLY',
  'SELECT %; SELECT 1/0; SELECT %',
  'DECLARE c CURSOR FOR SELECT generate_series(1, %)',
  'FETCH 5 FROM c',
];

const LARGE = 'SELECT repeat($$z$$, 1000), n FROM generate_series(1, 20000) n';

/** int4pl(2, 3), in text. */
const SUM = Buffer.from('0000008d00010000000200000001320000000133' + '0000', 'hex');

function fill(template: string, random: Random): string {
  return template.replaceAll('%', () => String(random.int(0, KEY_MAX)));
}

function statement(random: Random): string {
  return fill(random.pick(random.chance(0.55) ? READS : WRITES), random);
}

/** Startup as most clients do it, sometimes with what only few do. */
export function startupOf(random: Random, { user, database }: Login): Buffer {
  const parameters: Record<string, string> = { user, database };
  if (random.chance(0.2)) parameters.application_name = `fuzz ${random.int(0, 9)}`;
  if (random.chance(0.1)) parameters.options = '-c statement_timeout=4000';
  if (random.chance(0.1)) parameters['_pq_.unknown'] = 'yes';
  if (random.chance(0.05)) parameters.client_encoding = 'LATIN1';
  if (random.chance(0.05)) parameters.database = 'drive_shard_1';
  return startupPacket(parameters, random.chance(0.2) ? PROTOCOL_3_2 : PROTOCOL_3_0);
}

/** The packets that may come instead of, or before, a startup: SSL, GSS, cancel. */
export function preludeOf(random: Random): Buffer {
  const code = random.pick([80877103, 80877104, 80877102]);
  const body = code === 80877102 ? random.bytes(random.pick([8, 4, 36, 300])) : Buffer.alloc(0);
  const packet = Buffer.alloc(8 + body.length);
  packet.writeInt32BE(packet.length, 0);
  packet.writeInt32BE(code, 4);
  body.copy(packet, 8);
  return packet;
}

/** The messages of one valid session after its startup, in their order. */
export function conversation(random: Random): Buffer[] {
  const messages: Buffer[] = [];
  for (let left = random.int(1, 12); left > 0; left--) {
    const part = random.int(0, 9);
    if (part < 4) messages.push(encodeQuery(statement(random)));
    else if (part < 8) messages.push(...pipeline(random));
    else if (part === 8) messages.push(...copy(random));
    else if (random.chance(0.3)) messages.push(encodeQuery(LARGE));
    else messages.push(rawMessage('F', random.chance(0.5) ? SUM : random.bytes(14)));
  }
  if (random.chance(0.5)) messages.push(rawMessage('X'));
  return messages;
}

function pipeline(random: Random): Buffer[] {
  const messages: Buffer[] = [];
  for (let left = random.int(1, 6); left > 0; left--) {
    const name = random.pick(['', '', 's1', 's2']);
    const portal = random.pick(['', '', 'c1']);
    const read = 'SELECT user_id, note FROM junk WHERE user_id = $1';
    const insert = 'INSERT INTO junk (user_id, note) VALUES ($1, $2)';
    const kind = random.int(0, 3);
    const key = String(random.int(0, KEY_MAX));
    if (kind === 0) messages.push(say.parse(read, name), say.bind([key], name, portal));
    else if (kind === 1) messages.push(say.parse(insert, name), say.bind([key, 'p'], name, portal));
    else if (kind === 2)
      messages.push(say.parse(statement(random), name), say.bind([], name, portal));
    else messages.push(say.bind([key], name, portal));
    if (random.chance(0.5)) messages.push(say.describe(random.pick(['statement', 'portal']), name));
    messages.push(say.execute(portal, random.pick([0, 0, 0, 1, 7])));
    if (random.chance(0.2)) messages.push(say.close(random.pick(['statement', 'portal']), name));
    if (random.chance(0.15)) messages.push(say.flush);
    if (random.chance(0.5)) messages.push(say.sync);
  }
  messages.push(say.sync);
  return messages;
}

function copy(random: Random): Buffer[] {
  if (random.chance(0.3)) return [encodeQuery('COPY junk TO STDOUT')];
  const sql = 'COPY junk (user_id, note) FROM STDIN';
  const rows = Array.from({ length: random.int(0, 5) }, () =>
    say.copyData(`${random.int(0, KEY_MAX)}\tcopied\n`),
  );
  const end = random.pick([say.copyDone, say.copyDone, say.copyFail('changed my mind')]);
  if (random.chance(0.5)) return [encodeQuery(sql), ...rows, end];
  return [say.parse(sql), say.bind(), say.execute(), say.sync, ...rows, end, say.sync];
}
