// PostgreSQL's programs as npm brought them, also where npm was not allowed to run scripts.

import { lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { serverAccount } from '../../src/local/account.ts';
import { completeLinks, findBinaries } from '../../src/local/binaries.ts';
import { runProgram } from '../../src/local/program.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const directory = temporaryDirectory();

it("the programs run under the servers' account, which is not root", async () => {
  const account = serverAccount();
  expect(account?.uid ?? process.getuid?.()).not.toBe(0);
  const { code, output } = await runProgram(findBinaries(account).postgres, ['--version'], account);
  expect([code, output]).toEqual([0, expect.stringMatching(/^postgres \(PostgreSQL\) 18\./)]);
});

describe('Links that the package only lists', () => {
  const lib = join(directory, 'native', 'lib');
  mkdirSync(lib, { recursive: true });
  writeFileSync(join(lib, 'liba.so.1.2'), 'library');
  const link = { source: 'native/lib/liba.so.1.2', target: 'native/lib/liba.so.1' };
  writeFileSync(join(directory, 'native', 'pg-symlinks.json'), JSON.stringify([link]));

  it('are made, relative so that the folder can be moved', () => {
    completeLinks(directory);
    expect(lstatSync(join(lib, 'liba.so.1')).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(lib, 'liba.so.1'), 'utf8')).toBe('library');
    symlinkSync('native', join(directory, 'moved'));
    expect(readFileSync(join(directory, 'moved', 'lib', 'liba.so.1'), 'utf8')).toBe('library');
  });

  it('stay where they are there', () => {
    expect(() => completeLinks(directory)).not.toThrow();
  });
});
