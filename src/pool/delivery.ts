// Delivery: passes what a server answers on to its receiver, in as few pieces as can be.

import type { FrameReader } from '../wire/frame.ts';
import { FrameRun } from '../wire/frame-run.ts';
import type { Receiver } from './request.ts';

export class Delivery {
  /** The receiver may still need bytes of the chunk being worked on. */
  retained = false;
  #run = new FrameRun();

  /** The message that stands in `reader`. */
  forward(reader: FrameReader, receiver: Receiver): void {
    const before = this.#run.extend(reader);
    if (before !== null) this.#pass(before, receiver);
  }

  /** A message of the proxy's own, behind those so far. */
  insert(message: Buffer, receiver: Receiver): void {
    const before = this.#run.insert(message);
    if (before !== null) this.#pass(before, receiver);
  }

  /** Holds nothing back any more. */
  flush(receiver: Receiver): void {
    const run = this.#run.take();
    if (run !== null) this.#pass(run, receiver);
  }

  #pass(bytes: Buffer, receiver: Receiver): void {
    if (!receiver.relay(bytes)) this.retained = true;
  }
}
