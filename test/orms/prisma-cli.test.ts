// Prisma's command line: a project is migrated, deployed, pulled and pushed as on one PostgreSQL.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { freshDatabases } from '../support/cluster.ts';
import { type Login, startTestProxy } from '../support/proxy.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { current, SCHEMAS } from './prisma-schemas.ts';

const CLI = resolve('node_modules/prisma/build/index.js');
/** Generating the client is another matter. */
const WITHOUT_CLIENT = (schema: string) => schema.replace(/generator client \{[^}]*\}/, '');

/** A project of its own, with the engine that its command line is to run. */
class Project {
  readonly directory = temporaryDirectory();
  #shadow: Login;

  constructor(shadow: Login) {
    this.#shadow = shadow;
    const { directory } = this;
    symlinkSync(resolve('node_modules'), join(directory, 'node_modules'));
    writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
    this.write(
      'prisma.config.ts',
      `export default {
        schema: 'schema.prisma',
        migrations: { path: 'migrations' },
        datasource: { url: process.env.APP_URL, shadowDatabaseUrl: process.env.SHADOW_URL },
      };`,
    );
    const engine = fileURLToPath(new URL('./prisma-engine.ts', import.meta.url));
    this.write(
      'schema-engine',
      `#!/bin/sh\nexec '${process.execPath}' --no-warnings '${engine}' "$@"\n`,
    );
    chmodSync(join(directory, 'schema-engine'), 0o755);
  }

  write(name: string, content: string): void {
    writeFileSync(join(this.directory, name), content);
  }

  /** The text of each migration, without the time that its folder is named by. */
  migrations(): string[] {
    const folder = join(this.directory, 'migrations');
    const names = readdirSync(folder).filter((name) => !name.endsWith('.toml'));
    return names.sort().flatMap((name) => {
      const text = readFileSync(join(folder, name, 'migration.sql'), 'utf8');
      return [name.replace(/^\d+_/, ''), text];
    });
  }

  /** What it answers, without what is of one run, and how it ends. */
  async prisma(login: Login, ...args: readonly string[]): Promise<string> {
    const { CI: _, ...environment } = process.env;
    const child = spawn(
      process.execPath,
      // Some commands will only speak to a person; nothing is asked of one here.
      ['--import', 'data:text/javascript,process.stdin.isTTY=true', CLI, ...args],
      {
        cwd: this.directory,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...environment,
          TERM: 'xterm',
          NO_COLOR: '1',
          CHECKPOINT_DISABLE: '1',
          PRISMA_HIDE_UPDATE_MESSAGE: '1',
          PRISMA_SCHEMA_ENGINE_BINARY: join(this.directory, 'schema-engine'),
          APP_URL: urlOf(login),
          SHADOW_URL: urlOf(this.#shadow),
        },
      },
    );
    // Each by itself: what comes first of the two is nobody's decision.
    const texts = ['', ''];
    for (const [i, stream] of [child.stdout, child.stderr].entries()) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        texts[i] += chunk;
      });
    }
    const [code] = await once(child, 'close');
    const said = texts
      .join('\n')
      .replaceAll(`"${login.database}"`, '"app"')
      .replaceAll(`${login.host}:${login.port}`, 'there')
      .replace(/\d{14}_/g, '')
      .replace(/in \d+(\.\d+)?m?s/g, 'in a moment');
    return `${said}\nended with ${code}`;
  }
}

const urlOf = ({ user, password, host, port, database }: Login): string =>
  `postgresql://${user}:${password}@${host}:${port}/${database}`;

test('Prisma’s command line does through the proxy what it does on one PostgreSQL', {
  timeout: 300_000,
}, async () => {
  const config = { sharding: { tables: { users: { kind: 'reference' } } } } as const;
  const proxy = await startTestProxy({ config });
  const later = await startTestProxy({ config, shards: 3 });
  const shadows = await Promise.all([freshDatabases(0), freshDatabases(0)]);
  try {
    const seen = await Promise.all(
      [
        [proxy.login, later.login],
        [proxy.plain, later.plain],
      ].map(async ([first, second], i) => {
        const project = new Project(shadows[i]!.plain);
        const said: string[] = [];
        const ask = async (login: Login, ...args: readonly string[]): Promise<void> => {
          said.push(args.join(' '), await project.prisma(login, ...args));
        };
        for (const [name, schema] of Object.entries(SCHEMAS)) {
          project.write('schema.prisma', WITHOUT_CLIENT(schema));
          await ask(first!, 'migrate', 'dev', '--name', name.slice(2));
        }
        await ask(first!, 'migrate', 'dev');
        await ask(first!, 'db', 'push');
        await ask(first!, 'db', 'pull', '--print');
        await ask(second!, 'migrate', 'status');
        await ask(second!, 'migrate', 'deploy');
        await ask(second!, 'migrate', 'reset', '--force');
        const grown = current.replace('name String', 'name String\n  note String?');
        project.write('schema.prisma', WITHOUT_CLIENT(grown));
        await ask(second!, 'db', 'push');
        return { said, migrations: project.migrations() };
      }),
    );
    expect(seen[0]).toEqual(seen[1]);
    const { said, migrations } = seen[0]!;
    expect(migrations).toHaveLength(2 * Object.keys(SCHEMAS).length);
    const codes = said.flatMap((text) => /ended with (.*)$/.exec(text)?.[1] ?? []);
    // Some migrations have not been applied: status says so by its code, too.
    expect(codes).toEqual(['0', '0', '0', '0', '0', '0', '1', '0', '0', '0']);
    expect(said.at(-1)).toMatch(/Your database is now in sync with your Prisma schema/);
  } finally {
    for (const each of [proxy, later]) await each.close();
    for (const each of shadows) await each.drop();
  }
});
