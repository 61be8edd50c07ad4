// The embedded cluster: what its servers are, what survives, what it refuses.

import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { DatabaseError } from '../../src/base/pg.ts';
import { type ClusterOptions, type LocalCluster, startCluster } from '../../src/local/cluster.ts';
import { LocalError } from '../../src/local/local-error.ts';
import { serverProcesses } from '../../src/local/process-table.ts';
import type { Shard } from '../../src/topology/shard.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

const directory = temporaryDirectory();
const running = new Set<LocalCluster>();

afterEach(async () => {
  for (const cluster of running) await cluster.close();
  running.clear();
});

async function start(name: string, options: Partial<ClusterOptions> = {}): Promise<LocalCluster> {
  const dataDirectory = join(directory, name);
  const given = { dataDirectory, shards: 1, firstPort: 0, durable: false, ...options };
  const cluster = await startCluster(given);
  running.add(cluster);
  return cluster;
}

async function close(cluster: LocalCluster): Promise<void> {
  running.delete(cluster);
  await cluster.close();
}

async function ask(shard: Shard, sql: string): Promise<(string | null)[][]> {
  const client = await connectAsText(shard);
  try {
    return await textRows(client, sql);
  } finally {
    await client.end();
  }
}

const INSERT = "INSERT INTO file_metadata (user_id, file_name) VALUES (1, 'a') RETURNING id";

describe('A new cluster', () => {
  it('is one real server per shard, ready for sharding', async () => {
    const { shards } = await start('new', { shards: 3 });
    expect(shards.map(({ id, database }) => [id, database])).toEqual([
      [0, 'drive_shard_0'],
      [1, 'drive_shard_1'],
      [2, 'drive_shard_2'],
    ]);
    for (const shard of shards) {
      const [facts] = await ask(
        shard,
        `SELECT drive.shard_id(), current_user, current_setting('wal_level'),
                current_setting('max_prepared_transactions')::int > 0,
                current_setting('is_superuser'), current_setting('server_encoding'),
                'a' COLLATE "default" > 'B'`,
      );
      expect(facts).toEqual([`${shard.id}`, 'shard_user', 'logical', 't', 'off', 'UTF8', 't']);
    }
  });

  it('gives ids that are unique over the shards, above 0 and small', async () => {
    const { shards } = await start('ids', { shards: 2 });
    const ids = [];
    for (const shard of [...shards, ...shards]) ids.push(...(await ask(shard, INSERT)));
    expect(ids.flat()).toEqual(['1024', '1', '2048', '1025']);
  });

  it('lets shard_user make tables and use two-phase commit', async () => {
    const [shard] = (await start('rights')).shards;
    await ask(
      shard!,
      "CREATE TABLE mine (a int); BEGIN; INSERT INTO mine VALUES (1); PREPARE TRANSACTION 'x'",
    );
    await ask(shard!, "COMMIT PREPARED 'x'");
    expect(await ask(shard!, 'SELECT a FROM mine')).toEqual([['1']]);
  });

  it('asks for the password', async () => {
    const { shards, superuser } = await start('password');
    const wrong = { ...shards[0]!, password: 'wrong' };
    const error = await ask(wrong, 'SELECT 1').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DatabaseError);
    expect((error as DatabaseError).code).toBe('28P01');
    expect(superuser.password.length).toBeGreaterThan(20);
  });

  it('is made anew where its making was broken off', async () => {
    const unfinished = join(directory, 'broken', 'shard-0.unfinished');
    mkdirSync(unfinished, { recursive: true });
    writeFileSync(join(unfinished, 'PG_VERSION'), '18');
    const { shards } = await start('broken');
    expect(await ask(shards[0]!, 'SELECT drive.shard_id()')).toEqual([['0']]);
    expect(existsSync(unfinished)).toBe(false);
  });
});

describe('A later start', () => {
  it('finds the data, and leaves nothing running when it ends', async () => {
    const first = await start('kept');
    await ask(first.shards[0]!, INSERT);
    await close(first);
    expect(serverProcesses(join(first.home, 'shard-0'))).toEqual([]);
    const second = await start('kept');
    expect(
      await ask(second.shards[0]!, 'SELECT id, user_id, file_name FROM file_metadata'),
    ).toEqual([['1024', '1', 'a']]);
  });

  it('is not disturbed by a pid file whose pid belongs to a stranger', async () => {
    const first = await start('stranger');
    const { home } = first;
    await close(first);
    // This process is alive, and no postmaster.
    const lines = [process.pid, join(home, 'shard-0'), 1, 5432, '', '127.0.0.1', '', 'ready', ''];
    writeFileSync(join(home, 'shard-0', 'postmaster.pid'), lines.join('\n'));
    const { shards } = await start('stranger');
    expect(await ask(shards[0]!, 'SELECT 1')).toEqual([['1']]);
  });

  it('ends what a killed postmaster left working', async () => {
    const { shards, servers, home } = await start('orphans');
    const client = await connectAsText(shards[0]!);
    const lost = new Promise((resolve) => client.on('error', resolve));
    // It has no reason to look whether its postmaster lives.
    const busy = expect(
      client.query('SELECT count(*) FROM generate_series(1, 1000000000)'),
    ).rejects.toThrow(/terminat|cancel/);
    const shardHome = join(home, 'shard-0');
    process.kill(servers[0]!.pid, 'SIGKILL');
    await new Promise<void>((resolve) => servers[0]!.onUnexpectedExit(() => resolve()));
    expect(serverProcesses(shardHome).length).toBeGreaterThan(0);
    for (const cluster of running) await close(cluster);
    const again = await start('orphans');
    await Promise.all([lost, busy]);
    expect(await ask(again.shards[0]!, 'SELECT drive.shard_id()')).toEqual([['0']]);
  });

  it('with another number of shards is refused', async () => {
    await close(await start('number', { shards: 2 }));
    await expect(start('number', { shards: 3 })).rejects.toThrow(
      /is spread over 2 shards, not 3, and its rows would have to be moved: use --shards 2, or/,
    );
    await start('number', { shards: 2 });
  });

  it('on data of another PostgreSQL version is refused', async () => {
    const first = await start('version');
    await close(first);
    writeFileSync(join(first.home, 'shard-0', 'PG_VERSION'), '15\n');
    await expect(start('version')).rejects.toThrow(/holds data of PostgreSQL 15, this is 18: move/);
  });
});

describe('A start is refused with one line and leaves nothing', () => {
  it('while the cluster runs', async () => {
    const { shards } = await start('twice');
    await expect(start('twice')).rejects.toThrow(
      `the cluster in ${join(directory, 'twice')} is running already (process ${process.pid})`,
    );
    expect(await ask(shards[0]!, 'SELECT 1')).toEqual([['1']]);
  });

  it('when a port is taken', async () => {
    const listener = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => listener.once('listening', resolve));
    const { port } = listener.address() as { port: number };
    try {
      const error = await start('taken', { shards: 2, firstPort: port }).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(LocalError);
      expect((error as Error).message).toBe(
        `port ${port} for shard 0 is taken: stop what listens there, or choose another with --shard-port`,
      );
      expect(serverProcesses(join(directory, 'taken', 'shard-0'))).toEqual([]);
      expect(readdirSync(join(directory, 'taken'))).not.toContain('drive.lock');
    } finally {
      listener.close();
    }
  });

  it('when a server does not start, with its reason', async () => {
    await expect(start('settings', { settings: { wal_level: 'nonsense' } })).rejects.toThrow(
      /^shard 0 did not start: invalid value for parameter "wal_level": "nonsense" \(see /,
    );
  });

  it('when the data directory is a file', async () => {
    writeFileSync(join(directory, 'file'), '');
    await expect(start('file')).rejects.toThrow(
      /file cannot be written .*: choose another with --data/,
    );
  });

  it.each([0, 1.5, 1025])('with %d shards', async (shards) => {
    await expect(start('count', { shards })).rejects.toThrow('the number of shards is 1 to 1024');
  });
});

describe.runIf(process.getuid?.() === 0)(
  "As root, in a folder the servers' account cannot enter",
  () => {
    it('the data is kept in a place of the system', async () => {
      mkdirSync(join(directory, 'private'), { mode: 0o700 });
      const first = await start('private/data');
      expect(first.home).toMatch(/^\/var\/lib\/drive-clone\/data-/);
      try {
        await ask(first.shards[0]!, INSERT);
        await close(first);
        const second = await start('private/data');
        expect(second.home).toBe(first.home);
        expect(await ask(second.shards[0]!, 'SELECT id FROM file_metadata')).toEqual([['1024']]);
        await close(second);
      } finally {
        rmSync(first.home, { recursive: true });
      }
    });
  },
);
