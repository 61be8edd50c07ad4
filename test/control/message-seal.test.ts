// Seals of messages: who opens what.

import { beforeAll, describe, expect, it } from 'vitest';
import { MessageSeal } from '../../src/control/message-seal.ts';

let seal: MessageSeal;
let sealed: string;

beforeAll(async () => {
  seal = await MessageSeal.of('secret', 'test');
  sealed = seal.seal('{"n":1}', 42);
});

describe('A sealed message', () => {
  it('is opened by whoever has the secret', async () => {
    const other = await MessageSeal.of('secret', 'test');
    expect(other.open(sealed, 42)).toBe('{"n":1}');
  });

  it('is not opened with another secret or for another purpose', async () => {
    expect((await MessageSeal.of('secret2', 'test')).open(sealed, 42)).toBeNull();
    expect((await MessageSeal.of('secret', 'other')).open(sealed, 42)).toBeNull();
  });

  it('is not opened as one of another server process', () => {
    expect(seal.open(sealed, 43)).toBeNull();
  });

  it.each([
    ['', 'nothing'],
    ['{"n":1}', 'no seal'],
    ['ä'.repeat(43), 'characters of two bytes'],
    ['=', 'one character'],
  ])('is not %j: %s', (text) => {
    expect(seal.open(text, 42)).toBeNull();
  });

  it('is none when a character is another', () => {
    for (let i = 0; i < sealed.length; i++) {
      const other = `${sealed.slice(0, i)}${sealed[i] === 'x' ? 'y' : 'x'}${sealed.slice(i + 1)}`;
      expect(seal.open(other, 42)).toBeNull();
    }
  });
});
