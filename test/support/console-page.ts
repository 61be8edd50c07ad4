// Console examples of a documentation page: what is typed there, and what it says comes back.

import { readFileSync } from 'node:fs';
import { expect } from 'vitest';

export interface Example {
  /** `$`: a shell command; `=>`: SQL or one of psql's commands. */
  readonly prompt: '$' | '=>';
  readonly command: string;
  /** What follows, without the spaces at ends of lines. */
  readonly answer: string;
}

/** The examples in the `console` blocks of a page, `path` from the project's root. */
export function examplesOf(path: string): Example[] {
  const page = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  const found: { prompt: Example['prompt']; command: string; answer: string }[] = [];
  for (const [, indent = '', block = ''] of page.matchAll(/^( *)```console\n([\s\S]*?)^ *```$/gm)) {
    for (const line of block.split('\n').map((text) => text.slice(indent.length).trimEnd())) {
      const [, sign, command = ''] = /^(\$|\w+=>|\w+->) (.*)$/.exec(line) ?? [];
      const last = found.at(-1);
      if (command === '') last!.answer += `${line}\n`;
      else if (sign?.endsWith('->')) last!.command += `\n${command}`;
      else found.push({ prompt: sign === '$' ? '$' : '=>', command, answer: '' });
    }
  }
  return found.map((each) => ({ ...each, answer: each.answer.trim() }));
}

/** curl's words: quotes as the shell takes them. */
function words(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
}

/** The answer to `curl …` with the API at `url` in place of http://localhost:8000. */
export async function runCurl(command: string, url: string): Promise<string> {
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

/** What differs from run to run in JSON: times, jobs, cursors, names of test databases. */
const VARIES = /"(created_at|job|elapsed_ms|next|database)":("[^"]*"|\d+)/g;

/** An answer without what differs from run to run, and without the members `also`. */
export function settled(text: string, also: readonly string[] = []): string {
  const more = also.length === 0 ? /$^/g : new RegExp(`"(${also.join('|')})":("[^"]*"|\\d+)`, 'g');
  return text.replaceAll(VARIES, '"$1":…').replaceAll(more, '"$1":…').trimEnd();
}
