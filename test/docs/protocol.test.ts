// docs/protocol.md: every behaviour has a test, which is where the page says.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const BEHAVIOURS = 20;

const page = readFileSync(join(ROOT, 'docs', 'protocol.md'), 'utf8');
const rows = [...page.matchAll(/^\| (\d+) \| (.*) \| `(.*)` "(.*)" \|$/gm)].map(
  ([, number, behaviour, file, title]) => ({
    number: Number(number),
    behaviour: behaviour!,
    file: file!,
    title: title!,
  }),
);

it('has a test for each of the behaviours', () => {
  const all = Array.from({ length: BEHAVIOURS }, (_, i) => i + 1);
  expect([...new Set(rows.map(({ number }) => number))]).toEqual(all);
  expect(rows).toHaveLength(page.split('\n').filter((line) => /^\| \d+ \|/.test(line)).length);
});

it.each(rows)('$number: $behaviour', ({ file, title }) => {
  expect(readFileSync(join(ROOT, file), 'utf8')).toContain(title);
});
