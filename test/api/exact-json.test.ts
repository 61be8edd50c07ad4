// JSON whose integers stay exact.

import { expect, test } from 'vitest';
import { exactJson, parseExactJson } from '../../src/api/exact-json.ts';

test.each([
  '9223372036854775807',
  '-9223372036854775808',
  '9007199254740993',
  '9007199254740991',
  '0',
  '-1',
  '123456789012345678901234567890',
])('%s survives parsing and writing digit by digit', (digits) => {
  const text = `{"a":[${digits},{"b":${digits}}]}`;
  expect(exactJson(parseExactJson(text))).toBe(text);
});

test('integers that a double holds are numbers, those beyond are bigints', () => {
  expect(parseExactJson('[9007199254740991,9007199254740992]')).toEqual([
    9007199254740991,
    9007199254740992n,
  ]);
});

test('fractions and exponents stay doubles, digits inside strings stay text', () => {
  expect(parseExactJson('[1.5,1e300,"9223372036854775807"]')).toEqual([
    1.5,
    1e300,
    '9223372036854775807',
  ]);
});

test('a key named __proto__ is data and changes no prototype', () => {
  const parsed = parseExactJson('{"__proto__":{"polluted":1}}');
  expect(Object.hasOwn(parsed as object, '__proto__')).toBe(true);
  expect('polluted' in {}).toBe(false);
});

test('text that is no JSON is a SyntaxError', () => {
  expect(() => parseExactJson('{"a":')).toThrow(SyntaxError);
});
