// The examples of docs/api.md, run from top to bottom, answer as the page says.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FreshDatabases, freshDatabases } from '../support/cluster.ts';
import { type Example, examplesOf, runCurl, settled } from '../support/console-page.ts';
import { type RunningStack, startStack } from './running-api.ts';

const page = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');

const IDS = ['id', 'record_id'];

describe('docs/api.md', () => {
  let databases: FreshDatabases;
  let stack: RunningStack;
  beforeAll(async () => {
    databases = await freshDatabases(2, { application: true });
    stack = await startStack(databases.shards);
  });
  afterAll(async () => {
    await stack.close();
    await databases.drop();
  });

  /** A stream is compared by its last line: how many progress lines come before it is chance. */
  function compared({ command }: Example, answer: string): string {
    const lines = settled(answer, IDS).split('\n');
    return command.includes('ndjson') ? String(lines.at(-1)) : lines.join('\n');
  }

  test.each(examplesOf('docs/api.md'))('$command', async (example) => {
    const answer = await runCurl(example.command, stack.url);
    if (example.command.includes('respond-async')) await jobEnded(answer);
    expect(compared(example, answer)).toBe(compared(example, example.answer));
  });

  /** The examples below it count what this one writes. */
  async function jobEnded(answer: string): Promise<void> {
    const path = `/ingest/bulk/${JSON.parse(answer).job}`;
    while ((await stack.call('GET', path)).body.state === 'running');
  }

  test('tells of every endpoint', async () => {
    const { body } = await stack.call('GET', '/openapi.json');
    for (const path of Object.keys(body.paths)) expect(page).toContain(path);
  });
});
