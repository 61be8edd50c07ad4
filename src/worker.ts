// The entry of a worker process, which the primary starts: serves clients until it is told to end.

import { keepCompiled } from './base/compile-cache.ts';

keepCompiled();
const { runWorker } = await import('./workers/worker.ts');
process.exit(await runWorker(process));
