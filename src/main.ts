// The process entry: runs the command line and answers with its exit code.

import { keepCompiled } from './base/compile-cache.ts';

keepCompiled();
const { runCommandLine } = await import('./cli/command-line.ts');
// Explicitly: what was given up while it was starting must not keep the process.
process.exit(await runCommandLine(process.argv.slice(2)));
