// Hand routes: the leading comment and the values of SET drive.shard and drive.key.

import { describe, expect, it } from 'vitest';
import { SqlError } from '../../src/base/errors.ts';
import { handRoute, handRouteOf } from '../../src/sql/hand-route.ts';

const codeOf = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    if (error instanceof SqlError) return error.code;
    throw error;
  }
  return null;
};

describe('handRouteOf', () => {
  it('reads a shard or key from the comment before the statement', () => {
    const shard = { by: 'shard', shard: 1 };
    expect(handRouteOf('/* drive.shard=1 */ select 1')).toEqual(shard);
    expect(handRouteOf(' \n\t/*drive.shard = 1*/select 1')).toEqual(shard);
    expect(handRouteOf("/* drive.shard='1' */ select 1")).toEqual(shard);
    expect(handRouteOf('/* drive.key=-42 */ select 1')).toEqual({ by: 'key', key: -42n });
    const longest = { by: 'key', key: 9223372036854775807n };
    expect(handRouteOf('/* drive.key=9223372036854775807 */ x')).toEqual(longest);
  });

  it('gives null for any other text', () => {
    for (const sql of [
      '',
      'select 1',
      'select /* drive.shard=1 */ 1',
      '-- drive.shard=1\nselect 1',
      '/* shard=1 */ select 1',
      '/* see drive.shard=1 */ select 1',
      '/* drive.shard=1',
      "select '/* drive.shard=1 */'",
    ]) {
      expect(handRouteOf(sql), sql).toBeNull();
    }
  });

  it('refuses a bad value with 22023', () => {
    for (const value of ['x', '-1', '1.5', '1 2', '', "''", '99999999999999999999']) {
      expect(
        codeOf(() => handRouteOf(`/* drive.shard=${value} */ select 1`)),
        value,
      ).toBe('22023');
    }
    expect(codeOf(() => handRouteOf('/* drive.key=9223372036854775808 */ x'))).toBe('22023');
  });
});

describe('handRoute', () => {
  it('takes the choice back by an empty value', () => {
    expect(handRoute('shard', [''])).toBeNull();
    expect(handRoute('key', [''])).toBeNull();
  });

  it('refuses several values', () => {
    expect(codeOf(() => handRoute('shard', ['1', '2']))).toBe('22023');
    expect(codeOf(() => handRoute('shard', []))).toBe('22023');
  });
});
