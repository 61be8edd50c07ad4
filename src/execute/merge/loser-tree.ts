// LoserTree: the least of several sorted inputs, found again in log2(inputs) comparisons.

/** True when input `a` goes before input `b`; inputs that are used up go last. */
export type GoesBefore = (a: number, b: number) => boolean;

/** Stands for an input better than all while the tree is being filled. */
const UNPLAYED = -1;

/** Tournament of `count` > 0 inputs, by number. Source: Knuth, TAOCP volume 3, section 5.4.1. */
export class LoserTree {
  readonly #goesBefore: GoesBefore;
  /** [0] is the winner, the others lost their match; input i enters at (i + count) / 2. */
  readonly #matches: Int32Array;
  readonly #count: number;

  constructor(count: number, goesBefore: GoesBefore) {
    this.#count = count;
    this.#goesBefore = goesBefore;
    this.#matches = new Int32Array(count).fill(UNPLAYED);
    for (let input = count - 1; input >= 0; input--) this.replay(input);
  }

  get winner(): number {
    return this.#matches[0]!;
  }

  /** To be called when the winner has moved on to its next row, or to its end. */
  replay(input: number): void {
    let best = input;
    for (let match = (input + this.#count) >> 1; match > 0; match >>= 1) {
      const other = this.#matches[match]!;
      const otherWins = other === UNPLAYED || (best !== UNPLAYED && this.#goesBefore(other, best));
      if (!otherWins) continue;
      this.#matches[match] = best;
      best = other;
    }
    this.#matches[0] = best;
  }
}
