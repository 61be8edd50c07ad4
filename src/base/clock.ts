// CoarseClock: a time that is renewed now and then, for whoever needs it often and not exactly.

/** Reading it costs nothing; it is late by its owner's interval at most. */
export class CoarseClock {
  /** As performance.now(). */
  nowMs = performance.now();

  tick(): void {
    this.nowMs = performance.now();
  }
}
