// Parity of cursors and of COPY of queries: what they give over several shards, as on one PostgreSQL.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';
import { say, step, transcript } from '../support/transcript.ts';

const DDL = `CREATE TABLE files (user_id bigint, id int, name text, size int, tags int[],
  PRIMARY KEY (user_id, id))`;
const ROWS = Array.from(
  { length: 60 },
  (_, i) => `(${i % 9}, ${i}, 'f ${i % 7}', ${i % 5 === 0 ? 'NULL' : i % 11}, '{${i % 4}, ${i}}')`,
);

let tested: TestProxy;
let plain: RawClient;
let proxy: RawClient;
/** Over the same shards, where the merge engine computes what is otherwise streamed. */
let engine: Pick<TestProxy, 'login' | 'close'>;
let streaming: RawClient;
let computing: RawClient;

beforeAll(async () => {
  tested = await startTestProxy({
    shards: 3,
    config: { pool: { size: 3 } },
    prepare: async ({ plain: one, shards }) => {
      for (const place of [one, ...shards]) {
        const direct = await RawClient.login(place);
        await direct.rows(DDL);
        await direct.close();
      }
    },
  });
  plain = await RawClient.login(tested.plain);
  engine = await tested.beside({ forceEngine: true });
  streaming = await RawClient.login(tested.login);
  computing = await RawClient.login(engine.login);
  proxy = streaming;
  for (const client of [plain, proxy]) {
    await client.rows(`INSERT INTO files VALUES ${ROWS.join(', ')}`);
  }
});

afterEach(async () => {
  for (const client of [plain, proxy]) await client.query('ROLLBACK; CLOSE ALL');
});

afterAll(async () => {
  await plain.close();
  await streaming.close();
  await computing.close();
  await engine.close();
  await tested.close();
});

/** The transcript of the statements, one message each, is that of one PostgreSQL. */
async function same(...statements: readonly string[]): Promise<void> {
  const steps = statements.map((sql) => step(say.query(sql)));
  const ours = await transcript(proxy, steps);
  // What PostgreSQL says of a place in the text is left away for copies.
  expect(shown(ours)).toBe(shown(await transcript(plain, steps)));
}

const shown = (text: string) => text.replaceAll(/ P=\d+ \|/g, '');

const ORDERED = 'SELECT id, name, size FROM files ORDER BY size NULLS FIRST, id DESC';

describe.each(['streams', 'the merge engine'])('A cursor over several shards, by %s,', (how) => {
  beforeEach(() => {
    proxy = how === 'streams' ? streaming : computing;
  });

  test('is fetched from forward, moved and closed', () =>
    same(
      'BEGIN',
      `DECLARE c CURSOR FOR ${ORDERED}`,
      'FETCH c',
      'FETCH FORWARD 5 FROM c',
      'MOVE 3 IN c',
      'FETCH NEXT FROM c',
      'FETCH 0 FROM c',
      'FETCH ALL FROM c',
      'FETCH 2 FROM c',
      'CLOSE c',
      'FETCH c',
      'ROLLBACK',
    ));

  test('goes both ways with SCROLL, and only forward with NO SCROLL', () =>
    same(
      'BEGIN',
      `DECLARE c SCROLL CURSOR FOR ${ORDERED}`,
      'FETCH LAST FROM c',
      'FETCH BACKWARD 3 FROM c',
      'FETCH ABSOLUTE 10 FROM c',
      'FETCH RELATIVE -2 FROM c',
      'MOVE ABSOLUTE -4 IN c',
      'FETCH PRIOR FROM c',
      'FETCH FIRST FROM c',
      `DECLARE d NO SCROLL CURSOR FOR ${ORDERED}`,
      'FETCH 2 FROM d',
      'FETCH BACKWARD 1 FROM d',
      'COMMIT',
    ));

  test('several at once keep their rows, whatever the transaction does meanwhile', () =>
    same(
      'BEGIN',
      `DECLARE a CURSOR FOR ${ORDERED}`,
      'DECLARE b CURSOR FOR SELECT name, count(*), string_agg(id::text, $$,$$ ORDER BY id) FROM files GROUP BY name ORDER BY 1',
      'FETCH 2 FROM a',
      'UPDATE files SET size = 100 WHERE id < 30',
      'DELETE FROM files WHERE id > 50',
      'DECLARE c CURSOR FOR SELECT count(*), sum(size) FROM files',
      'FETCH 3 FROM b',
      'FETCH 3 FROM a',
      'FETCH ALL FROM c',
      'SELECT count(*), sum(size) FROM files',
      'FETCH ALL FROM b',
      'DECLARE e CURSOR FOR SELECT count(DISTINCT name), max(now()) = now() FROM files',
      'FETCH e',
      // Arrays have no order that is merged in a stream.
      'DECLARE d CURSOR FOR SELECT id, tags FROM files ORDER BY tags',
      'FETCH 5 FROM d',
      'CLOSE ALL',
      'FETCH a',
      'ROLLBACK',
      'SELECT count(*), sum(size) FROM files',
    ));

  test('has what the transaction has set meanwhile', () =>
    same(
      'BEGIN',
      'DECLARE a CURSOR FOR SELECT name, count(*) FROM files GROUP BY name ORDER BY 1',
      "SELECT set_config('TimeZone', 'Asia/Tokyo', true)",
      "DECLARE b CURSOR FOR SELECT count(*), current_setting('TimeZone') FROM files",
      'FETCH b',
      'SET TRANSACTION READ ONLY',
      "SELECT set_config('transaction_read_only', 'on', true)",
      'DECLARE c CURSOR FOR SELECT count(DISTINCT name) FROM files',
      'FETCH c',
      'FETCH 2 FROM a',
      'ROLLBACK',
    ));

  test('lives and dies by savepoints', () =>
    same(
      'BEGIN',
      'SAVEPOINT s',
      `DECLARE c CURSOR FOR ${ORDERED}`,
      'FETCH 1 FROM c',
      'SAVEPOINT t',
      'FETCH 1 FROM c',
      'DECLARE d CURSOR FOR SELECT 1 / (id - 7) FROM files ORDER BY id',
      'FETCH 3 FROM d',
      'FETCH ALL FROM d',
      'FETCH c',
      'ROLLBACK TO t',
      'FETCH d',
      'ROLLBACK TO t',
      'FETCH 2 FROM c',
      'ROLLBACK TO s',
      'FETCH c',
      'ROLLBACK TO s',
      `DECLARE c CURSOR FOR ${ORDERED}`,
      'FETCH c',
      `DECLARE c CURSOR FOR ${ORDERED}`,
      'COMMIT',
    ));

  // Their type would go with the copies, at the transaction's end.
  test('WITH HOLD is refused whole rows of copies', async () => {
    const query = 'SELECT f FROM files f JOIN files g ON g.id = f.size';
    const answer = await proxy.query(`DECLARE h CURSOR WITH HOLD FOR ${query}`);
    expect(errorCode(answer)).toBe('0A000');
    await same(
      `DECLARE h CURSOR WITH HOLD FOR ${query.replace('f FROM', 'f::text FROM')} ORDER BY 1`,
    );
    await same('FETCH ALL FROM h');
  });

  // Their query has taken the view's place.
  test('is refused whole rows of a view that is computed', async () => {
    await proxy.rows('CREATE VIEW named AS SELECT name, count(*) AS n FROM files GROUP BY name');
    await proxy.rows('BEGIN');
    await proxy.rows('DECLARE r CURSOR FOR SELECT ROW(n) FROM named');
    expect(errorCode(await proxy.query('DECLARE v CURSOR FOR SELECT v FROM named v'))).toBe(
      '0A000',
    );
    await proxy.rows('ROLLBACK');
    await proxy.rows('DROP VIEW named');
  });

  test('WITH HOLD outlives its transaction, and not the rollback of it', () =>
    same(
      `DECLARE h CURSOR WITH HOLD FOR ${ORDERED}`,
      'FETCH 2 FROM h',
      'BEGIN',
      'FETCH 2 FROM h',
      'SELECT count(*) FROM files WHERE user_id = 3',
      'COMMIT',
      'FETCH ALL FROM h',
      'CLOSE h',
      'FETCH h',
      'BEGIN',
      'DECLARE i SCROLL CURSOR WITH HOLD FOR SELECT DISTINCT name FROM files ORDER BY name',
      'FETCH i',
      'COMMIT',
      'FETCH LAST FROM i',
      'CLOSE i',
      'BEGIN',
      'DECLARE k CURSOR WITH HOLD FOR SELECT name FROM files ORDER BY id',
      'ROLLBACK',
      'FETCH k',
      'BEGIN',
      'DECLARE k CURSOR WITH HOLD FOR SELECT 1 / (id - 7) FROM files',
      'COMMIT',
      'FETCH k',
      'SELECT count(*) FROM files',
    ));

  test('needs a transaction, a query that is right, and a name of its own', () =>
    same(
      `DECLARE c CURSOR FOR ${ORDERED}`,
      'BEGIN',
      'DECLARE c CURSOR FOR SELECT nothing FROM files',
      'ROLLBACK',
      'BEGIN READ ONLY',
      `DECLARE c CURSOR FOR ${ORDERED}`,
      'FETCH c',
      'DECLARE d CURSOR FOR SELECT max(size) FROM files',
      'FETCH d',
      'DECLARE e CURSOR FOR SELECT * FROM files WHERE user_id = 4',
      'FETCH e',
      'COMMIT',
    ));

  test('is described and fetched by the extended protocol', async () => {
    const steps = [
      step([say.run('BEGIN'), say.sync]),
      step([
        say.run('DECLARE c CURSOR FOR SELECT id, name FROM files WHERE id > $1 ORDER BY id', [
          '40',
        ]),
        say.sync,
      ]),
      step([say.parse('FETCH 3 FROM c', 'f'), say.describe('statement', 'f'), say.sync]),
      step([say.bind([], 'f'), say.describe('portal'), say.execute(), say.sync]),
      step([say.run('CLOSE c'), say.sync]),
      step([say.run('DECLARE c CURSOR FOR SELECT count(*) FROM files'), say.sync]),
      step([say.run('FETCH 3 FROM c'), say.sync]),
      step([say.close('statement', 'f'), say.run('COMMIT'), say.sync]),
    ];
    const ours = await transcript(proxy, steps);
    expect(shown(ours)).toBe(shown(await transcript(plain, steps)));
  });
});

describe('COPY of a query over several shards', () => {
  beforeEach(() => {
    proxy = streaming;
  });

  test.each([
    `COPY (${ORDERED}) TO STDOUT`,
    `COPY (${ORDERED} LIMIT 7) TO STDOUT (FORMAT csv, HEADER)`,
    `COPY (${ORDERED} LIMIT 7) TO STDOUT (FORMAT binary)`,
    'COPY (SELECT name, count(*) FROM files GROUP BY name ORDER BY name) TO STDOUT',
    'COPY (SELECT DISTINCT size FROM files ORDER BY size DESC) TO STDOUT WITH NULL $$-$$',
    'COPY (SELECT f.*, g.size FROM files f JOIN files g ON g.id = f.size WHERE f.id < 9 ORDER BY f.id) TO STDOUT',
    'COPY (SELECT user_id, id, name FROM files GROUP BY user_id, id ORDER BY id LIMIT 3) TO STDOUT',
    'COPY (SELECT 1 / (id - 7) FROM files ORDER BY id) TO STDOUT',
    'COPY (SELECT nothing FROM files ORDER BY id) TO STDOUT',
    'COPY (SELECT count(*) FROM files WHERE user_id = 4) TO STDOUT',
  ])('%s', (sql) => same(sql));

  test('shows a transaction its own changes', () =>
    same(
      'BEGIN',
      'UPDATE files SET size = 77 WHERE id < 4',
      'COPY (SELECT id, size FROM files ORDER BY size DESC NULLS LAST, id LIMIT 5) TO STDOUT',
      'ROLLBACK',
      'COPY (SELECT max(size) FROM files) TO STDOUT',
    ));
});
