// The examples of docs/api.md, run from top to bottom, answer as the page says.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FreshDatabases, freshDatabases } from '../support/cluster.ts';
import { type RunningStack, startStack } from './running-api.ts';

const page = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');

interface Example {
  readonly command: string;
  readonly answer: string;
}

/** The `$ curl …` lines of the console blocks, each with the lines that follow it. */
function examples(): Example[] {
  const blocks = [...page.matchAll(/^ *```console\n([\s\S]*?)^ *```$/gm)].map(([, block]) => block);
  const lines = blocks.flatMap((block) => (block ?? '').split('\n').map((line) => line.trim()));
  const found: { command: string; answer: string }[] = [];
  for (const line of lines.filter((text) => text !== '')) {
    if (line.startsWith('$ ')) found.push({ command: line.slice(2), answer: '' });
    else found.at(-1)!.answer += `${line}\n`;
  }
  return found;
}

/** curl's words: quotes as the shell takes them. */
function words(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
}

async function run(command: string, url: string): Promise<string> {
  const [program, ...rest] = words(command);
  expect(program).toBe('curl');
  let method = 'GET';
  let body: string | null = null;
  let target = '';
  const headers: Record<string, string> = {};
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '-X') method = rest.shift() ?? '';
    else if (word === '--json') {
      method = 'POST';
      body = rest.shift() ?? '';
      headers['content-type'] = 'application/json';
    } else if (word === '-H') {
      const [name = '', value = ''] = (rest.shift() ?? '').split(': ');
      headers[name] = value;
    } else if (word !== '-N') target = word.replace('http://localhost:8000', url);
  }
  const response = await fetch(target, { method, headers, body });
  return response.text();
}

/** What differs from run to run. */
const VARIES = /"(id|record_id|created_at|job|elapsed_ms|next|database)":("[^"]*"|\d+)/g;
const settled = (text: string): string => text.replaceAll(VARIES, '"$1":…').trimEnd();

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
    const lines = settled(answer).split('\n');
    return command.includes('ndjson') ? String(lines.at(-1)) : lines.join('\n');
  }

  test.each(examples())('$command', async (example) => {
    const answer = await run(example.command, stack.url);
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
