// ORMs of other languages: what a script by each sees through the proxy is what it sees on one PostgreSQL.

import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Login, startTestProxy, type TestProxy } from '../support/proxy.ts';

const FOLDER = join(import.meta.dirname, 'scripts');
const TIMEOUT_MS = 120_000;

interface Script {
  /** Interpreters that may have what it needs: Debian's first. */
  readonly programs: readonly string[];
  /** Fails where that is missing. */
  readonly check: readonly string[];
  /** In the folder of scripts. */
  readonly run: readonly string[];
  readonly lines: number;
}

const python = ['/usr/bin/python3', 'python3'];

const SCRIPTS: Readonly<Record<string, Script>> = {
  'Django (python3-django)': {
    programs: python,
    check: ['-c', 'import django, psycopg2'],
    run: ['-B', '-m', 'django_app'],
    lines: 43,
  },
  'SQLAlchemy (python3-sqlalchemy)': {
    programs: python,
    check: ['-c', 'import sqlalchemy, psycopg2'],
    run: ['-B', 'sqlalchemy_app.py'],
    lines: 30,
  },
  'Active Record (ruby-activerecord, ruby-pg)': {
    programs: ['ruby'],
    check: ['-W0', '-e', 'require "active_record"; require "pg"'],
    run: ['-W0', 'active_record_app.rb'],
    lines: 45,
  },
};

/** The first interpreter that can run it; null: this machine has none. */
function programOf({ programs, check }: Script): string | null {
  const found = programs.find((program) => {
    try {
      execFileSync(program, check, { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
  return found ?? null;
}

let proxy: TestProxy;

beforeAll(async () => {
  const reference = { kind: 'reference' } as const;
  const home = { kind: 'home' } as const;
  const tables = {
    ar_plans: reference,
    dj_plan: reference,
    sa_plan: reference,
    // Django's own, with columns that are called as the sharding key is.
    auth_user_groups: home,
    auth_user_user_permissions: home,
  };
  proxy = await startTestProxy({ shards: 3, config: { sharding: { tables } } });
});

afterAll(() => proxy.close());

async function seenBy(program: string, run: readonly string[], login: Login): Promise<string[]> {
  const { user, password, host, port, database } = login;
  const url = `postgresql://${user}:${password}@${host}:${port}/${database}`;
  const { stdout } = await promisify(execFile)(program, [...run, url], { cwd: FOLDER });
  return stdout.trimEnd().split('\n');
}

describe.each(Object.entries(SCRIPTS))('%s', (_, script) => {
  const program = programOf(script);

  test.runIf(program !== null)(
    'sees the same as on one PostgreSQL',
    { timeout: TIMEOUT_MS },
    async () => {
      const plain = await seenBy(program!, script.run, proxy.plain);
      const through = await seenBy(program!, script.run, proxy.login);
      expect(through).toEqual(plain);
      expect(plain.length).toBeGreaterThanOrEqual(script.lines);
    },
  );
});
