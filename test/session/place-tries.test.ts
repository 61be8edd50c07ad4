// Place tries: rows are looked for again as long as others change them, but not for ever.

import { describe, expect, it } from 'vitest';
import { PLACE_TRIES_MAX } from '../../src/base/limits.ts';
import { untilLocked } from '../../src/session/place-tries.ts';

describe('untilLocked', () => {
  it('gives what the first try gives that has locked all', async () => {
    const answers = [null, null, 'locked', 'never'];
    expect(await untilLocked(() => Promise.resolve(answers.shift()!))).toBe('locked');
    expect(answers).toEqual(['never']);
  });

  it('ends with 40001 where none does', async () => {
    let tries = 0;
    const look = () => {
      tries += 1;
      return Promise.resolve(null);
    };
    await expect(untilLocked(look)).rejects.toMatchObject({ code: '40001' });
    expect(tries).toBe(PLACE_TRIES_MAX);
  });

  it('fails as a try does', async () => {
    await expect(untilLocked(() => Promise.reject(new Error('lost')))).rejects.toThrow('lost');
  });
});
