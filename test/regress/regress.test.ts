// The statement corpus over shards: equal to one PostgreSQL or refused, never different.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Client } from '../../src/base/pg.ts';
import { dropDatabase, ensureDatabase } from '../../src/local/database.ts';
import { superusers } from '../support/cluster.ts';
import { startTestProxy } from '../support/proxy.ts';
import { printOutcomes } from './report.ts';
import { newOutcome, type Outcome, runScript } from './run.ts';
import { statementsOf } from './script.ts';

const SHARDS = 3;
const TIMEOUT_MS = 900_000;
const OWN = join(import.meta.dirname, 'sql');
const NAMES = [
  'aggregates',
  'groupingsets',
  'window',
  'join',
  'union',
  'with',
  'limit',
  'subselect',
  'select',
];

/** PostgreSQL's own suite, where it is: REGRESS=postgresql/src/test/regress. */
const SUITE = process.env.REGRESS;
const SUITE_NAMES = [
  ...NAMES,
  'numeric',
  'case',
  'select_distinct',
  'select_distinct_on',
  'select_having',
  'select_implicit',
  'int4',
  'int8',
  'strings',
  'arrays',
  'boolean',
  'text',
  'varchar',
  'char',
  'date',
  'time',
  'timestamp',
  'interval',
  'float4',
  'float8',
  'int2',
  'enum',
  'rangetypes',
  'multirangetypes',
  'json',
  'jsonb',
  'rowtypes',
  'tsrf',
  'returning',
  'insert',
  'insert_conflict',
  'update',
  'delete',
  'merge',
  'select_into',
  'uuid',
  'bit',
  'expressions',
  'incremental_sort',
  'rangefuncs',
  'inet',
  'generated',
  'copy2',
  'timestamptz',
  'horology',
  'jsonb_jsonpath',
  'regex',
  'polymorphism',
  'join_hash',
  'memoize',
  'partition_aggregate',
  'partition_join',
  'tsearch',
  'equivclass',
  'select_parallel',
  'domain',
  'identity',
  'truncate',
  'tablesample',
  'prepare',
  'portals',
  'transactions',
];

const MANUAL = join(import.meta.dirname, '../../docs/sql.md');

async function outcomeOf(setup: string, script: string): Promise<Outcome> {
  const tested = await startTestProxy({ shards: SHARDS });
  const beside = { ...tested.plain, database: `${tested.plain.database}_beside` };
  await ensureDatabase(beside, superusers().plain);
  const sides = {
    plain: new Client(tested.plain),
    beside: new Client(beside),
    proxy: new Client(tested.login),
  };
  const outcome = newOutcome();
  try {
    for (const client of Object.values(sides)) await client.connect();
    for (const client of Object.values(sides)) await client.query("SET statement_timeout = '30s'");
    const made = newOutcome();
    await runScript(statementsOf(setup), sides, made);
    // A table that stays whole proves nothing.
    expect(made.sharded).toBeGreaterThan(5);
    await runScript(statementsOf(script), sides, outcome);
  } finally {
    for (const client of Object.values(sides)) await client.end();
    await dropDatabase(beside, superusers().plain);
    await tested.close();
  }
  return outcome;
}

/** The lines of a data file in place of the name that psql would put there. */
function withData(script: string, folder: string): string {
  const copy = /\\set filename :abs_srcdir '([^']+)'\s*COPY (\w+) FROM :'filename';/g;
  return script.replaceAll(copy, (_, file: string, table: string) => {
    const lines = readFileSync(join(folder, file), 'utf8').trimEnd();
    return `COPY ${table} FROM stdin;\n${lines}\n\\.\n`;
  });
}

describe.each([
  ['corpus', OWN, 'setup.sql', NAMES],
  ...(SUITE === undefined
    ? []
    : [['suite', join(SUITE, 'sql'), 'test_setup.sql', SUITE_NAMES] as const]),
] as const)('the %s', (title, folder, setupName, names) => {
  const outcomes = new Map<string, Outcome>();
  const setup = withData(readFileSync(join(folder, setupName), 'utf8'), join(folder, '..'));

  afterAll(() => {
    for (const [name, { reasons }] of outcomes) {
      for (const [reason, statements] of reasons) {
        console.log(`${name}: ${statements.length} × ${reason}\n${statements.join('\n\n')}\n`);
      }
    }
  });

  test.each(names.filter((name) => existsSync(join(folder, `${name}.sql`))))(
    '%s',
    async (name) => {
      const outcome = await outcomeOf(setup, readFileSync(join(folder, `${name}.sql`), 'utf8'));
      outcomes.set(name, outcome);
      expect(outcome.equal).toBeGreaterThan(0);
      expect(outcome.different).toEqual([]);
    },
    TIMEOUT_MS,
  );

  /** UPDATE_DOCS=1 writes it there. */
  test('the manual has the table of what was found', () => {
    const isWritten = process.env.UPDATE_DOCS !== undefined;
    // Other versions have other files.
    if (title === 'suite' && !isWritten) {
      console.log(printOutcomes(outcomes));
      return;
    }
    const manual = readFileSync(MANUAL, 'utf8');
    const start = `<!-- ${title} -->\n`;
    const [from, to] = [
      manual.indexOf(start) + start.length,
      manual.indexOf(`<!-- ${title} ends -->`),
    ];
    expect(from).toBeGreaterThan(start.length);
    const found = `\n${printOutcomes(outcomes)}\n\n`;
    if (isWritten) {
      writeFileSync(MANUAL, manual.slice(0, from) + found + manual.slice(to));
      return;
    }
    expect(manual.slice(from, to)).toBe(found);
  });
});
