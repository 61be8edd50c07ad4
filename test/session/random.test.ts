// Random transcripts: whatever a session does, the proxy answers as one PostgreSQL.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { numberFromEnvironment, Random } from '../support/random.ts';
import { randomScript } from './random-scripts.ts';
import { openTranscriptStand, type TranscriptStand } from './transcript-stand.ts';

/** The same each time: differences that are known and small are not to be met by chance. */
const SEED = numberFromEnvironment('SCRIPTS_SEED', 1);
const SCRIPTS = numberFromEnvironment('SCRIPTS', 30);
const STEPS = 25;

let stand: TranscriptStand;

beforeAll(async () => {
  stand = await openTranscriptStand({});
});

afterAll(() => stand.close());

describe(`Random scripts (SCRIPTS_SEED=${SEED} SCRIPTS=${SCRIPTS})`, () => {
  const random = new Random(SEED);
  const scripts = Array.from({ length: SCRIPTS }, (_, i) =>
    randomScript(random.fork(), STEPS, String(i)),
  );

  it.each(scripts.map((script, i) => [i, script] as const))('%i', async (_, script) => {
    const [plain, proxied] = await stand.answers(script);
    expect(plain).not.toMatch(/^at the server/);
    expect(withoutReports(proxied)).toBe(withoutReports(plain));
  });
});

/** A server reports what an error has taken back at once, the proxy when its transaction ends. */
const withoutReports = (text: string): string => text.replaceAll(/^S .*\n/gm, '');
