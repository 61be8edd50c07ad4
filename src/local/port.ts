// Ports of the local machine: which are free, and a clear refusal of one that is taken.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { LocalError } from './local-error.ts';

/** The cluster's servers listen here only: nobody else on the network needs them. */
export const LOOPBACK = '127.0.0.1';

const PORT_MAX = 65_535;

/** A port nobody listens on at this moment. */
export function freePort(): Promise<number> {
  return bind(0, LOOPBACK);
}

/** A port that something is going to listen on; 0: any free one. */
export interface WantedPort {
  readonly port: number;
  /** Who needs it: "shard 0", "the proxy". */
  readonly what: string;
  /** What chooses it. */
  readonly flag: string;
}

/** Throws a LocalError for a port that does not exist or that two of `wanted` are to have. */
export function requireDistinctPorts(wanted: readonly WantedPort[]): void {
  const owners = new Map<number, WantedPort>();
  for (const each of wanted.filter(({ port }) => port !== 0)) {
    const { port, what, flag } = each;
    if (port > PORT_MAX) {
      throw new LocalError(`there is no port ${port} for ${what}: choose a lower one with ${flag}`);
    }
    const other = owners.get(port);
    if (other !== undefined) {
      throw new LocalError(
        `port ${port} is for both ${other.what} and ${what}: choose another with ${flag}`,
      );
    }
    owners.set(port, each);
  }
}

/**
 * Throws a LocalError that names `flag` unless `port` can be listened on.
 * `what` says who needs the port ("shard 0", "the proxy").
 */
export async function requireFreePort(
  port: number,
  host: string,
  what: string,
  flag: string,
): Promise<void> {
  try {
    await bind(port, host);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const options = { cause: error };
    if (code === 'EADDRINUSE') {
      const advice = `stop what listens there, or choose another with ${flag}`;
      throw new LocalError(`port ${port} for ${what} is taken: ${advice}`, options);
    }
    if (code === 'EACCES') {
      const advice = `choose one above 1023 with ${flag}`;
      throw new LocalError(`port ${port} for ${what} is not allowed here: ${advice}`, options);
    }
    throw new LocalError(`${what} cannot listen on ${host}:${port} (${code})`, options);
  }
}

async function bind(port: number, host: string): Promise<number> {
  const probe = createServer();
  probe.listen(port, host);
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port of its own');
  return address.port;
}
