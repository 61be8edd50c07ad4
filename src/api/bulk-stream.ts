// A bulk watched line by line: its progress as newline-delimited JSON until the line of its end.

import { setTimeout as sleep } from 'node:timers/promises';
import type { BulkJob } from './bulk-jobs.ts';
import { exactJson } from './exact-json.ts';
import { BULK_PROGRESS_MS } from './limits.ts';

/** The media type of the stream. */
export const NDJSON = 'application/x-ndjson';

/** Progress every BULK_PROGRESS_MS, then the final state; each line is one BulkState. */
export async function* progressLines(job: BulkJob): AsyncGenerator<string, void, void> {
  for (;;) {
    const progress = job.progress();
    yield `${exactJson(progress)}\n`;
    if (progress.state !== 'running') return;
    await Promise.race([job.ended, sleep(BULK_PROGRESS_MS, undefined, { ref: false })]);
  }
}
