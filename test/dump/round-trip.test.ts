// pg_dump, pg_restore and psql through the proxy: a database goes into the cluster and comes back.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../src/base/log.ts';
import { loadConfig } from '../../src/control/config.ts';
import { startProxy } from '../../src/proxy.ts';
import type { Login } from '../support/proxy.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { connectAsText, textRows } from '../support/text-client.ts';
import { ACCOUNTS, FIRST_BALANCE, openAccounts, whileTransferring } from '../support/transfers.ts';
import { installedBin, runTool } from './client-tools.ts';
import { type InstalledServers, startInstalled } from './servers.ts';

const sqlOf = (file: string) => readFileSync(join(import.meta.dirname, file), 'utf8');
const STOP = ['-X', '-q', '-v', 'ON_ERROR_STOP=1'];
/** What is the proxy's own. */
const OWN = ['--exclude-schema=drive'];

const directory = temporaryDirectory();
let servers: InstalledServers;
let source: Login;
/** What the source dumps. */
let dumped: readonly string[];
const closers: (() => Promise<void>)[] = [];

/** An empty cluster, its proxy, and how to log in there. */
async function cluster(name: string, shards: number): Promise<Login> {
  const places = await servers.shards(shards, name);
  const overrides = {
    shards: places.map(({ id: _, ...place }) => place),
    proxy: { port: 0 },
    sharding: { tables: { country: { kind: 'reference' } } },
  } as const;
  const config = loadConfig({ env: {}, overrides });
  const proxy = await startProxy(config, createLog('silent'));
  closers.push(() => proxy.close());
  const { host, database, users } = config.proxy;
  const { name: user, password } = users[0]!;
  return { host, port: proxy.port, database, user, password };
}

/** The lines of a dump in an order that rows of several shards have, too. */
function lines(dump: string): readonly string[] {
  // A word that is drawn for each dump.
  const all = dump.split('\n').filter((line) => !/^\\(un)?restrict /.test(line));
  return all.sort();
}

const dump = async (login: Login, ...args: readonly string[]) =>
  lines(await runTool('pg_dump', login, [...OWN, ...args]));

/** Each starts several programs one after the other: on a loaded machine that takes its time. */
const TIMEOUT_MS = 120_000;

describe.runIf(installedBin !== null)('A dump', { timeout: TIMEOUT_MS }, () => {
  beforeAll(async () => {
    servers = await startInstalled(directory, installedBin!);
    source = await servers.single('source');
    await runTool('psql', source, STOP, sqlOf('source.sql'));
    dumped = await dump(source);
  });

  afterAll(async () => {
    for (const close of closers) await close();
    await servers.close();
  });

  it.each([1, 2, 3])('of one PostgreSQL dumps back equal from %i shards', async (shards) => {
    const there = await cluster(`plain${shards}`, shards);
    await runTool('psql', there, STOP, await runTool('pg_dump', source, []));
    expect(await dump(there)).toEqual(dumped);
  });

  it('of a database that has grown, with its odd names, dumps back equal', async () => {
    const grown = await servers.single('grown');
    await runTool('psql', grown, STOP, sqlOf('grown.sql'));
    const there = await cluster('grown_there', 3);
    await runTool('psql', there, STOP, await runTool('pg_dump', grown, []));
    expect(await dump(there)).toEqual(await dump(grown));
  });

  it.each([
    ['as INSERTs', ['--inserts']],
    ['as INSERTs with names, of several rows', ['--column-inserts', '--rows-per-insert=7']],
    ['as INSERTs on conflict, in one transaction', ['--inserts', '--on-conflict-do-nothing']],
  ])('of the cluster %s restores into another', async (name, args) => {
    const first = await cluster(`from_${args.length}${args[0]!.length}`, 2);
    await runTool('psql', first, STOP, await runTool('pg_dump', source, []));
    const text = await runTool('pg_dump', first, [...OWN, ...args]);
    const second = await cluster(`to_${args.length}${args[0]!.length}`, 3);
    const once = name.includes('one transaction') ? ['-1'] : [];
    await runTool('psql', second, [...STOP, ...once], text);
    expect(await dump(second)).toEqual(dumped);
  });

  it('in pg_dump’s own format restores by pg_restore, schema and data apart', async () => {
    const file = join(directory, 'custom');
    await runTool('pg_dump', source, ['-Fc', '-f', file]);
    const there = await cluster('custom', 2);
    await runTool('pg_restore', there, ['-e', '--section=pre-data', file]);
    await runTool('pg_restore', there, ['-e', '--data-only', '--section=data', file]);
    await runTool('pg_restore', there, ['-e', '--section=post-data', file]);
    expect(await dump(there)).toEqual(dumped);
    expect(await dump(there, '--data-only')).toEqual(await dump(source, '--data-only'));
    expect(await dump(there, '--schema-only')).toEqual(await dump(source, '--schema-only'));
  });

  it('in folders restores over several connections', async () => {
    const folder = join(directory, 'folder');
    await runTool('pg_dump', source, ['-Fd', '-f', folder]);
    const there = await cluster('folder', 2);
    await runTool('pg_restore', there, ['-e', '-j', '3', folder]);
    expect(await dump(there)).toEqual(dumped);
  });

  it.each([1, 3])('over several connections dumps back equal from %i shards', async (shards) => {
    const there = await cluster(`several${shards}`, shards);
    await runTool('psql', there, STOP, await runTool('pg_dump', source, []));
    const folder = join(directory, `several${shards}`);
    await runTool('pg_dump', there, [...OWN, '-Fd', '-j', '4', '-f', folder]);
    const back = await cluster(`back${shards}`, 2);
    await runTool('pg_restore', back, ['-e', '-j', '4', folder]);
    expect(await dump(back)).toEqual(dumped);
  });

  it('over several connections, while others write over shards, is of one moment', async () => {
    const there = await cluster('parallel', 3);
    await openAccounts(there);
    const folder = (round: number) => join(directory, `parallel${round}`);
    let round = 0;
    const books = await whileTransferring(there, { writers: 3, rounds: 5 }, async () => {
      round += 1;
      await runTool('pg_dump', there, [...OWN, '-Fd', '-j', '4', '-f', folder(round)]);
    });
    const sums: unknown[] = [];
    for (let each = 1; each <= round; each++) {
      const one = await servers.single(`parallel${each}`);
      await runTool('pg_restore', one, ['-e', '-j', '2', folder(each)]);
      const client = await connectAsText(one);
      // Both tables have what the same transfers have done.
      const BOTH = `SELECT (SELECT sum(balance) FROM account), (SELECT sum(amount) FROM entry),
        (SELECT count(*) FROM account a WHERE balance <> ${FIRST_BALANCE} +
          COALESCE((SELECT sum(amount) FROM entry e WHERE e.user_id = a.user_id), 0))`;
      sums.push(...(await textRows(client, BOTH)));
      await client.end();
    }
    expect(sums).toEqual(sums.map(() => [String(ACCOUNTS * FIRST_BALANCE), '0', '0']));
    expect(books.filter(({ outcome }) => outcome === 'committed').length).toBeGreaterThan(round);
  });

  it('while others write over shards has all or nothing of what each has committed', async () => {
    const there = await cluster('busy', 3);
    await openAccounts(there);
    const sums: bigint[] = [];
    await whileTransferring(there, { writers: 3, rounds: 8 }, async () => {
      const text = await runTool('pg_dump', there, ['--data-only', '-t', 'account']);
      const rows = [...text.matchAll(/^\d+\t(-?\d+)$/gm)];
      sums.push(rows.reduce((sum, [, balance]) => sum + BigInt(balance!), 0n));
    });
    expect(sums).toEqual(sums.map(() => BigInt(ACCOUNTS * FIRST_BALANCE)));
  });

  it.runIf(Number(installedBin?.split('/').at(-2)) < 18)(
    'or any script may have rows as CSV, which end with a backslash and a dot',
    async () => {
      const there = await cluster('csv', 3);
      const rows = ['id,user_id', '1,\\.', '2,"a', '\\.x"', '3,b', '\\.'].join('\n');
      const printed = await runTool(
        'psql',
        there,
        STOP,
        `CREATE TABLE t (user_id int, a text); COPY t FROM STDIN CSV HEADER;\n${rows}\n
          COPY t FROM STDIN CSV;\n4,c\n\\.\nCOPY (SELECT * FROM t ORDER BY 1) TO STDOUT CSV;\n`,
      );
      expect(printed).toBe('1,\\.\n2,"a\n\\.x"\n3,b\n4,c\n');
    },
  );

  it('of ids that several shards have given goes on behind all of them', async () => {
    const first = await cluster('ids', 3);
    const client = await connectAsText(first);
    await textRows(client, 'CREATE TABLE note (id bigserial PRIMARY KEY, user_id bigint NOT NULL)');
    const insert = 'INSERT INTO note (user_id) SELECT $1::int8 FROM generate_series(1, 5)';
    await client.query(insert, [1]);
    await client.query(insert, [2]);
    const [[last]] = (await textRows(client, 'SELECT max(id) FROM note')) as [[string]];
    const told = await textRows(client, 'SELECT last_value, is_called FROM note_id_seq');
    expect(told).toEqual([[last, 't']]);
    await client.end();

    const one = await servers.single('ids_one');
    await runTool('psql', one, STOP, await runTool('pg_dump', first, OWN));
    const single = await connectAsText(one);
    const next = await textRows(single, 'INSERT INTO note (user_id) VALUES (1) RETURNING id');
    expect(next).toEqual([[String(Number(last) + 1)]]);
    await single.end();
  });
});
