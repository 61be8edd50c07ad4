// Transcripts: the proxy answers the same bytes with the same messages as one plain PostgreSQL.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTranscriptStand, SCRIPTS, type TranscriptStand } from './transcript-stand.ts';

let stand: TranscriptStand;

beforeAll(async () => {
  stand = await openTranscriptStand({});
});

afterAll(() => stand.close());

describe.each(SCRIPTS)('%s is answered as by PostgreSQL', (_, scripts) => {
  it.each(Object.entries(scripts))('%s', async (_, steps) => {
    const [plain, proxied] = await stand.answers(steps);
    expect(plain).not.toMatch(/^at the server/);
    expect(proxied).toBe(plain);
  });
});
