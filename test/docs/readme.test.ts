// README.md: its examples, run from top to bottom as a new user would, answer as it says.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasPsql, psql } from '../drivers/psql.ts';
import { examplesOf, runCurl, settled } from '../support/console-page.ts';
import { DriveProcess, runDrive } from '../support/drive-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const EXAMPLES = examplesOf('README.md');

describe('The examples of README.md', () => {
  const directory = temporaryDirectory();
  const data = join(directory, 'readme');
  let drive: DriveProcess;
  /** The addresses of the README → those of this run. */
  let ports: Map<string, string>;

  beforeAll(async () => {
    const any = ['--shard-port', '0', '--proxy-port', '0', '--api-port', '0'];
    drive = new DriveProcess(['up', '--data', data, ...any]);
    const banner = await drive.untilOutput(/the data stays/);
    const found = [...banner.matchAll(/^ {2}(\w+(?: \d)?) +\w+:\/\/\S*?:(\d+)(?=[/ ])/gm)];
    const at = new Map(found.map(([, part = '', port = '']) => [part, port]));
    ports = new Map([
      ['8000', at.get('API')!],
      ['6432', at.get('proxy')!],
      ['5432', at.get('shard 0')!],
      ['5433', at.get('shard 1')!],
    ]);
  });
  afterAll(async () => {
    drive?.signal('SIGTERM');
    await drive?.ended();
  });

  // What curl shows of ids is true only as long as nothing has been written before.
  it('answer to curl as it says', async () => {
    const curls = EXAMPLES.filter(({ command }) => command.startsWith('curl '));
    expect(curls.length).toBeGreaterThan(3);
    for (const { command, answer } of curls) {
      const got = await runCurl(command, `http://127.0.0.1:${ports.get('8000')}`);
      expect(`${command}\n${settledHere(got)}`).toBe(`${command}\n${settledHere(answer)}`);
    }
  });

  const settledHere = (text: string): string =>
    // The names of the databases are part of what the README tells.
    settled(text.replaceAll('"database"', '"name"'));

  it.skipIf(!hasPsql)('answer to psql as it says', async () => {
    const statements = EXAMPLES.filter(({ prompt }) => prompt === '=>');
    expect(statements.length).toBeGreaterThan(8);
    const marked = statements.map(({ command }, i) => `${command}\n\\echo <${i}>\n`).join('');
    const { stdout, stderr, exitCode } = await psql(
      {
        ...{ host: '127.0.0.1', port: Number(ports.get('6432')), database: 'drive' },
        ...{ user: 'shard_user', password: 'shard_pass' },
      },
      marked,
    );
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
    const answers = stdout.split(/^<\d+>$/m);
    for (const [i, { command, answer }] of statements.entries()) {
      const got = tableOf(answers[i]!);
      const told = tableOf(answer);
      // A line … stands for the rows that follow.
      const end = told.indexOf('…');
      const shown = end < 0 ? got : [...got.slice(0, end), '…'];
      expect([command, ...shown]).toEqual([command, ...told]);
    }
  });

  /** Lines without what widths decide; times and this run's ports as the README has them. */
  function tableOf(text: string): string[] {
    let table = text.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00/g, '<time>');
    for (const [told, real] of ports) table = table.replaceAll(real.padStart(4), told);
    return table
      .split('\n')
      .map((line) => line.replaceAll(/ +/g, ' ').trim())
      .filter((line) => line !== '' && !/^-+(\+-+)*$/.test(line));
  }
});

describe('README.md', () => {
  it('names commands and flags that there are', async () => {
    const help = `${(await runDrive(['--help'])).out}${(await runDrive(['up', '--help'])).out}`;
    const commands = [...README.matchAll(/`(?:npx )?drive (\w+|--\w+)/g)].map(([, name]) => name!);
    const flags = [...README.matchAll(/npm start -- (--[\w-]+)/g)].map(([, name]) => name!);
    expect(commands.length * flags.length).toBeGreaterThan(0);
    for (const name of [...commands, ...flags]) expect(help).toMatch(new RegExp(`\\s${name}\\b`));
  });

  it('names scripts of package.json', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const named = [...README.matchAll(/npm (?:run )?(start|test|bench|\w+(?=`))/g)];
    for (const [, name] of named) expect(Object.keys(scripts)).toContain(name);
  });

  it('links to files that are there', () => {
    const links = [...README.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, path]) => path!);
    expect(links.length).toBeGreaterThan(5);
    for (const path of links) expect([path, existsSync(join(ROOT, path))]).toEqual([path, true]);
  });
});
