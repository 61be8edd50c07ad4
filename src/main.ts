// The process entry: runs the command line and answers with its exit code.

import { runCommandLine } from './cli/command-line.ts';

process.exitCode = await runCommandLine(process.argv.slice(2));
