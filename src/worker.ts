// The entry of a worker process, which the primary starts: serves clients until it is told to end.

import { runWorker } from './workers/worker.ts';

process.exit(await runWorker(process));
