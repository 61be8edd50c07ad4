// Sharing: many clients on few server connections, each with right answers, whatever the others do.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SERVER_STATEMENTS_MAX } from '../../src/base/limits.ts';
import { encodeQuery } from '../../src/wire/query.ts';
import { encodeCancelRequest } from '../../src/wire/startup.ts';
import { hasPgbench } from '../soak/pgbench.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { Random, seedFromEnvironment } from '../support/random.ts';
import { errorCode, letters, RawClient, rowsOf } from '../support/raw-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { say } from '../support/transcript.ts';

const TABLE = 'CREATE TABLE files (user_id int8, id int, name text, PRIMARY KEY (user_id, id))';
const NAME = 'SELECT name FROM files WHERE user_id = $1 AND id = 1';
const USERS = 50;
const SEED = seedFromEnvironment('PIPELINE_SEED');

const directory = temporaryDirectory();
let proxy: TestProxy;

beforeAll(async () => {
  proxy = await startTestProxy({
    config: { pool: { size: 2 } },
    prepare: async ({ shards }) => {
      for (const shard of shards) {
        const client = await RawClient.login(shard);
        await client.rows(TABLE);
        await client.close();
      }
    },
  });
  const client = await RawClient.login(proxy.login);
  const rows = Array.from({ length: USERS }, (_, user) => `(${user}, 1, 'name ${user}')`);
  await client.rows(`INSERT INTO files VALUES ${rows.join(', ')}`);
  await client.close();
});

afterAll(() => proxy.close());

const login = () => RawClient.login(proxy.login);
const letAllGo = (clients: readonly RawClient[]) => Promise.all(clients.map((c) => c.close()));

describe('Cancels', () => {
  it('a hundred of one client let the statement of another on the pool complete', async () => {
    const [hasty, steady] = [await login(), await login()];
    steady.send(encodeQuery("SELECT pg_sleep(0.5), 'done'"));
    hasty.send(encodeQuery('SELECT pg_sleep(60)'));
    for (let i = 0; i < 100; i++) {
      const canceller = await RawClient.open(proxy.login);
      canceller.send(encodeCancelRequest(hasty.key.processId, hasty.key.secret));
      await canceller.untilEnd();
      canceller.destroy();
    }
    expect(errorCode(await hasty.untilReady())).toBe('57014');
    expect(rowsOf(await steady.untilReady())).toEqual([['', 'done']]);
    await letAllGo([hasty, steady]);
  });
});

describe('Batches that are not finished', () => {
  it('a second Parse flushed without Sync leaves both clients their right answers', async () => {
    const [npgsql, other] = [await login(), await login()];
    for (let round = 0; round < 5; round++) {
      const [mine, theirs] = [String(round), String(round + 20)];
      npgsql.send(say.parse(NAME), say.bind([mine]), say.execute(), say.sync);
      npgsql.send(say.parse(NAME, `p${round}`), say.flush);
      expect(letters(await npgsql.until('1', 2))).toBe('12DCZ1');
      for (const user of [mine, theirs]) {
        other.send(say.parse(NAME), say.bind([user]), say.execute(), say.sync);
        expect(rowsOf(await other.untilReady())).toEqual([[`name ${user}`]]);
      }
      npgsql.send(say.bind([theirs], `p${round}`), say.execute(), say.sync);
      expect(rowsOf(await npgsql.untilReady())).toEqual([[`name ${theirs}`]]);
      expect(await other.rows('SELECT count(*) FROM files')).toEqual([[String(USERS)]]);
    }
    await letAllGo([npgsql, other]);
  });
});

describe(`Pipelines (PIPELINE_SEED=${SEED})`, () => {
  it('of random lengths over more statements than a server keeps have every row right', async () => {
    const random = new Random(SEED);
    const count = SERVER_STATEMENTS_MAX + 150;
    const clients = [await login(), await login(), await login(), await login()];
    const run = async (client: RawClient, own: Random): Promise<void> => {
      const known = new Set<number>();
      for (let left = 1_200; left > 0; ) {
        const length = Math.min(left, own.int(1, 40));
        left -= length;
        const expected: string[][] = [];
        for (let i = 0; i < length; i++) {
          const [n, user] = [own.int(0, count - 1), own.int(0, USERS - 1)];
          const sql = `SELECT name, ${n}::int FROM files WHERE user_id = $1 AND id = 1`;
          if (!known.has(n)) client.send(say.parse(sql, `s${n}`));
          known.add(n);
          client.send(say.bind([String(user)], `s${n}`), say.execute(), say.sync);
          expected.push([`name ${user}`, String(n)]);
        }
        expect(rowsOf(await client.untilReady(length))).toEqual(expected);
      }
    };
    await Promise.all(clients.map((client) => run(client, random.fork())));
    for (const shard of [0, 1]) {
      const sql = `/* drive.shard=${shard} */ SELECT count(*) FROM pg_prepared_statements`;
      const [kept] = await clients[0]!.rows(sql);
      expect(Number(kept![0])).toBeLessThanOrEqual(SERVER_STATEMENTS_MAX);
    }
    await letAllGo(clients);
  });
});

describe.runIf(hasPgbench)('pgbench -M prepared', () => {
  it('with 50 clients on four connections meets no error', async () => {
    const script = join(directory, 'read.sql');
    writeFileSync(
      script,
      '\\set user random(0, 49)\nSELECT name FROM files WHERE user_id = :user AND id = 1;\n' +
        "UPDATE files SET name = 'name ' || user_id WHERE user_id = :user;\n",
    );
    const { host, port, user, database, password } = proxy.login;
    const where = ['-h', host, '-p', String(port), '-U', user];
    const load = ['-n', '-M', 'prepared', '-c', '50', '-t', '20', '-f', script];
    const child = spawn('pgbench', [...where, ...load, database], {
      env: { ...process.env, PGPASSWORD: password },
    });
    let output = '';
    child.stdout.on('data', (text: Buffer) => {
      output += text;
    });
    child.stderr.on('data', (text: Buffer) => {
      output += text;
    });
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(output).toContain('number of transactions actually processed: 1000/1000');
    expect(output).toContain('number of failed transactions: 0');
    expect(output).not.toContain('ERROR');
  });
});

describe('Clients that drop in the middle of a message', () => {
  it('fifty of them leave no server connection stuck', async () => {
    const batch = Buffer.concat([say.run(NAME, ['1']), say.sync]);
    const copy = Buffer.concat([encodeQuery('COPY files FROM STDIN'), say.copyData('1\t2\tx\n')]);
    for (let i = 0; i < 50; i++) {
      const client = await login();
      const bytes = [encodeQuery('SELECT 1'), batch, copy][i % 3]!;
      client.send(bytes.subarray(0, 1 + ((i * 7) % (bytes.length - 1))));
      client.destroy();
    }
    const next = await login();
    for (let i = 0; i < 8; i++) {
      expect(await next.rows('SELECT count(*) FROM files')).toEqual([[String(USERS)]]);
    }
    await next.close();
  });
});
