// Kept ports: ports to be listened on again and again, which nobody is given in between.

import { LOOPBACK, requireFreePort } from '../../src/local/port.ts';

/** Below those that systems give to outgoing connections, which are from 32768 on or higher. */
const FIRST = 20_000;
const LAST = 32_000;
const TRIES = 50;

/** The first of `count` ports in a row on which nobody listens at this moment. */
export async function keptPorts(count: number): Promise<number> {
  for (let left = TRIES; ; left--) {
    const first = FIRST + Math.floor(Math.random() * (LAST - FIRST - count));
    const ports = Array.from({ length: count }, (_, i) => first + i);
    try {
      for (const port of ports) await requireFreePort(port, LOOPBACK, 'a test', 'nothing');
      return first;
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}
