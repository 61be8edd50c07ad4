// The ledger of refusals: each has a golden case, its SQLSTATE, a hint, and a line in the manual.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  REFUSED,
  type RefusedReason,
  refused,
  SEVERAL_SHARDS,
  type SeveralShardsReason,
  severalShards,
} from '../../src/plan/unsupported.ts';
import { printUnsupported } from '../../src/plan/unsupported-text.ts';
import { readCases } from './case-file.ts';

const FOLDER = join(import.meta.dirname, 'cases');
const PLANS = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.txt'))
  .flatMap((name) => readCases(join(FOLDER, name)).map(({ plan }) => plan))
  .join('\n');

const MANUAL = join(import.meta.dirname, '../../docs/sql.md');
const START = '<!-- printed from src/plan/unsupported.ts -->\n';
const END = '<!-- end -->';

describe('the ledger of refusals', () => {
  it.each(Object.keys(SEVERAL_SHARDS) as SeveralShardsReason[])('several shards: %s', (reason) => {
    const { code, message, hint } = severalShards(reason);
    expect(code).toBe('0A000');
    expect(hint).toMatch(/\.$/);
    expect(PLANS).toContain(`0A000 ${message}\n`);
  });

  it.each(Object.keys(REFUSED) as RefusedReason[])('any shard: %s', (reason) => {
    const { code, message, hint } = refused(reason);
    expect(code).toBe('0A000');
    expect(hint).toMatch(/\.$/);
    expect(PLANS).toContain(`refused: 0A000 ${message}\n`);
  });

  it('is printed in the manual', () => {
    const manual = readFileSync(MANUAL, 'utf8');
    const printed = manual.slice(manual.indexOf(START) + START.length, manual.indexOf(END));
    expect(printed.trim()).toBe(printUnsupported().trim());
  });
});
