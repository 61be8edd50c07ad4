// `drive up` as a process: what it brings up, how it ends, how it recovers, what it refuses.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { serverProcesses } from '../../src/local/process-table.ts';
import { DriveProcess, runDrive } from '../support/drive-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { connectAsText, textRows } from '../support/text-client.ts';

const directory = temporaryDirectory();
const started = new Set<DriveProcess>();
const READY = /the data stays/;
/** Each starts several processes, and each of them compiles the program: on a loaded machine that takes time. */
const TIMEOUT_MS = 120_000;
const ANY_PORTS = ['--shard-port', '0', '--proxy-port', '0', '--api-port', '0'];

afterEach(async () => {
  for (const drive of started) {
    drive.signal('SIGTERM');
    await drive.ended();
  }
  started.clear();
});

function up(name: string, ...more: string[]): DriveProcess {
  const drive = new DriveProcess(['up', '--data', join(directory, name), ...ANY_PORTS, ...more]);
  started.add(drive);
  return drive;
}

/** The servers of a data directory that are running, whoever started them. */
function servers(name: string): number[] {
  const home = join(directory, name);
  if (!existsSync(home)) return [];
  return readdirSync(home)
    .filter((entry) => entry.startsWith('shard-'))
    .flatMap((entry) => serverProcesses(join(home, entry)));
}

/** The postgresql:// address that the banner gives for `part`. */
function urlOf(banner: string, part: string): URL {
  const match = new RegExp(`^ +${part} +(\\S+)`, 'm').exec(banner);
  return new URL(match?.[1] ?? 'missing:');
}

async function ask(url: URL, sql: string): Promise<(string | null)[][]> {
  const client = await connectAsText({
    ...{ host: url.hostname, port: Number(url.port), database: url.pathname.slice(1) },
    ...{ user: url.username, password: url.password },
  });
  try {
    return await textRows(client, sql);
  } finally {
    await client.end();
  }
}

const INSERT = "INSERT INTO file_metadata (user_id, file_name) VALUES (3, 'kept')";

describe('drive up', { timeout: TIMEOUT_MS }, () => {
  it('brings up what its banner says, for as many shards as asked', async () => {
    const banner = await up('three', '--shards', '3').untilOutput(READY);
    const proxy = urlOf(banner, 'proxy');
    await ask(proxy, INSERT);
    await ask(proxy, INSERT.replace('3', '4'));
    expect(await ask(proxy, 'SELECT count(*) FROM file_metadata')).toEqual([['2']]);
    for (const [id, count] of ['1', '1', '0'].entries()) {
      const rows = await ask(urlOf(banner, `shard ${id}`), 'SELECT count(*) FROM file_metadata');
      expect(rows).toEqual([[count]]);
    }
    // pgAdmin and DBeaver look for the database they are connected to, to show it in their trees.
    const names = 'SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate';
    expect((await ask(proxy, names)).flat()).toContain(proxy.pathname.slice(1));
    const answer = await fetch(urlOf(banner, 'API'));
    expect(await answer.json()).toMatchObject({ status: 'running', num_shards: 3 });
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('ends cleanly on %s', async (signal) => {
    const drive = up(signal);
    await drive.untilOutput(READY);
    drive.signal(signal);
    expect(await drive.ended()).toMatchObject({ code: 0, err: '' });
    expect(servers(signal)).toEqual([]);
    expect(readdirSync(join(directory, signal))).not.toContain('drive.lock');
  });

  it('takes the Ctrl-C that npm passes on for the same one', async () => {
    const drive = up('twice');
    await drive.untilOutput(READY);
    drive.signal('SIGINT');
    drive.signal('SIGINT');
    expect(await drive.ended()).toMatchObject({ code: 0, err: '' });
    expect(servers('twice')).toEqual([]);
  });

  it('leaves nothing when it is stopped while starting', async () => {
    const drive = up('early');
    await expect.poll(() => existsSync(join(directory, 'early', 'drive.lock'))).toBe(true);
    drive.signal('SIGINT');
    expect(await drive.ended()).toMatchObject({ code: 0, out: '', err: '' });
    expect(servers('early')).toEqual([]);
  });

  it('keeps the data, also after kill -9, and ends the servers left behind', async () => {
    const killed = up('killed');
    const first = await killed.untilOutput(READY);
    await ask(urlOf(first, 'proxy'), INSERT);
    killed.signal('SIGKILL');
    await killed.ended();
    const left = servers('killed');
    expect(left.length).toBeGreaterThan(0);
    const again = await up('killed').untilOutput(READY);
    expect(servers('killed').filter((pid) => left.includes(pid))).toEqual([]);
    const rows = await ask(urlOf(again, 'proxy'), 'SELECT user_id, file_name FROM file_metadata');
    expect(rows).toEqual([['3', 'kept']]);
  });

  it('says so in its log when a shard dies, and goes on', async () => {
    const drive = up('dies');
    const banner = await drive.untilOutput(READY);
    const [pid] = serverProcesses(join(directory, 'dies', 'shard-1')).sort((a, b) => a - b);
    process.kill(pid!, 'SIGQUIT');
    const home = urlOf(banner, 'shard 0');
    await expect.poll(() => serverProcesses(join(directory, 'dies', 'shard-1'))).toEqual([]);
    expect(await ask(home, 'SELECT drive.shard_id()')).toEqual([['0']]);
    drive.signal('SIGTERM');
    const { code, err } = await drive.ended();
    expect(code).toBe(0);
    expect(err).toContain('"server":"shard 1"');
    expect(err).toContain('a shard has stopped; the others go on');
  });
});

describe('drive status and drive stop', { timeout: TIMEOUT_MS }, () => {
  it('tell of the workers too, of those that run now, and leave none behind', async () => {
    const drive = up('workers', '--workers', '2');
    await drive.untilOutput(READY);
    const data = ['--data', join(directory, 'workers')];
    const workers = async (): Promise<number[]> => {
      const { out } = await runDrive(['status', ...data]);
      return [...out.matchAll(/^ {2}worker \d+ +process (\d+)$/gm)].map(([, pid]) => Number(pid));
    };
    const [first, second] = await workers();
    process.kill(first!, 'SIGKILL');
    await expect.poll(workers, { timeout: TIMEOUT_MS / 2 }).toEqual([second, expect.any(Number)]);
    const left = await workers();
    expect(await runDrive(['stop', ...data])).toMatchObject({ code: 0, err: '' });
    expect((await drive.ended()).code).toBe(0);
    for (const pid of left) expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  it('tell and end what runs', async () => {
    const drive = up('status');
    const banner = await drive.untilOutput(READY);
    const data = ['--data', join(directory, 'status')];
    const status = await runDrive(['status', ...data]);
    expect(status.code).toBe(0);
    expect(status.out).toMatch(/^drive up runs in .* \(process \d+\)\n( {2}.* answers\n){4}$/);
    expect(status.out).toContain(urlOf(banner, 'proxy').host);
    expect((await runDrive(['stop', ...data])).code).toBe(0);
    expect(await drive.ended()).toMatchObject({ code: 0, err: '' });
    expect(await runDrive(['status', ...data])).toMatchObject({
      code: 3,
      out: `nothing runs in ${data[1]}\n`,
    });
    expect((await runDrive(['stop', ...data])).out).toBe(`nothing runs in ${data[1]}\n`);
  });

  it('stop ends what kill -9 left behind', async () => {
    const drive = up('left');
    await drive.untilOutput(READY);
    drive.signal('SIGKILL');
    await drive.ended();
    const data = join(directory, 'left');
    expect(await runDrive(['stop', '--data', data])).toMatchObject({
      code: 0,
      out: `stopped the servers left behind in ${data}\n`,
    });
    expect(servers('left')).toEqual([]);
  });
});
