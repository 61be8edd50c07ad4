// Two proxies over the same shards: what one changes of the schema the other knows at once.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { errorCode, RawClient } from '../support/raw-client.ts';

let proxies: [TestProxy, TestProxy];
let here: RawClient;
let there: RawClient;

beforeAll(async () => {
  const first = await startTestProxy({ shards: 2 });
  proxies = [first, await first.beside({})];
  [here, there] = await Promise.all([
    RawClient.login(proxies[0].login),
    RawClient.login(proxies[1].login),
  ]);
});

afterAll(async () => {
  here.destroy();
  there.destroy();
  await proxies[1].close();
  await proxies[0].close();
});

const counts = (client: RawClient, table: string) =>
  client.rows(`SELECT count(*), count(*) FILTER (WHERE user_id = 1) FROM ${table}`);

/** Rows by shard, past the proxies. */
async function onShards(sql: string): Promise<(string | null)[][][]> {
  return Promise.all(
    proxies[0].shards.map(async (shard) => {
      const direct = await RawClient.login(shard);
      const rows = await direct.rows(sql);
      await direct.close();
      return rows;
    }),
  );
}

describe('A change of the schema', () => {
  it.each(Array.from({ length: 5 }, (_, i) => i))(
    'of a table’s kind is known to the other proxy when it is answered (%i)',
    async (i) => {
      const table = `moved_${i}`;
      await here.rows(`CREATE TABLE ${table} AS SELECT n AS user_id FROM generate_series(1, 20) n`);
      expect(await counts(there, table)).toEqual([['20', '1']]);
      await here.rows(`SELECT create_distributed_table('${table}', 'user_id')`);
      expect(await counts(there, table)).toEqual([['20', '1']]);
      await there.rows(`INSERT INTO ${table} VALUES (101), (102)`);
      const parities = await onShards(`SELECT DISTINCT user_id % 2 FROM ${table}`);
      expect(parities).toEqual([[['0']], [['1']]]);
      await there.rows(`SELECT undistribute_table('${table}')`);
      expect(await counts(here, table)).toEqual([['22', '1']]);
    },
  );

  it('to a reference table is followed by writes on every shard', async () => {
    await here.rows('CREATE TABLE country (code text PRIMARY KEY)');
    await there.rows(`INSERT INTO country VALUES ('de')`);
    await here.rows(`SELECT create_reference_table('country')`);
    await there.rows(`INSERT INTO country VALUES ('fr')`);
    const all = [['de'], ['fr']];
    expect(await onShards('SELECT code FROM country ORDER BY code')).toEqual([all, all]);
  });

  it('that moves the key’s column moves what the other proxy takes for the key', async () => {
    await here.rows('CREATE TABLE pair (other int, user_id int)');
    await there.rows('INSERT INTO pair VALUES (1, 2)');
    await here.rows('ALTER TABLE pair DROP COLUMN other; ALTER TABLE pair ADD COLUMN other int');
    await there.rows('INSERT INTO pair VALUES (4, 1)');
    expect(await there.rows('SELECT other FROM pair WHERE user_id = 4')).toEqual([['1']]);
  });

  it('that replaces a table, or a view, by another of that name', async () => {
    await here.rows('CREATE TABLE thing (id int); CREATE TABLE base (user_id int, a int, b int)');
    await here.rows('CREATE VIEW seen AS SELECT user_id, a AS x FROM base');
    await there.rows('INSERT INTO thing VALUES (1)');
    await there.rows('INSERT INTO base VALUES (1, 10, 11), (2, 20, 22)');
    expect(await there.rows('SELECT sum(x) FROM seen')).toEqual([['30']]);
    await here.rows(
      'BEGIN; DROP TABLE thing; CREATE TABLE thing (user_id int); ' +
        'CREATE OR REPLACE VIEW seen AS SELECT user_id, b AS x FROM base; COMMIT',
    );
    await there.rows('INSERT INTO thing VALUES (1), (2)');
    expect(await onShards('SELECT * FROM thing')).toEqual([[['2']], [['1']]]);
    expect(await there.rows('SELECT sum(x) FROM seen')).toEqual([['33']]);
  });
});

describe('A change of a table’s kind under way', () => {
  const waiters = async (): Promise<number> => {
    const [home] = proxies[0].shards;
    const direct = await RawClient.login(home!);
    const sql = `SELECT count(*) FROM pg_locks WHERE NOT granted AND database =
      (SELECT oid FROM pg_database WHERE datname = current_database())`;
    const [[count]] = (await direct.rows(sql)) as [[string]];
    await direct.close();
    return Number(count);
  };

  it('ends what was planned by the old kind and waits for it, in both proxies', async () => {
    await here.rows('CREATE TABLE busy AS SELECT n AS user_id FROM generate_series(1, 20) n');
    await here.rows('BEGIN');
    await here.rows(`SELECT create_distributed_table('busy', 'user_id')`);
    const others = await Promise.all([
      RawClient.login(proxies[0].login),
      RawClient.login(proxies[1].login),
      RawClient.login(proxies[1].login),
    ]);
    const sql = ['INSERT INTO busy VALUES (101)', 'INSERT INTO busy VALUES (103)', 'TABLE busy'];
    const answers = others.map((other, i) => other.query(sql[i]!));
    while ((await waiters()) < 3);
    await here.rows('COMMIT');
    expect((await Promise.all(answers)).map(errorCode)).toEqual(['57014', '57014', '57014']);
    for (const other of others) {
      expect(await counts(other, 'busy')).toEqual([['20', '1']]);
      await other.close();
    }
  });

  it('leaves no row on a wrong shard, whoever writes meanwhile', async () => {
    await here.rows('CREATE TABLE load (user_id bigint)');
    const writers = await Promise.all(
      Array.from({ length: 6 }, (_, i) => RawClient.login(proxies[i % 2]!.login)),
    );
    let isOver = false;
    let written = 0;
    const load = writers.map(async (writer) => {
      for (let key = 0; !isOver; key++) {
        if (errorCode(await writer.query(`INSERT INTO load VALUES (${key})`)) === '') written += 1;
      }
    });
    for (let round = 0; round < 3; round++) {
      await here.rows(`SELECT create_distributed_table('load', 'user_id')`);
      const misplaced = 'SELECT count(*) FROM load WHERE user_id % 2 <> drive.shard_id()';
      expect(await onShards(misplaced)).toEqual([[['0']], [['0']]]);
      await here.rows(`SELECT undistribute_table('load')`);
    }
    isOver = true;
    await Promise.all(load);
    expect(await there.rows('SELECT count(*) FROM load')).toEqual([[String(written)]]);
    for (const writer of writers) await writer.close();
  });
});

describe('A proxy that has lost the home shard', () => {
  it('is heard and hears again, and the change is answered meanwhile', async () => {
    const [home] = proxies[0].shards as [(typeof proxies)[0]['shards'][0]];
    const direct = await RawClient.login(home);
    await direct.rows(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    const members = `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
      AND classid = 1685219702 AND database =
        (SELECT oid FROM pg_database WHERE datname = current_database())`;
    while ((await direct.rows(members))[0]![0] !== '2');
    await direct.close();
    await here.rows('CREATE TABLE late AS SELECT n AS user_id FROM generate_series(1, 20) n');
    expect(await counts(there, 'late')).toEqual([['20', '1']]);
    await here.rows(`SELECT create_distributed_table('late', 'user_id')`);
    expect(await counts(there, 'late')).toEqual([['20', '1']]);
  });

  it('is waited for only so long, and then cut off', async () => {
    const silent = await RawClient.login(proxies[0].shards[0]!);
    await silent.rows('SELECT pg_advisory_lock(1685219702, 7)');
    expect(errorCode(await here.query('CREATE TABLE slow (user_id int)'))).toBe('');
    expect(errorCode(await silent.untilEnd())).toBe('57P01');
  });
});

describe('A message to proxies', () => {
  /** Everything said on their channel until a change of the schema has been answered. */
  const saidUntilChanged = async (before: string, change: string): Promise<string[]> => {
    const listener = await RawClient.login(proxies[0].shards[0]!);
    await listener.rows('LISTEN drive_schema');
    await here.rows(before);
    await here.rows(change);
    // What has been committed is delivered before the answer to this.
    const messages = await listener.query('SELECT 1');
    await listener.close();
    return messages
      .filter(({ type }) => type === 'A')
      .map(({ body }) => body.toString('utf8', 4, body.length - 1).split('\0')[1]!);
  };

  const FORGED = '{"by":5,"n":1,"what":"hold","to":0,"body":""}';

  it.each(['no news', '{"by": 1.5}', FORGED, `${'x'.repeat(43)}${FORGED}`])(
    'of a user is none: %s',
    async (forged) => {
      const table = `forged_${forged.length}`;
      const said = await saidUntilChanged(
        `NOTIFY drive_schema, '${forged}'`,
        `CREATE TABLE ${table} (user_id int)`,
      );
      expect(said).toContain(forged);
      expect(said.filter((each) => each.includes('"what":"changed"'))).not.toEqual([]);
      expect(said.filter((each) => each.includes('"to":5,'))).toEqual([]);
      expect(await there.rows(`SELECT count(*) FROM ${table}`)).toEqual([['0']]);
    },
  );

  it('of a proxy is none when somebody else says it again', async () => {
    await here.rows('CREATE TABLE overheard (user_id int)');
    const said = await saidUntilChanged('SELECT 1', `SELECT create_reference_table('overheard')`);
    const hold = said.find((each) => each.includes('"what":"hold","to":0'))!;
    const again = await saidUntilChanged(
      `NOTIFY drive_schema, '${hold}'`,
      'CREATE TABLE unheard (user_id int)',
    );
    expect(again).toContain(hold);
    expect(again.filter((each) => each.includes('"what":"hold"'))).toEqual([hold]);
  });
});
