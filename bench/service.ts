// A server program as a child process: started until it says that it is ready, and stopped.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
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
const OUTPUT_CHARS_MAX = 100_000;

export interface Service {
  readonly pid: number;
  /** What `ready` has matched. */
  readonly match: RegExpExecArray;
  /** Resolves when the process has ended. */
  stop(): Promise<void>;
}

/** Rejects with the output of a program that ends, or is not ready in time. */
export async function startService(options: ServiceOptions): Promise<Service> {
  const child = spawn(options.program, options.args, {
    ...options.account,
    cwd: '/',
    env: options.env ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close');
  const match = await Promise.race([whenReady(child, options), sleep(START_MS, null, { ref: false })]);
  if (match instanceof Error || match === null) {
    child.kill('SIGKILL');
    throw match ?? new Error(`${options.name} is not ready after ${START_MS} ms`);
  }
  return {
    pid: child.pid as number,
    match,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** Gives an Error with the output when it closes before it matches. */
function whenReady(child: ChildProcess, options: ServiceOptions): Promise<RegExpExecArray | Error> {
  const { promise, resolve } = Promise.withResolvers<RegExpExecArray | Error>();
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      if (output.length < OUTPUT_CHARS_MAX) output += text;
      const match = options.ready.exec(output);
      if (match !== null) resolve(match);
    });
  }
  child.once('error', resolve);
  child.once('close', () => resolve(new Error(`${options.name} has ended: ${output.trim()}`)));
  return promise;
}
