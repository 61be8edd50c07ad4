// Random choices from a seed: the same seed gives the same run.

/** mulberry32: small, fast, and good enough for choosing test cases. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). */
  unit(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** A whole number from `least` to `most`, both possible. */
  int(least: number, most: number): number {
    return least + Math.floor(this.unit() * (most - least + 1));
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new Error('nothing to pick from');
    return choices[this.int(0, choices.length - 1)] as T;
  }

  bytes(length: number): Buffer {
    const buffer = Buffer.alloc(length);
    for (let i = 0; i < length; i++) buffer[i] = this.int(0, 255);
    return buffer;
  }

  /** A source of its own, so that what one does leaves the other's choices as they were. */
  fork(): Random {
    return new Random(this.int(0, 0xffffffff));
  }
}

/** A whole number from the environment; `fallback` where it is not set. */
export function numberFromEnvironment(name: string, fallback: number): number {
  const text = process.env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`${name} is no whole number: ${text}`);
  return value;
}

/** The seed of a run that was given none: what chance finds is searched for on purpose. */
const SEED = 20261124;

/** The seed of this run: from the environment, where `random` is a new one, or that of every run. */
export function seedFromEnvironment(name: string): number {
  if (process.env[name] === 'random') return Math.floor(Math.random() * 0x1_0000_0000);
  return numberFromEnvironment(name, SEED);
}
