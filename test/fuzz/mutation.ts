// Damage to a conversation: what broken clients, broken networks and attackers make of it.

import type { Random } from '../support/random.ts';

/** One way to damage; gives the messages that are sent instead. */
type Mutation = (messages: readonly Buffer[], random: Random) => readonly Buffer[];

const at = (messages: readonly Buffer[], random: Random): number =>
  random.int(0, messages.length - 1);

function replaced(messages: readonly Buffer[], index: number, ...by: Buffer[]): readonly Buffer[] {
  return messages.toSpliced(index, 1, ...by);
}

/** A copy of one message that may be changed in place. */
function damaged(
  messages: readonly Buffer[],
  random: Random,
  damage: (copy: Buffer) => void,
): readonly Buffer[] {
  const index = at(messages, random);
  const copy = Buffer.from(messages[index]!);
  damage(copy);
  return replaced(messages, index, copy);
}

const LENGTHS = [
  0, 1, 3, 4, 5, 8, 100, 65_536, 0x00ffffff, 0x0fffffff, 0x10000005, 0x3fffffff, 0x7fffffff,
  0x80000000, 0xfffffffe, 0xffffffff,
];

const MUTATIONS: readonly Mutation[] = [
  // Any byte becomes another.
  (messages, random) =>
    damaged(messages, random, (copy) => {
      for (let left = random.int(1, 3); left > 0; left--) {
        copy[random.int(0, copy.length - 1)] = random.int(0, 255);
      }
    }),
  // A length that is not that of the message.
  (messages, random) =>
    damaged(messages, random, (copy) => {
      if (copy.length >= 5) copy.writeUInt32BE(random.pick(LENGTHS), random.chance(0.7) ? 1 : 0);
    }),
  // A number within: counts of parameters and formats, lengths of values.
  (messages, random) =>
    damaged(messages, random, (copy) => {
      const place = random.int(0, copy.length - 1);
      if (place + 2 <= copy.length) copy.writeUInt16BE(random.pick([0, 1, 0x7fff, 0xffff]), place);
    }),
  // A type that is not that of the body.
  (messages, random) =>
    damaged(messages, random, (copy) => {
      copy[0] = random.pick([...Buffer.from('QPBDECSHXdcfFp')]);
    }),
  // Cut short, with what follows taken for its rest.
  (messages, random) => {
    const index = at(messages, random);
    const message = messages[index]!;
    return replaced(messages, index, message.subarray(0, random.int(0, message.length - 1)));
  },
  // Said twice, or many times.
  (messages, random) => {
    const index = at(messages, random);
    const many = random.pick([1, 1, 2, 40]);
    return messages.toSpliced(index, 0, ...Array.from({ length: many }, () => messages[index]!));
  },
  // Two in the wrong order.
  (messages, random) => {
    const [one, other] = [at(messages, random), at(messages, random)];
    return messages.with(one, messages[other]!).with(other, messages[one]!);
  },
  // One left out.
  (messages, random) => messages.toSpliced(at(messages, random), 1),
  // Noise in between.
  (messages, random) =>
    messages.toSpliced(at(messages, random), 0, random.bytes(random.pick([1, 5, 40, 3000]))),
  // The end is missing.
  (messages, random) => messages.slice(0, at(messages, random)),
];

/** Damages the conversation `times` times; an empty one stays empty. */
export function mutate(messages: readonly Buffer[], random: Random, times: number): Buffer[] {
  let result: readonly Buffer[] = messages;
  for (let left = times; left > 0 && result.length > 0; left--) {
    result = random
      .pick(MUTATIONS)(result, random)
      .filter((message) => message.length > 0);
  }
  return [...result];
}

/** The same bytes in pieces of another size than the messages'. */
export function split(bytes: Buffer, random: Random): Buffer[] {
  const pieceBytesMax = random.pick([1, 7, 64, 1000, 65_536]);
  const pieces: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    // A long stream in single bytes would only test patience.
    const length = pieces.length > 200 ? bytes.length : random.int(1, pieceBytesMax);
    pieces.push(bytes.subarray(start, start + length));
    start += length;
  }
  return pieces;
}
