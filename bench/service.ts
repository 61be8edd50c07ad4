// A server program as a child process: started until it says that it is ready, and stopped.

import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ServiceOptions {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly account?: { readonly uid: number; readonly gid: number } | null;
  /** Matches the output (of both streams) once it serves. */
  readonly ready: RegExp;
}

/** Starting takes a second; a machine that is very busy takes some more. */
const START_MS = 30_000;
/** Longer than the proxy waits for open transactions. */
const STOP_MS = 15_000;
/** What of the output is kept to look for `ready` and to show after a failure. */
const OUTPUT_CHARS_MAX = 20_000;

export interface Service {
  readonly pid: number;
  /** What `ready` has matched. */
  readonly match: RegExpExecArray;
  /** Null while it runs; once it has ended, the last of its output. */
  lastWords(): string | null;
  /** Resolves when the process has ended. */
  stop(): Promise<void>;
  /** Ends it without waiting. */
  kill(): void;
}

/** Rejects with the output of a program that ends, or is not ready in time. */
export async function startService(options: ServiceOptions): Promise<Service> {
  const child = spawn(options.program, options.args, {
    ...options.account,
    cwd: '/',
    env: options.env ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const { promise: matched, resolve: match } = Promise.withResolvers<RegExpExecArray>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-OUTPUT_CHARS_MAX);
      const found = options.ready.exec(output);
      if (found !== null) match(found);
    });
  }
  const { promise: ended, resolve: end } = Promise.withResolvers<string>();
  child.once('error', (error) => end(error.message));
  child.once('close', () => end(`${options.name} has ended: ${output.trim()}`));
  const late = sleep(START_MS, `${options.name} is not ready after ${START_MS} ms`, { ref: false });
  const ready = await Promise.race([matched, ended, late]);
  if (typeof ready === 'string') {
    child.kill('SIGKILL');
    throw new Error(ready);
  }
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    pid: child.pid as number,
    match: ready,
    kill: () => void child.kill('SIGKILL'),
    lastWords: () => (isRunning() ? null : output.trim()),
    async stop() {
      if (!isRunning()) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}
