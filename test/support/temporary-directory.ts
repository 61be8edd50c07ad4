// A directory of one test file that other accounts can enter, removed after its tests.

import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** What a dozen clusters leave are tens of thousands of files: a busy disk removes them in minutes. */
const REMOVAL_TIMEOUT_MS = 600_000;

/** Makes it now; to be called at the top of a test file. The servers may run as another user. */
export function temporaryDirectory(): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'drive-test-')));
  chmodSync(directory, 0o755);
  afterAll(() => rmSync(directory, { recursive: true, force: true }), REMOVAL_TIMEOUT_MS);
  return directory;
}
