// What `drive` refuses: one line that says what to do, an exit code, nothing left running.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VERSION } from '../../src/base/version.ts';
import { processIdentity } from '../../src/local/process-table.ts';
import { runDrive } from '../support/drive-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const directory = temporaryDirectory();
const ANY_PORTS = { DRIVE_SHARD_PORT: '0', DRIVE_PROXY_PORT: '0', DRIVE_API_PORT: '0' };

let listener: Server;
let takenPort: string;
beforeAll(async () => {
  listener = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => listener.once('listening', resolve));
  takenPort = String((listener.address() as { port: number }).port);
});
afterAll(() => listener?.close());

describe('drive up refuses', () => {
  it.each([
    ['the proxy', 'proxy-port', 'DRIVE_PROXY_PORT'],
    ['the API', 'api-port', 'DRIVE_API_PORT'],
    ['shard 0', 'shard-port', 'DRIVE_SHARD_PORT'],
  ])('a taken port of %s, from the flag and from the environment', async (part, flag, variable) => {
    const data = join(directory, flag);
    const message =
      `drive: port ${takenPort} for ${part} is taken: ` +
      `stop what listens there, or choose another with --${flag}\n`;
    const byFlag = await runDrive(['up', '--data', data, `--${flag}`, takenPort], ANY_PORTS);
    expect(byFlag).toEqual({ code: 1, out: '', err: message });
    const env = { ...ANY_PORTS, [variable]: takenPort, DRIVE_DATA: data };
    expect(await runDrive(['up'], env)).toEqual({ code: 1, out: '', err: message });
    expect(existsSync(join(data, 'drive.lock'))).toBe(false);
  });

  it.each([
    [
      'up --shards 0',
      /'--shards <n>' argument '0' is invalid\. Give a whole number from 1 to 1024/,
    ],
    ['up --proxy-port many', /'--proxy-port <port>' argument 'many' is invalid/],
    ['up --shard 3', /unknown option '--shard'\n\(Did you mean --shards\?\)/],
    ['upp', /unknown command 'upp'\n\(Did you mean up\?\)/],
    ['up --config', /'--config <file>' argument missing/],
  ])('%s', async (line, message) => {
    const { code, out, err } = await runDrive(line.split(' '));
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(message);
    expect(err).toMatch(/^drive: /);
  });

  it.each([
    [
      { DRIVE_PROXY_PORT: '5433', DRIVE_SHARD_PORT: '5432' },
      'port 5433 is for both shard 1 and the proxy: choose another with --proxy-port',
    ],
    [
      { DRIVE_PROXY_PORT: '8000', DRIVE_API_PORT: '8000' },
      'port 8000 is for both the proxy and the API: choose another with --api-port',
    ],
    [
      { DRIVE_SHARD_PORT: '65535' },
      'there is no port 65536 for shard 1: choose a lower one with --shard-port',
    ],
    [{ DRIVE_PROXY_PRT: '1' }, 'DRIVE_PROXY_PRT is no setting. Did you mean DRIVE_PROXY_PORT?'],
    [{ DRIVE_SHARD: '3' }, 'DRIVE_SHARD is no setting. Did you mean DRIVE_SHARDS?'],
  ])('%o', async (env, message) => {
    const data = join(directory, 'ports');
    const { code, out, err } = await runDrive(['up', '--data', data], { ...ANY_PORTS, ...env });
    expect({ code, out, err }).toEqual({ code: 1, out: '', err: `drive: ${message}\n` });
    expect(existsSync(data)).toBe(false);
  });

  it('a typing mistake in the config file, before anything starts', async () => {
    const config = join(directory, 'drive.yaml');
    writeFileSync(config, 'proxy:\n  prot: 1\n');
    const data = join(directory, 'never');
    const { code, out, err } = await runDrive(['up', '--config', config, '--data', data]);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(
      /^drive: \S+drive\.yaml: proxy\.prot is no setting\. Did you mean port\? .*\n$/,
    );
    expect(existsSync(data)).toBe(false);
  });

  it('a config file that does not exist', async () => {
    const { code, err } = await runDrive(['up'], { DRIVE_CONFIG: '/none.yaml' });
    expect(code).toBe(1);
    expect(err).toBe(
      'drive: the config file /none.yaml does not exist: give another with --config\n',
    );
  });
});

describe('drive up refuses a data directory', () => {
  it('that cannot be made', async () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    for (const data of [file, join(file, 'below'), '/proc/none/at-all']) {
      const { code, out, err } = await runDrive(['up', '--data', data], ANY_PORTS);
      expect({ code, out }).toEqual({ code: 1, out: '' });
      expect(err).toMatch(
        /^drive: the data directory \S+ cannot be written \(E[A-Z]+\): .*--data\n$/,
      );
    }
  });

  it('whose cluster file is damaged', async () => {
    const data = join(directory, 'damaged');
    mkdirSync(data);
    writeFileSync(join(data, 'cluster.json'), '{"shards":');
    const { code, err } = await runDrive(['up', '--data', data], ANY_PORTS);
    expect(code).toBe(1);
    expect(err).toMatch(/^drive: \S+cluster\.json is damaged: .*--data\n$/);
    expect(existsSync(join(data, 'drive.lock'))).toBe(false);
  });

  it('that is in use', async () => {
    const data = join(directory, 'used');
    mkdirSync(data);
    const lock = { pid: process.pid, identity: processIdentity(process.pid), addresses: {} };
    writeFileSync(join(data, 'drive.lock'), JSON.stringify(lock));
    expect(await runDrive(['up', '--data', data], ANY_PORTS)).toEqual({
      code: 1,
      out: '',
      err:
        `drive: the cluster in ${data} is running already (process ${process.pid}): ` +
        'end it with npx drive stop, or use another directory with --data\n',
    });
    // As a machine that lost its power may leave it.
    writeFileSync(join(data, 'drive.lock'), '');
    expect(await runDrive(['status', '--data', data])).toMatchObject({ code: 3 });
  });
});

describe('Without embedded servers', () => {
  it('drive proxy and drive install ask for shards', async () => {
    for (const command of ['proxy', 'install']) {
      const { code, err } = await runDrive([command]);
      expect(code).toBe(1);
      expect(err).toMatch(/^drive: there are no shards: list them under shards .*\n$/);
    }
  });

  it('drive install says which shard it cannot reach', async () => {
    const { code, err } = await runDrive(['install'], { DB_SHARD_0_PORT: '1' });
    expect(code).toBe(1);
    expect(err).toMatch(/^drive: shard 0 \(drive_shard_0 on 127\.0\.0\.1:1\): .*ECONNREFUSED.*\n$/);
  });
});

it('drive --help shows the commands, drive up --help the variables', async () => {
  const help = await runDrive(['--help']);
  expect(help.code).toBe(0);
  for (const command of ['up', 'proxy', 'api', 'install', 'status', 'stop']) {
    expect(help.out).toContain(`\n  ${command}`);
  }
  expect(await runDrive(['--version'])).toEqual({ code: 0, out: `drive ${VERSION}\n`, err: '' });
  const { out } = await runDrive(['up', '--help']);
  for (const name of ['SHARDS', 'SHARD_PORT', 'PROXY_PORT', 'API_PORT', 'DATA', 'CONFIG']) {
    expect(out.replace(/\s+/g, ' ')).toContain(`env: DRIVE_${name})`);
  }
});
