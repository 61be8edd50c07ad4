// docs/config.md: its tables are those of the schema, its examples are accepted.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadConfig } from '../../src/control/config.ts';
import { configNode } from '../../src/control/config-schema.ts';
import { configReference } from '../support/config-reference.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'config.md'), 'utf8');

it('the reference is that of the schema', () => {
  const [, reference] = page.split(/<!-- reference -->\n|<!-- end of the reference -->/);
  expect(reference?.trim()).toBe(configReference(configNode));
});

it('every example in YAML is accepted', () => {
  const examples = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']) => text);
  expect(examples.length).toBeGreaterThan(0);
  const directory = mkdtempSync(join(tmpdir(), 'drive-docs-'));
  try {
    for (const [i, example] of examples.entries()) {
      const file = join(directory, `${i}.yaml`);
      writeFileSync(file, example);
      const config = loadConfig({ file, env: { SHARD_PASSWORD: 'secret' } });
      expect(config.shards.length).toBeGreaterThan(0);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
